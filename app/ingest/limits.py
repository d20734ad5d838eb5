"""The sizes a package may have: one table, enforced and served as it is, each limit with its own code."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from app.findings import Finding, finding

KIBIBYTE: Final = 1024
MEBIBYTE: Final = 1024 * KIBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a package may measure; the names are stable and served to senders.

    Attributes:
        body_bytes: the request's body.
        unpacked_bytes: the XML after gunzip.
        compression_ratio: unpacked bytes for one packed byte, over any stretch of a mebibyte or more.
        header_bytes: everything in the XML that is not a transcript.
        comments: comments and CDATA sections in one package.
        transcripts: transcripts in one package.
        transcript_bytes: one transcript, with the namespaces it inherits.
        depth: nested elements in one transcript, its root counted.
        elements: elements in one transcript.
        attributes: attributes on one element (canonical XML sorts them).
        namespaces: namespace declarations in scope on one element (canonical XML looks through them).
        namespace_characters: bytes of one namespace's name (canonical XML repeats it).
    """

    body_bytes: int = 32 * MEBIBYTE
    unpacked_bytes: int = 256 * MEBIBYTE
    compression_ratio: int = 400
    header_bytes: int = 64 * KIBIBYTE
    comments: int = 200_000
    transcripts: int = 1000
    transcript_bytes: int = MEBIBYTE
    depth: int = 48
    elements: int = 20_000
    attributes: int = 32
    namespaces: int = 32
    namespace_characters: int = 256


LIMIT_CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "body_bytes": "DD-001",
        "unpacked_bytes": "DD-002",
        "compression_ratio": "DD-003",
        "header_bytes": "DD-004",
        "transcripts": "DD-005",
        "transcript_bytes": "DD-006",
        "depth": "DD-007",
        "elements": "DD-008",
        "attributes": "DD-009",
        "namespaces": "DD-010",
        "namespace_characters": "DD-011",
        "comments": "DD-012",
    }
)


def exceeded(
    name: str, limits: Limits, *, xpath: str | None = None, line: int | None = None, found: int = 0
) -> Finding:
    """Say that a limit was exceeded, with the limit's own code and value."""
    limit: int = getattr(limits, name)
    return finding(LIMIT_CODES[name], xpath=xpath, line=line, limit=limit, found=found)
