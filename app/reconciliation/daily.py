"""The daily digest of a school: counts and a Merkle root over what is held for it, to be compared at once.

One leaf a record, in the order of the look-up codes: its code, the digest of its signed content and its
status, one line of ASCII. Who holds the same records computes the same root (RFC 9162, section 2.1); where it
differs, the branches by the first digits of the look-up codes lead to the difference.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import and_, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ids import hex32
from app.keys import KeyRing
from app.merkle import RootBuilder, leaf_hash
from app.reconciliation.known import Standing
from app.records.status import RecordEventKind
from app.records.tables import custody, record, record_event

ISSUER: Final = "hocba"
TYPE: Final = "hocba-digest"
KIND: Final = "daily_digest"
# Below so many records a branch is told record by record.
LEAVES_AT_ONCE: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldLeaf:
    """A record as a digest holds it."""

    record_id: UUID
    content_sha256: bytes
    status: Standing

    @property
    def octets(self) -> bytes:
        """The line that is hashed: look-up code, digest, status, one space between."""
        return f"{hex32(self.record_id)} {self.content_sha256.hex()} {self.status}".encode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """The records whose look-up codes begin alike, and the root over them."""

    prefix: str
    size: int
    root: bytes


def root_of(leaves: Iterable[HeldLeaf]) -> bytes:
    """Give the root over records in the order of their look-up codes."""
    tree = RootBuilder()
    for leaf in leaves:
        tree.append(leaf_hash(leaf.octets))
    return tree.root


def branches_of(leaves: Sequence[HeldLeaf], prefix: str) -> Sequence[Branch]:
    """Divide the records under a prefix by the next digit of their look-up codes; empty ones are left out."""
    below: dict[str, list[HeldLeaf]] = {}
    for leaf in leaves:
        code = hex32(leaf.record_id)
        if code.startswith(prefix):
            below.setdefault(code[: len(prefix) + 1], []).append(leaf)
    return [
        Branch(prefix=digits, size=len(held), root=root_of(held)) for digits, held in sorted(below.items())
    ]


def counts_of(leaves: Iterable[HeldLeaf]) -> Mapping[str, int]:
    """Count records by status."""
    counted = Counter(leaf.status for leaf in leaves)
    return {status: counted[status] for status in (Standing.ACCEPTED, Standing.RECALLED, Standing.REPLACED)}


async def held_leaves(
    connection: AsyncConnection, school_id: int, school_year: int, before: datetime
) -> Sequence[HeldLeaf]:
    """Give a school's records of a year as they stood at a moment, in the order of the look-up codes.

    A record is the school's that issued it, until it is handed over; then the receiving school's.
    """
    event = record_event.c
    ended = (
        select(
            func.bool_or(event.kind == RecordEventKind.RECALLED).label("is_recalled"),
            func.bool_or(event.kind == RecordEventKind.REPLACED).label("is_replaced"),
        )
        .where(
            event.school_id == record.c.school_id,
            event.school_year == record.c.school_year,
            event.record_id == record.c.record_id,
            event.kind.in_([RecordEventKind.RECALLED, RecordEventKind.REPLACED]),
            event.at < before,
        )
        .lateral("ended")
    )
    handed_over = and_(custody.c.record_id == record.c.record_id, custody.c.since < before)
    own = (
        select(record.c.record_id, record.c.content_sha256, ended.c.is_recalled, ended.c.is_replaced)
        .select_from(record)
        .join(ended, true())
    )
    columns = own.where(record.c.school_year == school_year, record.c.received_at < before)
    kept = (
        columns.outerjoin(custody, handed_over)
        .where(record.c.school_id == school_id)
        .where(func.coalesce(custody.c.school_id, school_id) == school_id)
    )
    taken = columns.join(custody, handed_over).where(
        custody.c.school_id == school_id, record.c.school_id == custody.c.issuer_id
    )
    rows = [*(await connection.execute(kept)), *(await connection.execute(taken))]
    found = {row.record_id: row for row in rows}
    return [
        HeldLeaf(
            record_id=code,
            content_sha256=bytes(row.content_sha256),
            status=_status(is_recalled=bool(row.is_recalled), is_replaced=bool(row.is_replaced)),
        )
        for code, row in sorted(found.items())
    ]


def _status(*, is_recalled: bool, is_replaced: bool) -> Standing:
    if is_recalled:
        return Standing.RECALLED
    return Standing.REPLACED if is_replaced else Standing.ACCEPTED


def state(
    keys: KeyRing,
    *,
    school_code: str,
    school_year: str,
    on: date,
    before: datetime,
    leaves: Sequence[HeldLeaf],
) -> str:
    """Sign a digest: a compact JWS (ES256) that verifies offline against the service's JWKS."""
    claims = {
        "iss": ISSUER,
        "kind": KIND,
        "school": school_code,
        "school_year": school_year,
        "on": on.isoformat(),
        "before": before.isoformat(),
        "size": len(leaves),
        "counts": dict(counts_of(leaves)),
        "root": root_of(leaves).hex(),
    }
    return keys.sign(json.dumps(claims, separators=(",", ":")).encode(), kind=TYPE)
