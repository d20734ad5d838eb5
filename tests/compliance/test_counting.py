"""Counting the roll against the ledger: each pupil once, by the first cause that holds, and never stale."""

from datetime import timedelta

import pytest_asyncio
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import System
from app.compliance.causes import ClassTally
from app.compliance.counting import count, count_anew
from app.compliance.tables import compliance_tally
from app.db import database_now, transaction
from app.enrolment.register import take_roll
from app.enrolment.roll import Movement, RollLine
from app.organisations.tree import find_organisation, organisation_by_id
from app.records.changes import note_changes, school_change
from tests.builders.ledger import issue
from tests.builders.world import World

YEAR = 2025


class Office:
    """One school of the world, with its roll and its ledger."""

    def __init__(self, world: World, school_id: int) -> None:
        self.world, self.school_id = world, school_id

    async def enrol(self, *codes: str, gone: tuple[str, ...] = ()) -> None:
        """Send a roll of class 4A; ``gone`` are those who moved out."""
        self.world.clock.advance(timedelta(seconds=1))
        lines = [
            RollLine(
                line=line, student_code=code, identity_number=None, full_name="A", grade=4, class_name="4A",
                movement=Movement.MOVED_OUT if code in gone else Movement.ENROLLED,
            )
            for line, code in enumerate((*codes, *gone), start=2)
        ]  # fmt: skip
        async with transaction(self.world.service.engine) as connection:
            school = await organisation_by_id(connection, self.school_id)
            await take_roll(
                connection, school, YEAR, lines, form="csv", now=self.world.clock(), actor=System()
            )

    async def tallies(self) -> list[ClassTally]:
        """Count twice, by the kept tallies and from the ground up: the two must agree."""
        self.world.clock.advance(timedelta(seconds=1))
        async with transaction(self.world.service.engine) as connection:
            now, kept = await count(connection, [self.school_id], YEAR, None)
            fresh = await count_anew(connection, [self.school_id], YEAR, now)
        assert list(kept[self.school_id]) == list(fresh[self.school_id])
        return list(fresh[self.school_id])


@pytest_asyncio.fixture(loop_scope="session")
async def office(world: World) -> Office:
    code = world.school("02").code
    async with transaction(world.service.engine) as connection:
        found = await find_organisation(connection, code)
    assert found is not None
    return Office(world, found.id)


def code_of(pupil: str) -> str:
    """The pupil code that the ledger's builder gives a pupil."""
    return f"66{pupil[-8:]}"


PUPILS = ("066215000001", "066215000002", "066215000003")
CODES = tuple(code_of(pupil) for pupil in PUPILS)


async def test_a_pupil_is_counted_once_however_often_the_roll_and_the_ledger_name_them(
    office: Office,
) -> None:
    engine = office.world.service.engine
    await office.enrol(*CODES[:2], "NEW")
    first = await issue(engine, office.school_id, pupil=PUPILS[0])
    await issue(engine, office.school_id, pupil=PUPILS[0], replaces=first)
    await issue(engine, office.school_id, pupil=PUPILS[2])
    assert await office.tallies() == [
        ClassTally(
            grade=4, class_name="4A", expected=3, confirmed_on_time=2, not_sent=2, unlisted=1,
        )
    ]  # fmt: skip


async def test_who_moved_out_is_expected_nowhere_here(office: Office) -> None:
    await office.enrol(CODES[0], gone=CODES[1:2])
    assert await office.tallies() == [
        ClassTally(grade=4, class_name="4A", expected=1, moved_out=1, not_sent=1)
    ]


async def test_the_newest_roll_counts_and_an_older_one_for_the_past(office: Office) -> None:
    await office.enrol(*CODES)
    async with transaction(office.world.service.engine) as connection:
        before = (await connection.execute(select(database_now()))).scalar_one()
    await office.enrol(CODES[0])
    assert [tally.expected for tally in await office.tallies()] == [1]
    async with transaction(office.world.service.engine) as connection:
        then = await count_anew(connection, [office.school_id], YEAR, before)
    assert [tally.expected for tally in then[office.school_id]] == [3]


async def at_changes(connection: AsyncConnection, office: Office) -> tuple[int, int]:
    kept = await connection.scalar(
        select(compliance_tally.c.at_changes).where(compliance_tally.c.school_id == office.school_id)
    )
    now = await connection.scalar(
        select(school_change.c.changes).where(school_change.c.school_id == office.school_id)
    )
    return kept or 0, now or 0


async def test_a_tally_is_counted_anew_exactly_when_something_changed(office: Office) -> None:
    engine = office.world.service.engine
    await office.enrol(*CODES)
    await office.tallies()
    async with transaction(engine) as connection:
        kept, changes = await at_changes(connection, office)
        assert kept == changes
        await connection.execute(update(compliance_tally).values(counts=[]))
        _, found = await count(connection, [office.school_id], YEAR, None)
        assert found[office.school_id] == []
    await issue(engine, office.school_id, pupil=PUPILS[0])
    assert [tally.confirmed_on_time for tally in await office.tallies()] == [1]


async def test_a_change_while_it_is_counted_leaves_the_tally_old(office: Office) -> None:
    """What is written down is marked with the changes known before counting began, never with more."""
    engine = office.world.service.engine
    await office.enrol(*CODES)
    async with transaction(engine) as counting:
        await count(counting, [office.school_id], YEAR, None)
        async with transaction(engine) as judging:
            await note_changes(judging, [(office.school_id, YEAR)])
    async with transaction(engine) as connection:
        kept, changes = await at_changes(connection, office)
    assert kept < changes


async def test_a_change_after_the_report_has_begun_is_counted_with_the_change_that_it_notes(
    office: Office,
) -> None:
    """What is known of a school is never marked newer than it was counted, or it would stay wrong."""
    engine = office.world.service.engine
    await office.enrol(*CODES)
    async with transaction(engine) as counting:
        await counting.execute(select(database_now()))
        office.world.clock.advance(timedelta(seconds=1))
        await issue(engine, office.school_id, pupil=PUPILS[0], received_at=office.world.clock())
        await count(counting, [office.school_id], YEAR, None)
    assert [tally.confirmed_on_time for tally in await office.tallies()] == [1]


async def test_a_kept_tally_serves_every_moment_since_the_last_change_and_none_before(office: Office) -> None:
    engine, clock = office.world.service.engine, office.world.clock
    await office.enrol(*CODES)
    await office.tallies()
    moments = [clock()]
    clock.advance(timedelta(seconds=1))
    await issue(engine, office.school_id, pupil=PUPILS[0], received_at=clock())
    clock.advance(timedelta(seconds=1))
    await office.tallies()
    moments += [clock(), clock() - timedelta(milliseconds=1)]
    async with transaction(engine) as connection:
        for moment, missing in zip(moments, (3, 2, 2), strict=True):
            _, found = await count(connection, [office.school_id], YEAR, moment)
            anew = await count_anew(connection, [office.school_id], YEAR, moment)
            assert list(found[office.school_id]) == list(anew[office.school_id])
            assert [tally.not_sent for tally in anew[office.school_id]] == [missing]
        # Only the moments since the change are answered by what was kept.
        await connection.execute(update(compliance_tally).values(counts=[]))
        kept = [(await count(connection, [office.school_id], YEAR, moment))[1] for moment in moments]
        assert [len(found[office.school_id]) for found in kept] == [1, 0, 0]
