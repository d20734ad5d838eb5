"""What travels from a province to the ministry: opening, registrations, manifest, transcripts. Pure.

Opening and registrations are compact JWS (ES256) of the province. The opening names every other part but the
transcripts by digest, so that what was changed on the way is never taken. Transcripts need no such list: the
manifest has the digest of each.

A part of transcripts is one transcript after another: a line of canonical JSON that says how many octets
follow, those octets as the school signed them, a line end.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from app.ids import hex32
from app.keys import ALGORITHM, KeyRing
from app.records.status import RecordStatus
from app.snapshots.manifest import ISSUER, Line, canonical
from app.snapshots.reading import PAGE

OPENING_TYPE: Final = "hocba-forwarding"
REGISTRATIONS_TYPE: Final = "hocba-registrations"
LINES_A_PART: Final = PAGE
SCHOOLS_A_PART: Final = 50
TRANSCRIPTS_A_PART: Final = 100
BYTES_A_PART: Final = 4 * 1024 * 1024
MAX_LINE: Final = 8192
MAX_PARTS: Final = 4096
MAX_PAYLOAD: Final = 768 * 1024
_DIGEST_CHARACTERS: Final = 64
# What reading a hostile text can raise; deep nesting too.
UNREADABLE: Final = (KeyError, TypeError, ValueError, AttributeError, RecursionError)
_HEAD_MEMBERS: Final = {"bytes", "format_version", "receipt", "record_id"}
_LINE_MEMBERS: Final = {"content_sha256", "late", "record_id", "school_code", "status", "xml_sha256"}


# joserfc's own bound suits tokens; an opening names every part of a large province's manifest.
_REGISTRY: Final = jws.JWSRegistry(algorithms=[ALGORITHM])
_REGISTRY.max_payload_length = MAX_PAYLOAD * 4 // 3 + 4


class WireError(ValueError):
    """Octets that are not what they should be; the text says what, never what stands in them."""


def digest(octets: bytes) -> str:
    """Give the SHA-256 by which the opening names a part."""
    return sha256(octets).hexdigest()


def read_signed(token: str, keys: Sequence[Mapping[str, Any]], kind: str) -> Mapping[str, Any]:
    """Give the claims of a compact JWS of this type; WireError where no key of the province signed it."""
    try:
        signed = jws.deserialize_compact(
            token.strip(), KeySet([ECKey.import_key(dict(key)) for key in keys]), registry=_REGISTRY
        )
        claims = json.loads(signed.payload)
        named = signed.headers().get("typ")
    except (JoseError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError("signature") from error
    if named != kind or not isinstance(claims, dict):
        raise WireError("type")
    return claims


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a province will send of a snapshot in a round.

    Attributes:
        statement: digest of the signed statement that goes with it.
        registrations: digests of the parts with schools and certificates, in order.
        manifest: digests of the parts of the manifest (uncompressed), in order.
    """

    snapshot_id: UUID
    round: int
    statement: str
    registrations: tuple[str, ...]
    manifest: tuple[str, ...]


def sign_opening(keys: KeyRing, opening: Opening) -> str:
    """Sign an opening."""
    claims = {
        "iss": ISSUER,
        "snapshot_id": hex32(opening.snapshot_id),
        "round": opening.round,
        "statement_sha256": opening.statement,
        "registrations": list(opening.registrations),
        "manifest": list(opening.manifest),
    }
    return keys.sign(canonical(claims), kind=OPENING_TYPE)


def read_opening(token: str, keys: Sequence[Mapping[str, Any]]) -> Opening:
    """Verify an opening and read it; WireError for one that is not signed or not whole."""
    opening = _opening(read_signed(token, keys, OPENING_TYPE))
    if opening.round < 1:
        raise WireError("round")
    return opening


def opening_claims(token: str) -> Opening:
    """Read an opening that was verified when it was taken."""
    return _opening(json.loads(jws.extract_compact(token.encode(), registry=_REGISTRY).payload))


