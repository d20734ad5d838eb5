"""Verify sealed snapshots (bản chốt) offline: the manifest, and proofs that a code is in it or is not.

The manifest is NDJSON: in its first line the service's signed statement (a compact JWS), then one canonical
line a record, by look-up code. All that is needed beside it is the service's JWKS.
"""

import gzip
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from app.client.errors import ProofError
from app.merkle import EMPTY_ROOT, RootBuilder, is_included, leaf_hash

ALGORITHM: Final = "ES256"
STATEMENT_TYPE: Final = "hocba-snapshot"
# Far longer than any line of a manifest.
MAX_LINE: Final = 1 << 20
_MEMBERS: Final = {"content_sha256", "late", "record_id", "school_code", "status", "xml_sha256"}
_STATUSES: Final = ("issued", "in_force", "recalled", "replaced")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What the service signed of a snapshot: its claims, and the id of the key."""

    token: str
    claims: Mapping[str, Any]
    key_id: str

    @property
    def size(self) -> int:
        """How many records it holds."""
        return int(self.claims["size"])

    @property
    def root(self) -> bytes:
        """The Merkle root over them (RFC 9162)."""
        return bytes.fromhex(self.claims["root"])


def read_statement(token: str, jwks: Mapping[str, Any]) -> Statement:
    """Verify a statement's signature against a JWKS and give its claims.

    Raises:
        ProofError: its signature does not hold, or it states no snapshot.
    """
    try:
        keys = KeySet.import_key_set({"keys": list(jwks["keys"])})
        signed = jws.deserialize_compact(token.strip(), keys, algorithms=[ALGORITHM])
        header, claims = signed.headers(), json.loads(signed.payload)
        stated = Statement(token=token.strip(), claims=claims, key_id=str(header.get("kid", "")))
        is_whole = stated.size >= 0 and len(stated.root) == len(EMPTY_ROOT)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise ProofError(
            "Bản chốt không có chữ ký hợp lệ của dịch vụ (ES256, khóa trong JWKS).",
            "The snapshot carries no valid signature of the service (ES256, a key of the JWKS).",
        ) from error
    if header.get("typ") != STATEMENT_TYPE or not is_whole:
        raise ProofError(
            f"Đây không phải xác nhận bản chốt: kiểu JWS phải là {STATEMENT_TYPE}.",
            f"This states no snapshot: the JWS type must be {STATEMENT_TYPE}.",
        )
    return stated


@contextmanager
def open_manifest(path: Path) -> Iterator[BinaryIO]:
    """Open a manifest as it was served: plain, gzipped, or in the archive of the export.

    Raises:
        ProofError: the archive holds no manifest.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if "manifest.ndjson" not in archive.namelist():
                raise ProofError("Tệp nén không có manifest.ndjson.", "The archive holds no manifest.ndjson.")
            with archive.open("manifest.ndjson") as member:
                yield io.BufferedReader(member)  # type: ignore[type-var]
        return
    with path.open("rb") as file:
        is_gzip = file.peek(2)[:2] == b"\x1f\x8b"
        yield gzip.GzipFile(fileobj=file) if is_gzip else file  # type: ignore[misc]


def check_manifest(file: BinaryIO, jwks: Mapping[str, Any]) -> Statement:
    """Verify a manifest line by line, in constant memory: signature, order, number, root, counts by school.

    Raises:
        ProofError: anything in it is not what the service signed.
    """
    stated = _read_first(file, jwks)
    tree, counts, before = RootBuilder(), _Counts(), b""
    for octets in _lines(file):
        line = _read_line(octets)
        code = line["record_id"].encode()
        if code <= before:
            raise ProofError(
                f"Dòng {tree.size + 2} không đúng thứ tự mã tra cứu.",
                f"Line {tree.size + 2} is out of the order of the look-up codes.",
            )
        before = code
        tree.append(leaf_hash(octets))
        counts.add(line)
    _compare("size", stated.size, tree.size)
    _compare("root", stated.root.hex(), tree.root.hex())
    _compare("counts_sha256", str(stated.claims.get("counts_sha256")), counts.digest())
    return stated


