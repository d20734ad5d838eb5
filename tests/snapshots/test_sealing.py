"""Sealing on a real database: what holds it, who wins, what a crash leaves, that nothing changes after."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.actors import System
from app.db import open_engine, transaction
from app.deadlines.book import change_calendar
from app.deadlines.calendar import Category, Mode, Stage
from app.deadlines.changes import CutOffDraft
from app.errors import DomainError
from app.keys import KeyRing
from app.merkle import RootBuilder, leaf_hash
from app.records import RecordStatus
from app.records.custody import managed_records
from app.records.recalling import recall_records
from app.snapshots.due import due_scopes
from app.snapshots.overrides import leave_out
from app.snapshots.scopes import SnapshotKind
from app.snapshots.sealing import Outcome, seal, seal_due
from app.snapshots.tables import snapshot, snapshot_entry, snapshot_tile
from tests.builders.province import FOREIGN, OTHER_PRIMARY, PRIMARY
from tests.builders.sealing import SCHOOL_CUT_OFF, SECOND, Ledger, scope

FINAL = SnapshotKind.UPSTREAM_FINAL
MICROSECOND = timedelta(microseconds=1)
# As if one scope's data could not be sealed, whatever the reason.
FAIL_SCHOOLS_SNAPSHOT = (
    """
    CREATE FUNCTION fail_on_purpose() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'on purpose'; END $$
    """,
    """
    CREATE TRIGGER fail_on_purpose BEFORE INSERT ON snapshot
    FOR EACH ROW WHEN (NEW.kind = 'SCHOOL_CONFIRMED') EXECUTE FUNCTION fail_on_purpose()
    """,
)
# Ends the sessions that have written to a snapshot's entries and not committed yet.
CUT_WRITERS = """
    SELECT pg_terminate_backend(pid) FROM pg_locks
    WHERE relation = 'snapshot_entry'::regclass AND mode = 'RowExclusiveLock'
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def count(ledger: Ledger) -> tuple[int, ...]:
    async with transaction(ledger.engine) as connection:
        return tuple(
            [
                await connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (snapshot, snapshot_entry, snapshot_tile)
            ]
        )


async def test_a_snapshot_holds_the_confirmed_records_of_its_province_in_order(ledger: Ledger) -> None:
    await ledger.answered_package()
    own = [ledger.entry(), ledger.entry(), ledger.entry(OTHER_PRIMARY)]
    await ledger.record(*own)
    await ledger.record(ledger.entry(is_completed=False))
    await ledger.record(ledger.entry(FOREIGN))
    ledger.clock.now = SCHOOL_CUT_OFF
    assert await seal_due(ledger.sealer) == {"sealed": 1}
    lines = await ledger.lines()
    assert [line.record_id for line in lines] == sorted(made.facts.record_id for made in own)
    assert {(line.status, line.is_late) for line in lines} == {(RecordStatus.IN_FORCE, False)}
    tree = RootBuilder()
    for line in lines:
        tree.append(leaf_hash(line.octets()))
    assert (await ledger.sealed()).root == tree.root


async def test_what_comes_at_the_instant_itself_is_not_in_it(ledger: Ledger) -> None:
    await ledger.answered_package()
    last = ledger.entry(received_at=SCHOOL_CUT_OFF - MICROSECOND)
    await ledger.record(last, ledger.entry(received_at=SCHOOL_CUT_OFF, is_late=True, position=2))
    ledger.clock.now = SCHOOL_CUT_OFF
    await seal_due(ledger.sealer)
    assert [line.record_id for line in await ledger.lines()] == [last.facts.record_id]


async def test_nothing_is_sealed_before_its_cut_off(ledger: Ledger) -> None:
    await ledger.answered_package()
    ledger.clock.now = SCHOOL_CUT_OFF - MICROSECOND
    assert await seal_due(ledger.sealer) == {}
    with pytest.raises(ValueError, match="not due"):
        await seal(ledger.sealer, scope())


async def test_a_school_year_in_which_nothing_came_is_not_sealed(ledger: Ledger) -> None:
    ledger.clock.now = SCHOOL_CUT_OFF
    async with transaction(ledger.engine) as connection:
        assert await due_scopes(connection) == []


async def test_a_package_that_is_not_answered_holds_the_seal(ledger: Ledger) -> None:
    async with transaction(ledger.engine) as connection:
        package_id = await ledger.receive(connection)
    ledger.clock.now = SCHOOL_CUT_OFF
    assert await seal(ledger.sealer, scope()) is Outcome.HELD
    await ledger.answer(package_id)
    assert await seal(ledger.sealer, scope()) is Outcome.SEALED
    assert await seal(ledger.sealer, scope()) is Outcome.ALREADY


