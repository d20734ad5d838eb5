"""The places in which a record stands, taken so that no other stands there, and given up.

There are two: one by the pupil's identity number, one by the code that the issuer gives the pupil.

Nobody waits in a circle. Who names predecessors first holds them, in order, as does whoever recalls them or
hands them over. New places are taken after that, in order: this may wait for others who take them too. What
comes last waits for nobody: a predecessor's places are given up, and taken again, by who holds it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, bindparam, delete, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Prepared, among, insert_absent
from app.records.custody import hold_records, managed_records
from app.records.entry import Entry, ManagedRecord, may_succeed
from app.records.tables import active_pupil_code, active_record, record_claim

_ISSUERS: Final = (
    select(record_claim.c.school_id)
    .where(record_claim.c.record_id == any_(bindparam("record_ids", type_=ARRAY(Uuid))))
    .group_by(record_claim.c.school_id)
    .order_by(record_claim.c.school_id)
    .subquery()
)
_ONE_AFTER_ANOTHER: Final = Prepared(
    select(
        func.pg_advisory_xact_lock(
            func.hashtextextended(func.concat("replacing:", _ISSUERS.c.school_id), 0)
        ).label("held")
    )
)


async def hold_places(connection: AsyncConnection, entries: Sequence[Entry]) -> bool:
    """Take the look-up codes and the pupils' places for entries found free of clashes.

    Gives False where somebody else took one meanwhile, or ended what an entry replaces: the caller undoes
    its transaction and judges again.
    """
    named = {entry.facts.replaces for entry in entries if entry.facts.replaces is not None}
    known = await _hold_predecessors(connection, named) if named else {}
    if not all(
        may_succeed(entry, known.get(entry.facts.replaces))
        for entry in entries
        if entry.facts.replaces is not None
    ):
        return False
    replaced = [held for held in known.values() if held.stands]
    places, code_places = {held.place for held in replaced}, {held.code_place for held in replaced}
    return (
        await _take(connection, [entry for entry in entries if entry.place not in places])
        and await _take_by_code(connection, [e for e in entries if e.code_place not in code_places])
        and await _claim(connection, entries)
        and await free_places(connection, replaced)
        and await _take(connection, [entry for entry in entries if entry.place in places])
        and await _take_by_code(connection, [entry for entry in entries if entry.code_place in code_places])
    )


async def free_places(connection: AsyncConnection, records: Sequence[ManagedRecord]) -> bool:
    """Give up the places of records; False where one no longer stands, or under another manager."""
    if not records:
        return True
    standing = [(held.record_id, held.manager_id) for held in records]
    freed = await connection.execute(
        delete(active_record).where(
            tuple_(active_record.c.record_id, active_record.c.school_id).in_(standing)
        )
    )
    await connection.execute(
        delete(active_pupil_code).where(
            among(active_pupil_code.c.school_id, {held.issuer_id for held in records}),
            among(active_pupil_code.c.student_code, {held.student_code for held in records}),
            among(active_pupil_code.c.record_id, {held.record_id for held in records}),
        )
    )
    return freed.rowcount == len(records)


async def _hold_predecessors(
    connection: AsyncConnection, named: Collection[UUID]
) -> Mapping[UUID, ManagedRecord]:
    """Let nobody else replace, follow, recall or hand over records before the transaction ends; gives them.

    What was recalled has no row left that could be locked: one issuer's records are replaced by one package
    after another.
    """
    await _ONE_AFTER_ANOTHER.rows(connection, record_ids=list(named))
    await hold_records(connection, named)
    return await managed_records(connection, named)


async def _take(connection: AsyncConnection, entries: Sequence[Entry]) -> bool:
    """Take places by the pupil's identity number; False where another record has one."""
    rows = [
        {
            "pupil_key": entry.pupil_key,
            "school_year": entry.school_year,
            "level": entry.facts.level,
            "record_id": entry.facts.record_id,
            "school_id": entry.school_id,
        }
        for entry in sorted(entries, key=lambda entry: entry.place)
    ]
    return await insert_absent(connection, active_record, rows) == len(rows)


async def _take_by_code(connection: AsyncConnection, entries: Sequence[Entry]) -> bool:
    """Take places by the issuer's code of the pupil; False where another record has one."""
    rows = [
        {
            "school_id": entry.school_id,
            "student_code": entry.facts.student_code,
            "school_year": entry.school_year,
            "level": entry.facts.level,
            "record_id": entry.facts.record_id,
        }
        for entry in sorted(entries, key=lambda entry: entry.code_place)
    ]
    return await insert_absent(connection, active_pupil_code, rows) == len(rows)


async def _claim(connection: AsyncConnection, entries: Sequence[Entry]) -> bool:
    """Take the look-up codes, for ever; False where one was used before."""
    rows = [
        {
            "record_id": entry.facts.record_id,
            "school_id": entry.school_id,
            "school_year": entry.school_year,
            "content_sha256": entry.content_sha256,
        }
        for entry in sorted(entries, key=lambda entry: entry.facts.record_id)
    ]
    return await insert_absent(connection, record_claim, rows) == len(rows)
