"""What anybody can verify offline: a sealed snapshot, a proof drawn from it, a school's archive."""

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from app.cli.sender import load_jwks
from app.cli.terminal import ExitCode, Json, failures_told, say, show_json
from app.client.archives import check_archive
from app.client.errors import ProofError
from app.client.snapshots import Statement, check_manifest, check_proof, open_manifest

commands = typer.Typer()

Manifest = Annotated[
    Path | None, typer.Argument(help="Bảng kê: .ndjson, .ndjson.gz hoặc .zip / the manifest")
]
Jwks = Annotated[str, typer.Option(help="Khóa công khai: tệp hoặc URL / the service's keys, file or URL")]
ProofFile = Annotated[
    Path | None, typer.Option("--proof", help="Chứng minh cho một mã tra cứu / a proof for one code")
]


@commands.command("verify-snapshot")
def verify_snapshot(
    manifest: Manifest = None, *, jwks: Jwks, proof: ProofFile = None, as_json: Json = False
) -> None:
    """Kiểm tra ngoại tuyến bản chốt hoặc chứng minh. / Verify a sealed snapshot, or a proof, offline."""
    if manifest is None and proof is None:
        raise typer.BadParameter("MANIFEST hoặc --proof / MANIFEST or --proof")
    with failures_told(as_json=as_json):
        keys = load_jwks(jwks)
        try:
            stated = _check(manifest, proof, keys)
        except ProofError as error:
            _refuse(error, as_json=as_json)
        _tell(stated, as_json=as_json)


def _refuse(error: ProofError, *, as_json: bool) -> NoReturn:
    if as_json:
        show_json({"is_valid": False, "error": error.vi, "error_en": error.en})
    else:
        say(f"✗ {error.vi}", error.en, style="bold red")
    raise typer.Exit(ExitCode.NOT_ACCEPTED) from error


def _check(manifest: Path | None, proof: Path | None, keys: dict[str, Any]) -> Statement:
    """Verify what was given; manifest and proof must be of one snapshot."""
    stated = []
    if manifest is not None:
        with open_manifest(manifest) as file:
            stated.append(check_manifest(file, keys))
    if proof is not None:
        stated.append(check_proof(_read(proof), keys))
    if len({statement.token for statement in stated}) > 1:
        raise ProofError(
            "Chứng minh thuộc một bản chốt khác với bảng kê.",
            "The proof is of another snapshot than the manifest.",
        )
    return stated[-1]


def _read(path: Path) -> dict[str, Any]:
    try:
        body = json.loads(path.read_bytes())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ProofError("Tệp chứng minh không phải JSON.", "The proof is no JSON object.")
    return body


def _tell(stated: Statement, *, as_json: bool) -> None:
    if as_json:
        show_json({"is_valid": True, "key_id": stated.key_id, "claims": stated.claims})
        return
    say("✓ Bản chốt hợp lệ", "The snapshot is valid", style="bold green")
    for name, value in stated.claims.items():
        say(f"  {name}: {value}")


@commands.command("verify-archive")
def verify_archive(
    archive: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Tệp ZIP đã bàn giao / the archive")
    ],
    *,
    jwks: Jwks,
    as_json: Json = False,
) -> None:
    """Kiểm tra ngoại tuyến dữ liệu bàn giao của trường. / Verify a school's archive offline."""
    with failures_told(as_json=as_json):
        keys = load_jwks(jwks)
        try:
            stated = check_archive(archive, keys)
        except ProofError as error:
            _refuse(error, as_json=as_json)
        if as_json:
            show_json(
                {
                    "is_valid": True,
                    "key_id": stated.key_id,
                    "claims": stated.claims,
                    "receipts": stated.receipts,
                }
            )
            return
        say("✓ Dữ liệu bàn giao nguyên vẹn", "The archive is whole", style="bold green")
        for name, value in {**stated.claims, "receipts": stated.receipts}.items():
            say(f"  {name}: {value}")