async def test_a_package_that_came_after_the_cut_off_holds_nothing(ledger: Ledger) -> None:
    await ledger.answered_package()
    ledger.clock.now = SCHOOL_CUT_OFF
    async with transaction(ledger.engine) as connection:
        await ledger.receive(connection)
    assert await seal(ledger.sealer, scope()) is Outcome.SEALED


async def test_a_package_in_flight_across_the_instant_is_waited_for(ledger: Ledger) -> None:
    """Received before the cut-off, committed after it: the seal sees it, or waits."""
    await ledger.answered_package()
    ledger.clock.now = SCHOOL_CUT_OFF - MICROSECOND
    async with transaction(ledger.engine) as connection:
        package_id = await ledger.receive(connection)
        ledger.clock.now = SCHOOL_CUT_OFF + SECOND
        hasty = replace(ledger.sealer, patience=timedelta(milliseconds=150))
        assert await seal(hasty, scope()) is Outcome.IN_FLIGHT
        patient = asyncio.create_task(seal(ledger.sealer, scope()))
        await asyncio.sleep(0.3)
        assert not patient.done()
    assert await patient is Outcome.HELD
    await ledger.answer(package_id)
    assert await seal(ledger.sealer, scope()) is Outcome.SEALED


async def test_a_cut_off_that_is_put_off_in_flight_is_not_sealed_too_early(ledger: Ledger) -> None:
    """Decided before the old cut-off, committed after it, while a sealer waits: the new one holds."""
    await ledger.answered_package()
    ledger.clock.now = SCHOOL_CUT_OFF - MICROSECOND
    later = CutOffDraft(
        category=Category.CONFIRMED, stage=Stage.SCHOOL, cut_off=SCHOOL_CUT_OFF + timedelta(days=5),
        mode=Mode.SOFT, source="Công văn của Sở",
    )  # fmt: skip
    async with transaction(ledger.engine) as connection:
        await change_calendar(
            connection, 2025, [later], reason="Bão", now=ledger.clock(),
            officer=ledger.province.officers["so66"],
        )  # fmt: skip
        ledger.clock.now = SCHOOL_CUT_OFF + SECOND
        hasty = replace(ledger.sealer, patience=timedelta(milliseconds=150))
        assert await seal(hasty, scope()) is Outcome.IN_FLIGHT
        patient = asyncio.create_task(seal(ledger.sealer, scope()))
        await asyncio.sleep(0.3)
        assert not patient.done()
    assert await patient is Outcome.MOVED
    assert await count(ledger) == (0, 0, 0)
    ledger.clock.now = later.cut_off
    assert await seal(ledger.sealer, scope()) is Outcome.SEALED
    assert (await ledger.sealed()).cut_off == later.cut_off


async def leave(ledger: Ledger, package_id: UUID, officer: str) -> None:
    async with transaction(ledger.engine) as connection:
        await leave_out(
            connection, scope(), [package_id], reason="Lỗi đĩa", now=ledger.clock(),
            officer=ledger.province.officers[officer],
        )  # fmt: skip


async def test_two_officers_may_decide_not_to_wait_and_the_statement_says_so(ledger: Ledger) -> None:
    async with transaction(ledger.engine) as connection:
        stuck = await ledger.receive(connection)
        other = await ledger.receive(connection)
    ledger.clock.now = SCHOOL_CUT_OFF
    await ledger.answer(other)
    for officer, expected in (("so66", Outcome.HELD), ("so66", Outcome.HELD), ("so66b", Outcome.SEALED)):
        await leave(ledger, stuck, officer)
        assert await seal(ledger.sealer, scope()) is expected
    assert (await ledger.sealed()).left_out == [stuck.hex]


async def test_an_override_needs_a_reason_a_passed_cut_off_and_a_package_that_holds(ledger: Ledger) -> None:
    async with transaction(ledger.engine) as connection:
        package_id = await ledger.receive(connection)
    officer = ledger.province.officers["so66"]

    async def refusal(reason: str = "Lỗi đĩa") -> str:
        with pytest.raises(DomainError) as refused:
            async with transaction(ledger.engine) as connection:
                await leave_out(
                    connection, scope(), [package_id], reason=reason, now=ledger.clock(), officer=officer
                )
        return refused.value.code

    assert await refusal() == "TH-050"
    assert await refusal(" ") == "QH-023"
    ledger.clock.now = SCHOOL_CUT_OFF
    await ledger.answer(package_id)
    assert await refusal() == "TH-052"
    await seal(ledger.sealer, scope())
    assert await refusal() == "TH-051"


