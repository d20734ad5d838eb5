"""Commands that need no service: sign, pack, verify a receipt."""

import json
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import typer
from lxml import etree
from rich.progress import track

from app.cli.terminal import ExitCode, Json, failures_told, progress_console, say, show_json
from app.client.errors import PackagingError, ProofError, SenderError
from app.client.keys import load_certificate, load_private_key
from app.client.packaging import (
    NAMESPACE,
    Header,
    Package,
    build_package,
    open_package,
    parse,
    serialise,
    transcripts_of,
    unpack,
)
from app.client.receipts import Receipt, check_package, check_transcript, read_receipt
from app.client.signing import VIETNAM, Canonicalisation, Role, Style, sign_transcript
from app.clock import system_clock

commands = typer.Typer()

SOFTWARE_NAME = "hocba"
SOFTWARE_VERSION = "0.1.0"
_MOMENTS = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S"]
# Fewer than this sign faster than a bar can be drawn.
_WORTH_A_BAR = 20


class CanonicalForm(StrEnum):
    """The names the command line gives to the canonical forms."""

    EXCLUSIVE = "exclusive"
    INCLUSIVE = "inclusive"
    INCLUSIVE_11 = "inclusive-1.1"

    @property
    def method(self) -> Canonicalisation:
        """The algorithm meant."""
        return Canonicalisation[self.name]


@commands.command()
def sign(
    file: Annotated[Path, typer.Argument(help="GoiHocBa hoặc HocBa / a package or one transcript")],
    *,
    key: Annotated[Path, typer.Option(help="Khóa bí mật PEM, DER / private key")],
    certificate: Annotated[Path, typer.Option(help="Chứng thư số PEM, DER / certificate")],
    role: Annotated[Role, typer.Option(help="Vai trò / capacity of the signer")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Tệp kết quả / where to write")],
    style: Annotated[Style, typer.Option(help="XAdES hoặc SignatureProperties")] = Style.XADES,
    canonicalisation: Annotated[CanonicalForm, typer.Option("--c14n")] = CanonicalForm.EXCLUSIVE,
    at: Annotated[
        datetime | None, typer.Option(formats=_MOMENTS, help="Thời điểm ký / signing time, else now")
    ] = None,
    subjects: Annotated[
        list[str] | None,
        typer.Option("--subject", help="Mã môn mà GVBM ký / codes of the subjects a GVBM signs; may repeat"),
    ] = None,
    is_pss: Annotated[bool, typer.Option("--pss", help="RSASSA-PSS")] = False,
    password: Annotated[str | None, typer.Option(envvar="HOCBA_KEY_PASSWORD")] = None,
    as_json: Json = False,
) -> None:
    """Ký mọi học bạ trong một tệp. / Sign every transcript of a file."""
    with failures_told(as_json=as_json):
        private_key = load_private_key(key.read_bytes(), password.encode() if password else None)
        signer = load_certificate(certificate.read_bytes())
        root = parse(unpack(file.read_bytes()))
        transcripts = transcripts_of(root)
        signed_at = _aware(at) if at else system_clock().astimezone(VIETNAM)
        for transcript in _with_bar(transcripts):
            sign_transcript(
                transcript,
                role=role,
                key=private_key,
                certificate=signer,
                signed_at=signed_at,
                covers=_parts_of(transcript, subjects) if subjects else "content",
                style=style,
                canonicalisation=canonicalisation.method,
                is_pss=is_pss,
            )
        output.write_bytes(serialise(root))
        count = len(transcripts)
        if as_json:
            show_json({"output": output, "signed": count, "role": role, "signed_at": signed_at.isoformat()})
        else:
            say(f"Đã ký {count} học bạ ({role}): {output}", f"Signed {count} transcripts")


@commands.command()
def pack(
    files: Annotated[list[Path], typer.Argument(help="GoiHocBa hoặc các HocBa / a package or HocBa files")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="*.xml.gz, *.json hoặc *.xml")],
    package_id: Annotated[str | None, typer.Option(help="Mã gói (UUID) / else a new one")] = None,
    as_json: Json = False,
) -> None:
    """Đóng gói để gửi: gzip, hoặc JSON chứa base64. / Pack for sending: gzip, or JSON with base64."""
    with failures_told(as_json=as_json):
        xml = _package_xml([parse(unpack(file.read_bytes())) for file in files], package_id)
        package = open_package(xml)
        output.write_bytes(_in_form(output.suffix, xml, package))
        if as_json:
            show_json({**package.outer_fields, "sha256": package.digest, "output": output})
        else:
            say(f"Đã đóng gói {package.package_id}: {output}", f"SHA-256 of the gzip: {package.digest}")