def _opening(claims: Mapping[str, Any]) -> Opening:
    try:
        return Opening(
            snapshot_id=UUID(claims["snapshot_id"]),
            round=_count(claims["round"]),
            statement=_digest(claims["statement_sha256"]),
            registrations=_digests(claims["registrations"]),
            manifest=_digests(claims["manifest"]),
        )
    except UNREADABLE as error:
        raise WireError("opening") from error


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 15:
        raise WireError("number")
    return value


def _digests(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or len(values) > MAX_PARTS:
        raise WireError("parts")
    return tuple(_digest(value) for value in values)


def _digest(value: object) -> str:
    if not isinstance(value, str) or len(bytes.fromhex(value)) * 2 != _DIGEST_CHARACTERS:
        raise WireError("digest")
    return value


def write_lines(lines: Iterable[Line]) -> bytes:
    """Give a part of the manifest: canonical lines, each with its end."""
    return b"".join(line.octets() + b"\n" for line in lines)


def read_lines(octets: bytes) -> Sequence[Line]:
    """Read a part of the manifest; WireError where a line is not canonical or not after the one before."""
    lines: list[Line] = []
    for text in octets.split(b"\n")[:-1] if octets.endswith(b"\n") else [octets]:
        line = _line(text)
        if line.octets() != text:
            raise WireError("canonical")
        if lines and line.record_id <= lines[-1].record_id:
            raise WireError("order")
        lines.append(line)
    if not 0 < len(lines) <= LINES_A_PART:
        raise WireError("lines")
    return lines


def _line(text: bytes) -> Line:
    try:
        members = json.loads(text)
        if set(members) != _LINE_MEMBERS or not isinstance(members["late"], bool):
            raise WireError("members")
        return Line(
            record_id=UUID(members["record_id"]),
            school_code=str(members["school_code"]),
            content_sha256=bytes.fromhex(_digest(members["content_sha256"])),
            xml_sha256=bytes.fromhex(_digest(members["xml_sha256"])),
            status=RecordStatus(members["status"]),
            is_late=members["late"],
        )
    except UNREADABLE as error:
        raise WireError("line") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class SentTranscript:
    """One transcript on its way: the octets as they were verified, and the receipt given for them."""

    record_id: UUID
    format_version: str
    receipt: str
    xml: bytes


def write_transcripts(transcripts: Iterable[SentTranscript]) -> bytes:
    """Give a part of transcripts, one after another."""
    return b"".join(_framed(sent) for sent in transcripts)


def _framed(sent: SentTranscript) -> bytes:
    head = {
        "bytes": len(sent.xml),
        "format_version": sent.format_version,
        "receipt": sent.receipt,
        "record_id": hex32(sent.record_id),
    }
    return b"".join((canonical(head), b"\n", sent.xml, b"\n"))


def read_transcripts(octets: bytes) -> Sequence[SentTranscript]:
    """Read a part of transcripts; WireError where it is not framed so, or holds too many."""
    transcripts = list(_transcripts(octets))
    if not 0 < len(transcripts) <= TRANSCRIPTS_A_PART:
        raise WireError("transcripts")
    if len({sent.record_id for sent in transcripts}) != len(transcripts):
        raise WireError("repeated")
    return transcripts


def _transcripts(octets: bytes) -> Iterator[SentTranscript]:
    position = 0
    for _ in range(TRANSCRIPTS_A_PART + 1):
        if position == len(octets):
            return
        end = octets.find(b"\n", position, position + MAX_LINE)
        if end < 0:
            raise WireError("head")
        sent, size = _head(octets[position:end])
        body = octets[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
        if len(body) != size or octets[position - 1 : position] != b"\n":
            raise WireError("cut")
        yield SentTranscript(xml=body, **sent)
    raise WireError("transcripts")


def _head(text: bytes) -> tuple[dict[str, Any], int]:
    try:
        head = json.loads(text)
        size = head["bytes"]
        if type(size) is not int or size < 0 or set(head) != _HEAD_MEMBERS:
            raise WireError("head")
        sent = {
            "record_id": UUID(head["record_id"]),
            "format_version": str(head["format_version"]),
            "receipt": str(head["receipt"]),
        }
    except UNREADABLE as error:
        raise WireError("head") from error
    return sent, size