async def test_two_sealers_at_once_seal_once(ledger: Ledger) -> None:
    await ledger.answered_package()
    await ledger.record(*(ledger.entry(position=at) for at in range(1, 40)))
    ledger.clock.now = SCHOOL_CUT_OFF
    outcomes = await asyncio.gather(*(seal(ledger.sealer, scope()) for _ in range(3)))
    assert outcomes.count(Outcome.SEALED) == 1
    assert set(outcomes) <= {Outcome.SEALED, Outcome.BUSY, Outcome.ALREADY}
    assert (await count(ledger))[:2] == (1, 39)


async def test_a_sealer_that_fails_at_the_very_end_leaves_nothing(ledger: Ledger) -> None:
    await ledger.answered_package()
    await ledger.record(*(ledger.entry(position=at) for at in range(1, 20)))
    ledger.clock.now = SCHOOL_CUT_OFF
    without_keys = replace(ledger.sealer, keys=KeyRing(keys=()))
    with pytest.raises(IndexError):
        await seal(without_keys, scope())
    assert await count(ledger) == (0, 0, 0)
    assert await seal(ledger.sealer, scope()) is Outcome.SEALED
    assert (await count(ledger))[:2] == (1, 19)


async def test_a_sealer_whose_connection_is_cut_leaves_nothing(ledger: Ledger) -> None:
    """Killed by the database in the middle of the entries; the next sealer arrives at the same root."""
    await ledger.answered_package()
    for at in range(0, 4500, 1500):
        await ledger.record(*(ledger.entry(position=at + one) for one in range(1500)))
    ledger.clock.now = SCHOOL_CUT_OFF
    dying = asyncio.create_task(seal(ledger.sealer, scope()))
    owner = open_engine(ledger.owner_url, pool_size=1, as_service=False)
    cut = 0
    while not cut and not dying.done():
        async with transaction(owner) as connection:
            rows = await connection.execute(text(CUT_WRITERS))
            cut = len(rows.all())
    await owner.dispose()
    with pytest.raises(DBAPIError):
        await dying
    assert await count(ledger) == (0, 0, 0)
    assert await seal(ledger.sealer, scope()) is Outcome.SEALED
    assert (await count(ledger))[:2] == (1, 4500)


async def test_a_snapshot_that_cannot_be_sealed_holds_up_no_other(ledger: Ledger) -> None:
    """The fault is told all the same, so that the run is seen to have failed and is tried again."""
    await ledger.answered_package()
    await ledger.record(ledger.entry())
    owner = open_engine(ledger.owner_url, pool_size=1, as_service=False)
    async with transaction(owner) as connection:
        for statement in FAIL_SCHOOLS_SNAPSHOT:
            await connection.execute(text(statement))
    ledger.clock.now = SCHOOL_CUT_OFF + timedelta(days=60)
    with pytest.raises(DBAPIError, match="on purpose"):
        await seal_due(ledger.sealer)
    async with transaction(owner) as connection:
        sealed = await connection.scalars(select(snapshot.c.kind))
        assert set(sealed) == {SnapshotKind.UPSTREAM_CONFIRMED, FINAL}
        await connection.execute(text("DROP TRIGGER fail_on_purpose ON snapshot"))
    await owner.dispose()
    assert await seal_due(ledger.sealer) == {"sealed": 1}


async def test_sealing_later_gives_the_same_lines(ledger: Ledger) -> None:
    """What was decided or received after the cut-off changes nothing of what was so at it."""
    await ledger.answered_package()
    stays, recalled_before, recalled_after = (ledger.entry(position=at) for at in range(1, 4))
    await ledger.record(stays, recalled_before, recalled_after)

    async def recall(record_id: object) -> None:
        async with transaction(ledger.engine) as connection:
            held = await managed_records(connection, [record_id])  # type: ignore[list-item]
            await recall_records(
                connection, list(held.values()), facts={key: {} for key in held}, at=ledger.clock(),
                actor=System(),
            )  # fmt: skip

    await recall(recalled_before.facts.record_id)
    ledger.clock.now = SCHOOL_CUT_OFF + timedelta(hours=3)
    await recall(recalled_after.facts.record_id)
    await ledger.record(ledger.entry(is_late=True))
    await seal_due(ledger.sealer)
    assert {line.record_id: line.status for line in await ledger.lines()} == {
        stays.facts.record_id: RecordStatus.IN_FORCE,
        recalled_before.facts.record_id: RecordStatus.RECALLED,
        recalled_after.facts.record_id: RecordStatus.IN_FORCE,
    }