@commands.command("verify-receipt")
def verify_receipt(
    file: Annotated[Path, typer.Argument(help="Biên nhận (JWS) / the receipt")],
    *,
    jwks: Annotated[str, typer.Option(help="Tệp hoặc URL khóa công khai của dịch vụ / keys: file or URL")],
    package: Annotated[Path | None, typer.Option(help="Gói đã gửi / the package it speaks of")] = None,
    transcript: Annotated[Path | None, typer.Option(help="HocBa XML / the transcript it speaks of")] = None,
    as_json: Json = False,
) -> None:
    """Kiểm tra biên nhận, không cần mạng nếu có tệp khóa. / Verify a receipt, offline with a key file."""
    with failures_told(as_json=as_json):
        keys = load_jwks(jwks)
        try:
            receipt = read_receipt(file.read_text(encoding="ascii", errors="replace"), keys)
            if package is not None:
                check_package(receipt, package.read_bytes())
            if transcript is not None:
                check_transcript(receipt, transcript.read_bytes())
        except ProofError as error:
            _tell_invalid(error, as_json=as_json)
            raise typer.Exit(ExitCode.NOT_ACCEPTED) from error
        _tell_valid(receipt, as_json=as_json)


def _in_form(suffix: str, xml: bytes, package: Package) -> bytes:
    if suffix == ".gz":
        return package.gzipped
    if suffix == ".json":
        return package.as_json()
    if suffix == ".xml":
        return xml
    raise PackagingError(
        "Tên tệp kết quả phải kết thúc bằng .xml.gz, .json hoặc .xml.",
        "The output's name must end in .xml.gz, .json or .xml.",
    )


def _with_bar(transcripts: list[etree._Element]) -> Iterable[etree._Element]:
    if len(transcripts) < _WORTH_A_BAR:
        return transcripts
    return track(transcripts, "Đang ký / signing", console=progress_console())


def _parts_of(transcript: etree._Element, codes: list[str]) -> list[str]:
    """Give the Ids of the subjects with these codes; a subject without an Id cannot be signed alone."""
    return [
        subject.get("Id", "")
        for subject in transcript.iter(f"{{{NAMESPACE}}}MonHoc")
        if subject.findtext(f"{{{NAMESPACE}}}Ma") in codes
    ]


def _aware(at: datetime) -> datetime:
    """A moment without offset on the command line means Vietnam's legal time."""
    return at if at.tzinfo else at.replace(tzinfo=VIETNAM)


def _package_xml(roots: list[etree._Element], package_id: str | None) -> bytes:
    if len(roots) == 1 and roots[0].tag == f"{{{NAMESPACE}}}GoiHocBa" and package_id is None:
        return serialise(roots[0])
    transcripts = [transcript for root in roots for transcript in transcripts_of(root)]
    codes = {_field(transcript, "MaTruong") for transcript in transcripts}
    years = {_field(transcript, "NamHoc") for transcript in transcripts}
    if len(codes) != 1 or len(years) != 1:
        raise PackagingError(
            "Một gói chỉ chứa học bạ của một trường trong một năm học.",
            "A package holds transcripts of one school and one school year.",
        )
    try:
        chosen = UUID(package_id) if package_id else uuid4()
    except ValueError as error:
        raise PackagingError("Mã gói phải là UUID.", "The package id must be a UUID.") from error
    header = Header(
        package_id=chosen,
        school_code=codes.pop(),
        school_year=years.pop(),
        created_at=system_clock().astimezone(VIETNAM),
        software_name=SOFTWARE_NAME,
        software_version=SOFTWARE_VERSION,
    )
    return build_package(transcripts, header)


def _field(transcript: etree._Element, name: str) -> str:
    return transcript.findtext(f"{{{NAMESPACE}}}NoiDung/{{{NAMESPACE}}}{name}") or ""


def load_jwks(place: str) -> dict[str, Any]:
    """Give the service's public keys from a file or an address; SenderError where they cannot be read."""
    try:
        if place.startswith(("http://", "https://")):
            loaded = httpx.get(place, timeout=30).raise_for_status().json()
        else:
            loaded = json.loads(Path(place).read_bytes())
    except (httpx.HTTPError, ValueError) as error:
        raise SenderError(
            f"Không đọc được khóa công khai của dịch vụ từ {place}.",
            f"The service's keys cannot be read from {place}.",
        ) from error
    return loaded if isinstance(loaded, dict) else {}


def _tell_invalid(error: ProofError, *, as_json: bool) -> None:
    if as_json:
        show_json({"is_valid": False, "error": error.vi, "error_en": error.en})
    else:
        say(f"✗ {error.vi}", error.en, style="bold red")


def _tell_valid(receipt: Receipt, *, as_json: bool) -> None:
    if as_json:
        show_json({"is_valid": True, "key_id": receipt.key_id, "claims": receipt.claims})
        return
    say("✓ Biên nhận hợp lệ", "The receipt is valid", style="bold green")
    for name, value in receipt.claims.items():
        say(f"  {name}: {value}")
