"""Opening the outer wrappings of a package: base64, gzip, and what is said of it on the wire.

Pure: bytes in, bytes or a finding out. All of it is hostile until it has passed.
"""

from dataclasses import dataclass
from io import BytesIO
from typing import Final, cast
from uuid import UUID

import pybase64
from isal import isal_zlib

from app.findings import Finding, finding
from app.formats.profile import Envelope
from app.ids import hex32
from app.ingest.limits import MEBIBYTE, Limits, exceeded

__all__ = ["Limits", "OuterFields", "check_envelope", "decode_payload", "unpack"]

GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31  # zlib's way of saying: gzip header, window of 32 KiB, CRC-32 and length at the end
_FIRST_STEP_BYTES: Final = MEBIBYTE
_LARGEST_STEP_BYTES: Final = 8 * MEBIBYTE
_FED_BYTES: Final = MEBIBYTE  # what is not consumed at once is copied
_CORRUPT: Final = cast("type[Exception]", isal_zlib.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterFields:
    """What the sender says of a package beside its payload; the header inside must say the same."""

    package_id: UUID
    school_code: str
    school_year: str
    schema_version: str


def decode_payload(payload: str | bytes) -> bytes | Finding:
    """Decode base64 exactly as RFC 4648, section 4 has it.

    Padded, no white space, no other alphabet, and the unused bits of the last group zero (section 3.5), so
    that the same bytes are never written in two ways. Refuses anything else with ``DD-020``.
    """
    try:
        text = payload.encode("ascii") if isinstance(payload, str) else payload
        packed = pybase64.b64decode(text, validate=True)
        last = text[-4:]
        if pybase64.b64encode(pybase64.b64decode(last, validate=True)) != last:
            return finding("DD-020")
    except ValueError:  # UnicodeEncodeError and binascii.Error are kinds of it
        return finding("DD-020")
    return packed


def unpack(packed: bytes, limits: Limits) -> bytes | Finding:  # noqa: PLR0911 - one exit for each refusal
    """Unpack one gzip member (RFC 1952) with nothing after it, never holding much more than is allowed.

    The output grows in doubling steps up to 8 MiB, and every step is held against the allowed size and
    against the allowed ratio to the input it consumed: a bomb is refused (``DD-002``, ``DD-003``) before it
    unfolds.
    Further refusals: ``DD-021`` not gzip, ``DD-022`` cut short, ``DD-023`` corrupt (bad CRC, length or
    deflate data), ``DD-024`` a second member, ``DD-025`` other bytes after the member.
    """
    if not packed.startswith(GZIP_MAGIC):
        return finding("DD-021")
    member = isal_zlib.decompressobj(wbits=_GZIP_WINDOW)
    unpacked = BytesIO()
    source, fed = memoryview(packed), 0
    pending: bytes | memoryview = b""
    step = _FIRST_STEP_BYTES
    while not member.eof:
        if not pending:
            pending = source[fed : fed + _FED_BYTES]
            fed += len(pending)
        try:
            piece = member.decompress(pending, min(step, limits.unpacked_bytes - unpacked.tell() + 1))
        except _CORRUPT:
            return finding("DD-023")
        consumed = len(pending) - len(member.unconsumed_tail)
        pending = member.unconsumed_tail
        if not piece and fed == len(packed) and not member.eof:
            return finding("DD-022")
        unpacked.write(piece)
        if unpacked.tell() > limits.unpacked_bytes:
            return exceeded("unpacked_bytes", limits)
        if len(piece) >= _FIRST_STEP_BYTES and len(piece) > limits.compression_ratio * consumed:
            return exceeded("compression_ratio", limits)
        step = min(2 * step, _LARGEST_STEP_BYTES)
    rest = member.unused_data + source[fed : fed + len(GZIP_MAGIC)]
    if rest:
        return finding("DD-024" if rest.startswith(GZIP_MAGIC) else "DD-025")
    return unpacked.getvalue()


def check_envelope(outer: OuterFields, envelope: Envelope) -> tuple[Finding, ...]:
    """Compare what was said beside the payload with the header; a difference is never silently resolved.

    Refuses each field that differs with a code of its own: ``DD-040`` package_id, ``DD-041`` school_code,
    ``DD-042`` school_year, ``DD-043`` schema_version.
    """
    pairs = (
        ("DD-040", hex32(outer.package_id), hex32(envelope.package_id)),
        ("DD-041", outer.school_code, envelope.school_code),
        ("DD-042", outer.school_year, envelope.school_year),
        ("DD-043", outer.schema_version, envelope.schema_version),
    )
    return tuple(
        finding(code, value=inside, outside=outside[:40], inside=inside[:40])
        for code, outside, inside in pairs
        if outside != inside
    )