async def test_the_three_snapshots_of_a_year_hold_what_came_until_each(ledger: Ledger) -> None:
    await ledger.answered_package()
    in_time, unconfirmed = ledger.entry(), ledger.entry(is_completed=False, position=2)
    digitised = ledger.entry(school_year=2022, is_digitised=True, position=3)
    await ledger.record(in_time, unconfirmed, digitised)
    ledger.clock.now = SCHOOL_CUT_OFF + timedelta(days=2)
    late = ledger.entry(is_late=True)
    await ledger.record(late)
    ledger.clock.now = SCHOOL_CUT_OFF + timedelta(days=60)
    assert await seal_due(ledger.sealer) == {"sealed": 3}
    held = {
        kind: {line.record_id: (line.status.value, line.is_late) for line in await ledger.lines(scope(kind))}
        for kind in SnapshotKind
    }
    assert held == {
        SnapshotKind.SCHOOL_CONFIRMED: {in_time.facts.record_id: ("in_force", False)},
        SnapshotKind.UPSTREAM_CONFIRMED: {
            in_time.facts.record_id: ("in_force", False),
            late.facts.record_id: ("issued", True),
        },
        SnapshotKind.UPSTREAM_FINAL: {
            in_time.facts.record_id: ("in_force", False),
            late.facts.record_id: ("in_force", True),
            unconfirmed.facts.record_id: ("in_force", False),
            digitised.facts.record_id: ("in_force", False),
        },
    }


async def test_a_replaced_record_and_its_successor_are_both_in_it(ledger: Ledger) -> None:
    await ledger.answered_package()
    old = ledger.entry()
    await ledger.record(old)
    new = ledger.entry(pupil=old.facts.identity_number, replaces=old.facts.record_id)
    await ledger.record(new)
    ledger.clock.now = SCHOOL_CUT_OFF
    await seal_due(ledger.sealer)
    assert {line.record_id: line.status for line in await ledger.lines()} == {
        old.facts.record_id: RecordStatus.REPLACED,
        new.facts.record_id: RecordStatus.IN_FORCE,
    }


async def test_the_counts_by_school_are_those_of_the_lines(ledger: Ledger) -> None:
    await ledger.answered_package()
    await ledger.record(ledger.entry(), ledger.entry(position=2), ledger.entry(OTHER_PRIMARY))
    ledger.clock.now = SCHOOL_CUT_OFF
    await seal_due(ledger.sealer)
    async with transaction(ledger.engine) as connection:
        rows = await connection.execute(
            text("SELECT school_code, total, in_force, late FROM snapshot_school")
        )
        assert sorted(map(tuple, rows)) == [(PRIMARY, 2, 2, 0), (OTHER_PRIMARY, 1, 1, 0)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshot SET root = sha256('x')",
        "DELETE FROM snapshot",
        "UPDATE snapshot_entry SET status = 'recalled'",
        "DELETE FROM snapshot_entry",
        "UPDATE snapshot_tile SET hashes = ''",
        "TRUNCATE snapshot_tile",
        "INSERT INTO snapshot_entry SELECT id, id, 1, 1, root, root, 'issued', false FROM snapshot",
        "INSERT INTO snapshot_tile SELECT id, 1, 0, root FROM snapshot",
        "INSERT INTO snapshot_school SELECT id, 9999, 'x', 0, 0, 0, 0, 0, 0 FROM snapshot",
    ],
)
async def test_a_sealed_root_never_changes_not_even_for_the_owner(ledger: Ledger, statement: str) -> None:
    await ledger.answered_package()
    await ledger.record(ledger.entry())
    ledger.clock.now = SCHOOL_CUT_OFF
    await seal_due(ledger.sealer)
    owner = open_engine(ledger.owner_url, pool_size=1, as_service=False)
    with pytest.raises(DBAPIError, match="never changes"):
        async with transaction(owner) as connection:
            await connection.execute(text(statement))
    await owner.dispose()


async def test_a_large_ledger_is_sealed_in_batches(ledger: Ledger) -> None:
    await ledger.answered_package()
    made = [ledger.entry(position=at) for at in range(1, 601)]
    for at in range(0, len(made), 200):
        await ledger.record(*made[at : at + 200])
    ledger.clock.now = SCHOOL_CUT_OFF
    await seal_due(ledger.sealer)
    row = await ledger.sealed()
    assert row.size == 600
    assert (await count(ledger))[2] == 4  # three tiles of leaves, one above them
