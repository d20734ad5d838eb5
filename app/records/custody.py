"""Custody (quyền quản lý học bạ): which school manages a record; the issuer, until it is handed over."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.errors import DomainError
from app.ids import listed, uuid7
from app.organisations.scope import in_scope
from app.organisations.tables import organisation
from app.organisations.tree import legal_date
from app.records.changes import note_changes
from app.records.entry import ManagedRecord
from app.records.status import RecordEventKind
from app.records.tables import active_record, custody, record, record_claim, record_event


async def managed_records(
    connection: AsyncConnection, record_ids: Collection[UUID]
) -> Mapping[UUID, ManagedRecord]:
    """Give the records with these look-up codes, in nobody's scope in particular; unknown ones are absent."""
    wanted = sorted(record_ids)
    claims = (
        await connection.execute(
            select(record_claim.c.school_id, record_claim.c.school_year, record_claim.c.record_id).where(
                record_claim.c.record_id.in_(wanted)
            )
        )
    ).all()
    if not claims:
        return {}
    keys = [(row.school_id, row.school_year, row.record_id) for row in claims]
    rows = await connection.execute(
        select(record).where(tuple_(record.c.school_id, record.c.school_year, record.c.record_id).in_(keys))
    )
    managers = await connection.execute(
        select(custody.c.record_id, custody.c.school_id).where(custody.c.record_id.in_(wanted))
    )
    manager_of = {row.record_id: row.school_id for row in managers}
    stands = await _standing_among(connection, wanted)
    succeeded = await connection.execute(
        select(record_event.c.record_id).where(
            tuple_(record_event.c.school_id, record_event.c.school_year, record_event.c.record_id).in_(keys),
            record_event.c.kind == RecordEventKind.REPLACED,
        )
    )
    is_replaced = set(succeeded.scalars())
    return {
        row.record_id: ManagedRecord(
            record_id=row.record_id,
            issuer_id=row.school_id,
            manager_id=manager_of.get(row.record_id, row.school_id),
            school_year=row.school_year,
            level=row.level,
            grade=row.grade,
            is_completed=row.is_completed,
            is_digitised=row.is_digitised,
            student_code=row.student_code,
            pupil_key=row.pupil_key,
            content_sha256=row.content_sha256,
            replaces=row.replaces,
            received_at=row.received_at,
            stands=row.record_id in stands,
            is_replaced=row.record_id in is_replaced,
        )
        for row in rows
    }


async def _standing_among(connection: AsyncConnection, record_ids: Sequence[UUID]) -> frozenset[UUID]:
    standing = await connection.execute(
        select(active_record.c.record_id).where(active_record.c.record_id.in_(record_ids))
    )
    return frozenset(standing.scalars())


async def records_of_one_school(
    connection: AsyncConnection, record_ids: Collection[UUID], actor: Actor, *, now: datetime
) -> tuple[Sequence[ManagedRecord], int]:
    """Give records that one school in the caller's scope manages, in order, and that school.

    Refuses with QH-061 what no school of the caller manages (unknown codes are answered alike), with QH-062
    records of several schools.
    """
    known = await managed_records(connection, record_ids)
    managers = {held.manager_id for held in known.values()}
    rows = await connection.execute(
        select(organisation.c.id, organisation.c.code)
        .where(organisation.c.id.in_(managers), in_scope(organisation.c.id, actor, legal_date(now)))
        .order_by(organisation.c.code)
    )
    own = {row.id: row.code for row in rows}
    records = [held for held in known.values() if held.manager_id in own]
    missing = set(record_ids) - {held.record_id for held in records}
    if missing:
        raise DomainError("QH-061", records=listed(missing), count=len(missing))
    if len(own) != 1:
        raise DomainError("QH-062", schools=", ".join(own.values()), count=len(own))
    return sorted(records, key=lambda held: held.record_id), next(iter(own))


async def managed_of_pupil(
    connection: AsyncConnection, student_id: str, school_ids: Collection[int]
) -> Sequence[UUID]:
    """Give the look-up codes of all years of a pupil that these schools manage, recalled ones too.

    The pupil is named by pupil code or identity number.
    """
    is_pupil = or_(record.c.student_code == student_id, record.c.pupil_key == f"id:{student_id}")
    rows = await connection.execute(select(record.c.record_id).where(is_pupil))
    known = await managed_records(connection, list(rows.scalars()))
    return sorted(held.record_id for held in known.values() if held.manager_id in school_ids)


async def hold_records(connection: AsyncConnection, record_ids: Collection[UUID]) -> None:
    """Let nobody recall, replace or hand over these records before the caller's transaction ends.

    Rows are locked in the order in which new records take their places, so that nobody waits in a circle.
    """
    await connection.execute(
        select(active_record.c.record_id)
        .where(active_record.c.record_id.in_(sorted(record_ids)))
        .order_by(
            active_record.c.pupil_key.collate("C"),
            active_record.c.school_year,
            active_record.c.level.collate("C"),
        )
        .with_for_update()
    )


async def take_custody(
    connection: AsyncConnection,
    records: Sequence[ManagedRecord],
    school_id: int,
    *,
    facts: Mapping[str, str],
    at: datetime,
    actor: Actor,
) -> None:
    """Give records into a school's custody from a moment on: issuer and bytes stay, rights move.

    ``facts`` are written into each record's history.
    """
    if not records:
        return
    statement = upsert(custody).values(
        [
            {
                "record_id": held.record_id,
                "issuer_id": held.issuer_id,
                "school_year": held.school_year,
                "school_id": school_id,
                "since": at,
            }
            for held in sorted(records, key=lambda held: held.record_id)
        ]
    )
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["record_id"],
            set_={"school_id": statement.excluded.school_id, "since": statement.excluded.since},
        )
    )
    await connection.execute(
        update(active_record)
        .where(active_record.c.record_id.in_([held.record_id for held in records]))
        .values(school_id=school_id)
    )
    await append_events(
        connection, records, RecordEventKind.CUSTODY_TRANSFERRED,
        facts={held.record_id: facts for held in records}, at=at, actor=actor,
    )  # fmt: skip


async def append_events(
    connection: AsyncConnection,
    records: Sequence[ManagedRecord],
    kind: RecordEventKind,
    *,
    facts: Mapping[UUID, Mapping[str, str]],
    at: datetime,
    actor: Actor,
) -> None:
    """Write into the history of each record what happened to it, when, and by whom."""
    await connection.execute(
        insert(record_event),
        [
            {
                "school_id": held.issuer_id,
                "school_year": held.school_year,
                "record_id": held.record_id,
                "id": uuid7(at),
                "kind": kind,
                "at": at,
                "actor_kind": actor.kind,
                "actor_id": actor.id,
                "facts": dict(facts[held.record_id]),
            }
            for held in records
        ],
    )
    await note_changes(connection, [(held.issuer_id, held.school_year) for held in records])