def check_proof(proof: Mapping[str, Any], jwks: Mapping[str, Any]) -> Statement:
    """Verify a proof of inclusion or of absence against the signed statement that it carries.

    Raises:
        ProofError: it does not prove what it says.
    """
    try:
        stated = read_statement(str(proof["statement"]), jwks)
        record_id = UUID(str(proof["record_id"])).hex
        lines = [_proven(line, stated) for line in proof["lines"]]
        kind = str(proof["kind"])
    except (KeyError, TypeError, ValueError) as error:
        raise ProofError("Tệp không phải chứng minh của dịch vụ.", "The file is no proof.") from error
    holds = {"inclusion": _is_inclusion, "absence": _is_absence}.get(kind)
    if holds is None or not holds(record_id, lines, stated):
        raise ProofError(
            f"Tệp không chứng minh được điều nó nêu ({kind}) về mã {record_id}.",
            f"The file does not prove what it says ({kind}) of code {record_id}.",
        )
    return stated


def _is_inclusion(record_id: str, lines: list[tuple[int, str]], _stated: Statement) -> bool:
    return [code for _, code in lines] == [record_id]


def _is_absence(record_id: str, lines: list[tuple[int, str]], stated: Statement) -> bool:
    """Say whether nothing can stand between the lines shown: neighbours, an end of the list, or no list."""
    below = [index for index, code in lines if code < record_id]
    above = [index for index, code in lines if code > record_id]
    if len(below) + len(above) != len(lines) or len(below) > 1 or len(above) > 1:
        return False
    last_below = below[0] if below else -1
    first_above = above[0] if above else stated.size
    return first_above == last_below + 1 and (stated.size > 0 or stated.root == EMPTY_ROOT)


def _proven(shown: Mapping[str, Any], stated: Statement) -> tuple[int, str]:
    """Give place and look-up code of a line that is in the tree."""
    octets, index = str(shown["line"]).encode(), int(shown["index"])
    path = [bytes.fromhex(sibling) for sibling in shown["path"]]
    code: str = _read_line(octets)["record_id"]
    if not is_included(leaf_hash(octets), index=index, size=stated.size, path=path, root=stated.root):
        raise ProofError(
            f"Dòng {index} không thuộc bản chốt đã ký (đường dẫn Merkle không khớp).",
            f"Line {index} is not in the signed snapshot (its Merkle path does not lead to the root).",
        )
    return index, code


class _Counts:
    """The counts by school that the statement's digest is of."""

    def __init__(self) -> None:
        self._schools: dict[str, Counter[str]] = {}

    def add(self, line: Mapping[str, Any]) -> None:
        counts = self._schools.setdefault(line["school_code"], Counter())
        counts["total"] += 1
        counts[line["status"]] += 1
        counts["late"] += line["late"]

    def digest(self) -> str:
        lines = (
            {"school_code": code, **{name: counts[name] for name in ("total", *_STATUSES, "late")}}
            for code, counts in sorted(self._schools.items())
        )
        return sha256(b"".join(_canonical(line) + b"\n" for line in lines)).hexdigest()


def _read_first(file: BinaryIO, jwks: Mapping[str, Any]) -> Statement:
    try:
        token = str(json.loads(file.readline(MAX_LINE))["statement"])
    except (ValueError, KeyError, TypeError) as error:
        raise ProofError(
            "Dòng đầu của bảng kê không có xác nhận đã ký.",
            "The manifest's first line holds no signed statement.",
        ) from error
    return read_statement(token, jwks)


def _lines(file: BinaryIO) -> Iterable[bytes]:
    while octets := file.readline(MAX_LINE):
        yield octets.removesuffix(b"\n")


def _read_line(octets: bytes) -> Mapping[str, Any]:
    """Read a canonical line: its members, each of its form, and no other way to write them."""
    try:
        line = json.loads(octets)
        is_line = (
            set(line) == _MEMBERS
            and isinstance(line["late"], bool)
            and line["status"] in _STATUSES
            and isinstance(line["school_code"], str)
            and UUID(line["record_id"]).hex == line["record_id"]
            and _canonical(line) == octets
        )
    except (ValueError, TypeError, AttributeError):
        is_line = False
    if not is_line:
        raise ProofError(
            "Bảng kê có dòng không đúng dạng chuẩn.", "The manifest has a line that is not canonical."
        )
    return dict(line)


def _canonical(members: Mapping[str, object]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii")


def _compare(claim: str, stated: object, found: object) -> None:
    if stated != found:
        raise ProofError(
            f"Bảng kê không phải bản đã ký: {claim} đã ký là {stated}, tệp này là {found}.",
            f"The manifest is not what was signed: {claim} was signed as {stated}, this file has {found}.",
        )
