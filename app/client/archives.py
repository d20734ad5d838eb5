"""Verify a school's archive (bàn giao dữ liệu) offline: every digest, the index's signature, every receipt.

The archive is a ZIP. Its last file, ``index.ndjson``, holds the service's signed statement (a compact JWS) in
the first line, then one canonical line a file. All that is needed beside it is the service's JWKS.
"""

import base64
import binascii
import json
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.client.errors import PackagingError, ProofError
from app.client.receipts import Receipt, check_transcript, read_receipt
from app.merkle import RootBuilder, leaf_hash

ALGORITHM: Final = "ES256"
STATEMENT_TYPE: Final = "hocba-archive"
INDEX: Final = "index.ndjson"
# Far longer than any line of an index, any file of answers, any transcript.
MAX_LINE: Final = 1 << 16
MAX_FILE: Final = 1 << 28
CHUNK: Final = 1 << 20
# What the standard library raises of an archive that is cut, bent, encrypted or of a method it does not know.
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStatement:
    """What the service signed of an archive: its claims, and the id of the key."""

    claims: Mapping[str, Any]
    key_id: str
    receipts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A file as the index has it."""

    name: str
    digest: str
    size: int


def check_archive(path: Path, jwks: Mapping[str, Any]) -> ArchiveStatement:
    """Verify an archive; gives what the service stated of it, and how many receipts hold.

    No file is in it that the index does not list, none is missing, each has the digest listed; every receipt
    carries the service's signature and speaks of the file it stands beside.

    Raises:
        ProofError: anything in it is not what the service handed over.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            stated, listed = _read_index(archive, jwks)
            _compare_names(archive, listed)
            for file in listed:
                _check_digest(archive, file)
            number = sum(_check_answers(archive, file.name, jwks) for file in listed)
    except _BROKEN as error:
        raise ProofError(
            "Tệp không phải một tệp ZIP nguyên vẹn (có thể tải chưa xong).",
            "The file is no whole ZIP archive (perhaps the download was cut).",
        ) from error
    return ArchiveStatement(claims=stated.claims, key_id=stated.key_id, receipts=number)


def _read_index(
    archive: zipfile.ZipFile, jwks: Mapping[str, Any]
) -> tuple[ArchiveStatement, Sequence[_Listed]]:
    if archive.namelist().count(INDEX) != 1:
        raise ProofError(f"Tệp nén không có {INDEX}.", f"The archive holds no {INDEX}.")
    tree, listed = RootBuilder(), []
    with archive.open(INDEX) as file:
        stated = _read_statement(file.readline(MAX_LINE), jwks)
        for line in _lines(file):
            tree.append(leaf_hash(line))
            listed.append(_read_line(line))
    _compare("size", stated.claims.get("size"), tree.size)
    _compare("root", stated.claims.get("root"), tree.root.hex())
    return stated, listed


def _read_statement(line: bytes, jwks: Mapping[str, Any]) -> ArchiveStatement:
    try:
        token = json.loads(line)["statement"]
        keys = KeySet.import_key_set({"keys": list(jwks["keys"])})
        signed = jws.deserialize_compact(token, keys, algorithms=[ALGORITHM])
        header, claims = signed.headers(), json.loads(signed.payload)
        is_sound = (
            header.get("typ") == STATEMENT_TYPE
            and isinstance(claims, dict)
            and _is_canonical(token)
            and json.dumps({"statement": token}, separators=(",", ":")).encode() + b"\n" == line
        )
    except (JoseError, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise _no_statement() from error
    if not is_sound:
        raise _no_statement()
    return ArchiveStatement(claims=claims, key_id=str(header.get("kid", "")))


def _no_statement() -> ProofError:
    return ProofError(
        f"Bảng kê không có chữ ký hợp lệ của dịch vụ (ES256, kiểu {STATEMENT_TYPE}, khóa trong JWKS).",
        f"The index has no valid signature of the service (ES256, type {STATEMENT_TYPE}, key in the JWKS).",
    )


def _is_canonical(token: str) -> bool:
    """Say whether each part is written in the one way that base64url has for it."""
    parts = token.split(".")
    return all(
        base64.urlsafe_b64encode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))).rstrip(b"=")
        == part.encode()
        for part in parts
    )


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE):
        if not line.endswith(b"\n"):
            raise ProofError("Bảng kê bị cắt giữa dòng.", "The index is cut within a line.")
        yield line[:-1]


