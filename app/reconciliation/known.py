"""What is known of a list of digests or look-up codes, within the caller's scope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ingest.answers import Scope
from app.ingest.package import ItemState
from app.ingest.tables import item, package
from app.records.status import RecordEventKind
from app.records.tables import custody, record_claim, record_event


class Standing(StrEnum):
    """What is answered for one digest or look-up code."""

    ACCEPTED = "accepted"  # a record that stands
    RECALLED = "recalled"
    REPLACED = "replaced"
    KNOWN = "known"  # it arrived: a package, or a transcript that was refused or is held
    UNKNOWN = "unknown"  # it never arrived, or is not the caller's to know


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The answer for one line of the list; ``record_id`` where a record is meant."""

    standing: Standing
    record_id: UUID | None = None
    package_id: UUID | None = None


_UNKNOWN = Known(standing=Standing.UNKNOWN)


async def known_records(
    connection: AsyncConnection, record_ids: Sequence[UUID], scope: Scope
) -> Mapping[UUID, Known]:
    """Say how the records with these look-up codes stand; codes of refused transcripts are only known."""
    claims = await connection.execute(
        select(record_claim).where(record_claim.c.record_id.in_(record_ids), _in(scope))
    )
    found = {known.record_id: known for known in await _standing(connection, claims.all())}
    left = [code for code in record_ids if code not in found]
    refused = await connection.execute(
        select(item.c.record_id, item.c.package_id).where(
            item.c.record_id.in_(left), item.c.state != ItemState.ACCEPTED, scope(item.c.school_id)
        )
    )
    arrived = {code: Known(standing=Standing.KNOWN, package_id=package_id) for code, package_id in refused}
    return {code: found.get(code) or arrived.get(code) or _UNKNOWN for code in record_ids}


async def known_digests(
    connection: AsyncConnection, digests: Sequence[bytes], scope: Scope
) -> Mapping[bytes, Known]:
    """Say what these SHA-256 are known of: a record's signed content, a package's bytes, a refused item."""
    claims = (
        await connection.execute(
            select(record_claim).where(record_claim.c.content_sha256.in_(digests), _in(scope))
        )
    ).all()
    digest_of = {row.record_id: bytes(row.content_sha256) for row in claims}
    found: dict[bytes, Known] = {}
    for known in await _standing(connection, claims):
        assert known.record_id is not None
        digest = digest_of[known.record_id]
        if digest not in found or known.standing is Standing.ACCEPTED:
            found[digest] = known
    left = [digest for digest in digests if digest not in found]
    packages = await connection.execute(
        select(package.c.sha256, package.c.package_id).where(
            package.c.sha256.in_(left), scope(package.c.school_id)
        )
    )
    items = await connection.execute(
        select(item.c.content_sha256, item.c.package_id).where(
            item.c.content_sha256.in_(left), scope(item.c.school_id)
        )
    )
    arrived = {
        bytes(digest): Known(standing=Standing.KNOWN, package_id=package_id)
        for digest, package_id in [*items, *packages]
    }
    return {digest: found.get(digest) or arrived.get(digest) or _UNKNOWN for digest in digests}


def _in(scope: Scope) -> ColumnElement[bool]:
    """Give the condition that a record's issuer, or the school that manages it now, is in scope."""
    managed = select(custody.c.record_id).where(scope(custody.c.school_id))
    return or_(scope(record_claim.c.school_id), record_claim.c.record_id.in_(managed))


async def _standing(connection: AsyncConnection, claims: Sequence[Row[Any]]) -> Sequence[Known]:
    """Read off their events how records stand; a recall weighs more than a replacement."""
    keys = [(row.school_id, row.school_year, row.record_id) for row in claims]
    events = await connection.execute(
        select(record_event.c.record_id, record_event.c.kind).where(
            tuple_(record_event.c.school_id, record_event.c.school_year, record_event.c.record_id).in_(keys),
            record_event.c.kind.in_([RecordEventKind.RECALLED, RecordEventKind.REPLACED]),
        )
    )
    ended: dict[UUID, Standing] = {}
    for row in events:
        if ended.get(row.record_id) is not Standing.RECALLED:
            ended[row.record_id] = Standing(row.kind)
    return [
        Known(standing=ended.get(row.record_id, Standing.ACCEPTED), record_id=row.record_id) for row in claims
    ]
