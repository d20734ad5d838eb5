"""Sealing (chốt dữ liệu): once the cut-off has passed and everything received before it is answered.

A snapshot is one transaction that reads the ledger as of one instant and writes manifest, tree and signed
statement together; a sealer that dies leaves nothing, and the next one arrives at the same root.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.actors import System
from app.audit import AuditTag, record_act
from app.clock import Clock
from app.db import database_now, transaction
from app.deadlines.book import load_calendar
from app.ids import hex32, uuid7
from app.keys import KeyRing
from app.offload import Offload
from app.snapshots.due import count_held, due_scopes, extensions_in, holding_packages, is_sealed
from app.snapshots.ledger import held_records
from app.snapshots.manifest import Sealed, state
from app.snapshots.scopes import Census, HeldRecord, Scope
from app.snapshots.tables import snapshot, snapshot_school
from app.snapshots.writing import ManifestBuilder, write

PAUSE: Final = timedelta(milliseconds=100)
_OLDEST_OPEN: Final = text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
_OWN_NUMBER: Final = text("SELECT pg_current_xact_id()::text::bigint")


class Outcome(StrEnum):
    """What came of an attempt to seal."""

    SEALED = "sealed"
    ALREADY = "already"  # there is one: nothing is sealed twice
    HELD = "held"  # packages received before the cut-off are not answered yet
    IN_FLIGHT = "in_flight"  # a transaction that was open at the cut-off has not ended
    BUSY = "busy"  # another sealer is at it
    MOVED = "moved"  # the department has moved the cut-off meanwhile: the next attempt goes by the new one


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """What sealing needs, made once by the composition root.

    Attributes:
        patience: how long one attempt waits for transactions in flight; the next attempt waits again.
    """

    engine: AsyncEngine
    clock: Clock
    keys: KeyRing
    offload: Offload
    patience: timedelta = timedelta(seconds=10)


async def seal_due(sealer: Sealer) -> Mapping[str, int]:
    """Try to seal whatever is due; gives how often each outcome was met.

    Raises:
        Exception: the first fault that was met, once every other snapshot has been tried.
    """
    async with transaction(sealer.engine) as connection:
        due = await due_scopes(connection)
    outcomes: dict[str, int] = {}
    fault: Exception | None = None
    for scope in due:
        try:
            outcome = await seal(sealer, scope)
        except Exception as error:  # noqa: BLE001 - what fails for one province or kind holds up no other
            fault = fault or error
        else:
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    if fault is not None:
        raise fault
    return outcomes


async def seal(sealer: Sealer, scope: Scope) -> Outcome:
    """Seal the snapshot of a scope that is past its cut-off, or say why not now.

    Any number of sealers may try at once: one seals. Nothing received before the cut-off can appear after
    the ledger was read: whatever was in flight when the cut-off had passed has ended by then.

    Raises:
        ValueError: the cut-off has not passed.
    """
    barrier, cut_off = await _barrier(sealer, scope)
    still = sealer.engine.execution_options(isolation_level="REPEATABLE READ")
    for _ in range(1 + sealer.patience // PAUSE):
        try:
            async with transaction(still) as connection:
                if (await connection.execute(_OLDEST_OPEN)).scalar_one() >= barrier:
                    return await _seal_once(sealer, connection, scope, cut_off)
        except IntegrityError:  # a snapshot's row is unique: another sealer committed while we read
            async with transaction(sealer.engine) as connection:
                if await is_sealed(connection, scope):
                    return Outcome.ALREADY
            raise
        await asyncio.sleep(PAUSE.total_seconds())
    return Outcome.IN_FLIGHT


async def _barrier(sealer: Sealer, scope: Scope) -> tuple[int, datetime]:
    """Draw a transaction number after the cut-off: whatever was received before it has a smaller one.

    For intake draws its number, by claiming the package's id, before it reads the clock. So does whoever
    changes the calendar, which may move the cut-off that is given beside the number.
    """
    async with transaction(sealer.engine) as connection:
        calendar = await load_calendar(connection, scope.province)
        moment = (await connection.execute(select(database_now()))).scalar_one()
        cut_off = scope.cut_off(calendar)
        if moment < cut_off:
            raise ValueError(f"{scope.kind} of {scope.school_year} is not due")
        return int((await connection.execute(_OWN_NUMBER)).scalar_one()), cut_off


async def _seal_once(sealer: Sealer, connection: AsyncConnection, scope: Scope, cut_off: datetime) -> Outcome:
    """Seal in a transaction that sees everything received before the cut-off, and only one instant."""
    lock = func.pg_try_advisory_xact_lock(func.hashtextextended(_name(scope), 0))
    if not await connection.scalar(select(lock)):
        return Outcome.BUSY
    if await is_sealed(connection, scope):
        return Outcome.ALREADY
    calendar = await load_calendar(connection, scope.province)
    if scope.cut_off(calendar) != cut_off:
        return Outcome.MOVED
    unanswered = await holding_packages(connection, scope, cut_off)
    if not all(held.is_left_out for held in unanswered):
        return Outcome.HELD
    sealed_at = (await connection.execute(select(database_now()))).scalar_one()
    census = Census(scope, calendar, await extensions_in(connection, scope))
    builder = ManifestBuilder(uuid7(sealed_at), census)
    await _write_entries(sealer, connection, builder, held_records(connection, scope, calendar))
    sealed = Sealed(
        snapshot_id=builder.snapshot_id,
        scope=scope,
        cut_off=cut_off,
        sealed_at=sealed_at,
        calendar=calendar.version,
        size=builder.size,
        root=builder.root,
        schools=builder.schools,
        held=await count_held(connection, scope, cut_off),
        left_out=tuple(held.package_id for held in unanswered),
    )
    await _write_snapshot(connection, sealed, state(sealer.keys, sealed))
    await record_act(
        connection,
        now=sealer.clock(),
        actor=System(),
        tag=AuditTag.SNAPSHOT_SEALED,
        subject=f"snapshot:{hex32(sealed.snapshot_id)}",
        facts={
            "province": scope.province,
            "kind": scope.kind,
            "size": sealed.size,
            "root": sealed.root.hex(),
        },
    )
    return Outcome.SEALED


async def _write_entries(
    sealer: Sealer,
    connection: AsyncConnection,
    builder: ManifestBuilder,
    batches: AsyncGenerator[Sequence[HeldRecord]],
) -> None:
    async with aclosing(batches):
        async for records in batches:
            await write(connection, await sealer.offload.run(builder.add, records))
    await write(connection, builder.finish())


async def _write_snapshot(connection: AsyncConnection, sealed: Sealed, statement: str) -> None:
    await connection.execute(
        insert(snapshot).values(
            id=sealed.snapshot_id,
            province_code=sealed.scope.province,
            school_year=sealed.scope.school_year,
            kind=sealed.scope.kind,
            cut_off=sealed.cut_off,
            sealed_at=sealed.sealed_at,
            calendar=sealed.calendar,
            size=sealed.size,
            root=sealed.root,
            held=sealed.held,
            left_out=[hex32(package_id) for package_id in sealed.left_out],
            statement=statement,
        )
    )
    if sealed.schools:
        rows = [
            {"snapshot_id": sealed.snapshot_id, "school_id": school_id, **count.members()}
            for school_id, count in sealed.schools.items()
        ]
        await connection.execute(insert(snapshot_school), rows)


def _name(scope: Scope) -> str:
    return f"snapshot {scope.province} {scope.school_year} {scope.kind}"