def _read_line(line: bytes) -> _Listed:
    try:
        members = json.loads(line)
        return _Listed(name=str(members["name"]), digest=str(members["sha256"]), size=int(members["size"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ProofError(
            "Bảng kê có dòng không đọc được.", "The index has a line that cannot be read."
        ) from error


def _compare_names(archive: zipfile.ZipFile, listed: Sequence[_Listed]) -> None:
    found = sorted(name for name in archive.namelist() if name != INDEX)
    wanted = sorted(file.name for file in listed)
    if found != wanted:
        odd = sorted(set(found) ^ set(wanted)) or ["2×"]
        raise ProofError(
            f"Tệp nén thiếu, thừa hoặc trùng tệp so với bảng kê: {odd[0]}.",
            f"The archive lacks, adds or repeats a file of the index: {odd[0]}.",
        )


def _check_digest(archive: zipfile.ZipFile, file: _Listed) -> None:
    digest, size = sha256(), 0
    with archive.open(file.name) as member:
        while chunk := member.read(CHUNK):
            digest.update(chunk)
            size += len(chunk)
            if size > file.size:
                break
    if (digest.hexdigest(), size) != (file.digest, file.size):
        raise ProofError(
            f"{file.name} không phải tệp đã được bàn giao (giá trị băm khác).",
            f"{file.name} is not the file that was handed over (its digest differs).",
        )


def _check_answers(archive: zipfile.ZipFile, name: str, jwks: Mapping[str, Any]) -> int:
    """Verify the receipts that stand beside a package or a transcript; gives how many there are."""
    kind, _, rest = name.partition("/")
    if kind not in {"packages", "records"} or not rest.endswith(".json"):
        return 0
    stem = name.removesuffix(".json")
    try:
        with archive.open(name) as member:
            answers = json.loads(member.read(MAX_FILE))
        if kind == "records":
            return _check_record(archive, stem, answers, jwks)
        return _check_package(archive, stem, answers, jwks)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ProofError(
            f"{name} không đọc được, hoặc thiếu tệp đi cùng.",
            f"{name} cannot be read, or lacks the file it belongs to.",
        ) from error


def _check_record(
    archive: zipfile.ZipFile, stem: str, answers: Mapping[str, Any], jwks: Mapping[str, Any]
) -> int:
    xml = archive.read(f"{stem}.xml")
    code = stem.rpartition("/")[2]
    receipts = [read_receipt(given["jws"], jwks) for given in answers["receipts"]]
    if not any(receipt.kind == "acceptance" for receipt in receipts):
        raise ProofError(f"{stem} không có biên nhận.", f"{stem} has no receipt of its acceptance.")
    for receipt in receipts:
        _state(receipt, stem, record_id=code)
        if receipt.kind == "acceptance":
            _state(receipt, stem, xml_sha256=sha256(xml).hexdigest())
            try:
                check_transcript(receipt, xml)
            except PackagingError as error:
                raise ProofError(f"{stem}.xml: {error.vi}", f"{stem}.xml: {error.en}") from error
    return len(receipts)


def _check_package(
    archive: zipfile.ZipFile, stem: str, answers: Mapping[str, Any], jwks: Mapping[str, Any]
) -> int:
    digest = sha256()
    with archive.open(f"{stem}.xml.gz") as payload:
        while chunk := payload.read(CHUNK):
            digest.update(chunk)
    number, has_acknowledgement = 0, False
    for answer in answers["answers"]:
        for given in answer.get("receipts", ()):
            receipt = read_receipt(given["jws"], jwks)
            number += 1
            _state(receipt, stem, package_id=stem.rpartition("/")[2])
            if receipt.kind == "acknowledgement":
                has_acknowledgement = True
                _state(receipt, stem, sha256=digest.hexdigest())
            else:
                _state(receipt, stem, position=answer["position"])
    if not has_acknowledgement:
        raise ProofError(f"{stem} không có xác nhận tiếp nhận.", f"{stem} has no acknowledgement.")
    return number


def _state(receipt: Receipt, stem: str, **expected: object) -> None:
    """Hold a receipt against what it stands beside."""
    for claim, value in expected.items():
        if receipt.claims.get(claim) != value:
            raise ProofError(
                f"{stem}: biên nhận ghi {claim} khác.", f"{stem}: a receipt states another {claim}."
            )


def _compare(claim: str, stated: object, found: object) -> None:
    if stated != found:
        raise ProofError(
            f"Bảng kê không phải bản đã ký: {claim} đã ký là {stated}, tệp này là {found}.",
            f"The index is not what was signed: {claim} was signed as {stated}, this file has {found}.",
        )
