"""The bytes of a snapshot: one line a record, the counts by school, the signed statement. Pure.

A line is the canonical JSON (RFC 8785) of one record: six members in alphabetical order, no space between
tokens, ASCII throughout, digests and look-up codes in lower-case hex. Its octets, without the line's end, are
the leaf that the tree hashes. Lines stand in the order of the look-up codes, which are their own proof
of absence: between two neighbours there is nothing.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

from app.ids import hex32
from app.keys import KeyRing
from app.records.status import RecordStatus
from app.snapshots.scopes import Scope

ISSUER: Final = "hocba"
TYPE: Final = "hocba-snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A record as a snapshot holds it; the school is the one that issued it."""

    record_id: UUID
    school_code: str
    content_sha256: bytes
    xml_sha256: bytes
    status: RecordStatus
    is_late: bool

    def octets(self) -> bytes:
        """Give the canonical line, without its end."""
        return canonical(
            {
                "content_sha256": self.content_sha256.hex(),
                "late": self.is_late,
                "record_id": hex32(self.record_id),
                "school_code": self.school_code,
                "status": self.status,
                "xml_sha256": self.xml_sha256.hex(),
            }
        )


@dataclass(slots=True, kw_only=True)
class SchoolCount:
    """How many records of one school a snapshot holds, by status; late ones are counted beside."""

    school_code: str
    total: int = 0
    issued: int = 0
    in_force: int = 0
    recalled: int = 0
    replaced: int = 0
    late: int = 0

    def add(self, status: RecordStatus, *, is_late: bool) -> None:
        """Count one record."""
        self.total += 1
        setattr(self, status, getattr(self, status) + 1)
        self.late += is_late

    def members(self) -> dict[str, str | int]:
        """Give the counts by name."""
        return {name: getattr(self, name) for name in COUNTED}


COUNTED: Final = ("school_code", "total", "issued", "in_force", "recalled", "replaced", "late")


def canonical(members: Mapping[str, object]) -> bytes:
    """Write ASCII members as RFC 8785 has it."""
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii")


def counts_digest(schools: Iterable[SchoolCount]) -> str:
    """Give the SHA-256 over the schools' counts, one canonical line each (LF after each), by school code."""
    ordered = sorted(schools, key=lambda school: school.school_code)
    return sha256(b"".join(canonical(school.members()) + b"\n" for school in ordered)).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What the service states of a snapshot.

    Attributes:
        calendar: version of the calendar that gave the cut-off.
        held: items received before the cut-off that still await a certificate or revocation data.
        left_out: packages received before it that an officer's override did not wait for.
    """

    snapshot_id: UUID
    scope: Scope
    cut_off: datetime
    sealed_at: datetime
    calendar: str
    size: int
    root: bytes
    schools: Mapping[int, SchoolCount]
    held: int
    left_out: tuple[UUID, ...]


def state(keys: KeyRing, sealed: Sealed) -> str:
    """Sign the statement: a compact JWS (ES256) that verifies offline against the service's JWKS."""
    scope = sealed.scope
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "kind": scope.kind,
        "snapshot_id": hex32(sealed.snapshot_id),
        "province": scope.province,
        "school_year": f"{scope.school_year}-{scope.school_year + 1}",
        "cut_off": sealed.cut_off.isoformat(),
        "sealed_at": sealed.sealed_at.isoformat(),
        "calendar": sealed.calendar,
        "size": sealed.size,
        "root": sealed.root.hex(),
        "counts_sha256": counts_digest(sealed.schools.values()),
        "held": sealed.held,
        "left_out": [hex32(package_id) for package_id in sealed.left_out],
    }
    return keys.sign(json.dumps(claims, separators=(",", ":")).encode(), kind=TYPE)
