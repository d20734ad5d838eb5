"""A model of the ledger beside the real one, in a real database, for random interleavings of what people do.

What it knows of the law it does not ask of the rules under test: ``builders.law``.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import open_engine, transaction
from app.deadlines.book import change_calendar
from app.deadlines.extensions import ExtensionDraft, decide_extension, request_extension
from app.deadlines.lives import ExtensionState
from app.deadlines.locks import terms_of
from app.errors import DomainError
from app.ingest.replacement import replacement_rule
from app.keys import KeyRing, open_key_ring
from app.policies.policy_set import PolicySet
from app.recalls.decisions import Action, Decision, decide
from app.recalls.request import RecallDraft, request_recall, withdraw
from app.recalls.tables import recall, recall_item
from app.records import Clash
from app.records.status import RecordEventKind
from app.records.tables import active_pupil_code, active_record, record, record_event
from app.schema import metadata
from tests.builders.clock import MovableClock
from tests.builders.law import Known, Law
from tests.builders.ledger import entry, put, standing, stored_bytes
from tests.builders.province import NOW, PRIMARY, Province, build_province

T = TypeVar("T")

MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
# Whose identity number a school enters.
NUMBERS = st.sampled_from(["nobody's", "own", "another's"])
KEPT = frozenset({"sandbox", "organisation", "management", "account", "client", "client_school"})


@dataclass(frozen=True, kw_only=True)
class Country:
    """One database with a province in it, where one year after another is played and forgotten."""

    loop: asyncio.AbstractEventLoop
    engine: AsyncEngine
    clock: MovableClock
    province: Province
    keys: KeyRing


@contextmanager
def country(url: str, folder: Path) -> Iterator[Country]:
    """Found a province on an empty database, in an event loop of its own."""
    loop, clock = asyncio.new_event_loop(), MovableClock(NOW)
    engine = open_engine(url, pool_size=6, sandbox_clock=clock)

    async def found() -> Province:
        async with transaction(engine) as connection:
            return await build_province(connection)

    province = loop.run_until_complete(found())
    yield Country(
        loop=loop, engine=engine, clock=clock, province=province, keys=open_key_ring(folder / "keys", NOW)
    )
    loop.run_until_complete(engine.dispose())
    loop.close()


class Interleavings(RuleBasedStateMachine):
    """Issuing, replacing, asking, deciding, the department's acts and the passing of the law's year."""

    records = Bundle("records")
    requests = Bundle("requests")

    def __init__(self, country: Country) -> None:
        super().__init__()
        self.loop = country.loop
        self.clock = country.clock
        self.clock.now = NOW
        self.engine = country.engine
        self.province = country.province
        self.keys = country.keys
        self.law = Law()
        self.codes = Random(66)
        self.pupils = [f"06621500000{number}" for number in range(5)]
        self.known: dict[UUID, Known] = {}
        self.stands: dict[str, UUID] = {}  # by the number that the pupil's code is made of
        self.open: dict[UUID, UUID] = {}
        self.bytes: dict[UUID, tuple[bytes, bytes]] = {}

    def run(self, awaited: Awaitable[T]) -> T:
        return self.loop.run_until_complete(awaited)

    def refused(self, awaited: Awaitable[object]) -> str | None:
        try:
            self.run(awaited)
        except DomainError as error:
            return error.code
        return None

    def teardown(self) -> None:
        self.run(self.forget())

    async def forget(self) -> None:
        """Empty what a year fills, which only a superuser with all triggers off can do."""
        async with transaction(self.engine) as connection:
            await connection.execute(text("SET LOCAL ROLE NONE"))
            await connection.execute(text("SET LOCAL session_replication_role = replica"))
            for table in metadata.tables.values():
                if table.name not in KEPT:
                    await connection.execute(delete(table))

    @property
    def school(self) -> Any:
        return self.province.clients["vendor"]

    def place(self, record_id: UUID) -> tuple[str, int, str]:
        return f"id:{self.known[record_id].identity}", 2025, "02"

    def identity(self, pupil: str, number_of: str) -> str:
        another = self.pupils[self.pupils.index(pupil) - 1]
        return {"own": pupil, "nobody's": f"077{pupil[3:]}", "another's": another}[number_of]

    def has_other(self, identity: str, pupil: str) -> bool:
        """Whether the standing record of another pupil has an identity number."""
        return any(
            self.known[record_id].identity == identity
            for other, record_id in self.stands.items()
            if other != pupil
        )

    def locks_at(self, record_id: UUID) -> datetime:
        held = self.known[record_id]
        return self.law.locks_at(held.received_at, is_completed=held.is_completed)

    def is_closed(self, record_id: UUID) -> bool:
        """Whether no recall is possible any more."""
        return self.clock() >= max(self.law.final, self.locks_at(record_id))

    def is_standing(self, record_id: UUID) -> bool:
        return self.stands.get(self.known[record_id].pupil) == record_id

    @initialize(target=records)
    def some_records_are_there(self) -> Any:
        assert self.run(standing(self.engine)) == {}
        return multiple(
            *(
                self.enter(pupil, pupil, None, None, is_completed=is_completed, received_at=self.clock())
                for pupil, is_completed in zip(self.pupils, (True, True, False), strict=False)
            )
        )

    def enter(
        self,
        pupil: str,
        identity: str,
        replaces: UUID | None,
        expected: Clash | None,
        *,
        is_completed: bool,
        received_at: datetime,
    ) -> Any:
        made = entry(
            self.province.ids[PRIMARY], pupil=identity, student_code=f"HS{pupil}", replaces=replaces,
            is_completed=is_completed, received_at=received_at,
            record_id=UUID(int=self.codes.getrandbits(128)),
        )  # fmt: skip
        made = replace(made, is_late=received_at >= self.law.school)

        async def judge() -> Clash | None:
            async with transaction(self.engine) as connection:
                law = replacement_rule(
                    PolicySet(), "66", await terms_of(connection, [made.school_id]),
                    settled_at=None if received_at == self.clock() else self.clock(),
                )  # fmt: skip
            return await put(self.engine, made, rule=law, now=self.clock())

        assert self.run(judge()) is expected
        if expected is not None:
            return multiple()
        record_id = made.facts.record_id
        self.known[record_id] = Known(
            pupil=pupil, identity=identity, received_at=received_at, is_completed=is_completed,
            is_late=made.is_late, octets=made.xml,
        )  # fmt: skip
        self.stands[pupil] = record_id
        self.bytes[record_id] = self.run(stored_bytes(self.engine))[record_id]
        if replaces is not None:
            self.known[replaces].successor_received_at = received_at
            self.open = {asked: one for asked, one in self.open.items() if one != replaces}
        return record_id

    @precondition(lambda self: len(self.stands) < len(self.pupils))
    @rule(
        target=records,
        number=st.integers(0, 4),
        number_of=NUMBERS,
        is_completed=st.booleans(),
        waited=st.sampled_from([0, 0, 9]),
    )
    def issue(self, number: int, number_of: str, is_completed: bool, waited: int) -> Any:  # noqa: FBT001 - drawn by name
        """A transcript is received, and perhaps only judged days after, when its certificate is approved."""
        pupil = self.pupils[number]
        identity = self.identity(pupil, number_of)
        has_record = pupil in self.stands or self.has_other(identity, pupil)
        return self.enter(
            pupil, identity, None, Clash.PUPIL_HAS_RECORD if has_record else None,
            is_completed=is_completed, received_at=self.clock() - waited * DAY,
        )  # fmt: skip

    @rule(target=records, old=records, number_of=NUMBERS, waited=st.sampled_from([0, 9]))
    def replace(self, old: UUID, number_of: str, waited: int) -> Any:
        held, received_at = self.known[old], self.clock() - waited * DAY
        identity = self.identity(held.pupil, number_of)
        has_other = self.has_other(identity, held.pupil)
        is_free = held.pupil not in self.stands and not has_other
        is_last = held.recalled_at is not None and held.successor_received_at is None
        if not self.is_standing(old):
            expected = None if is_free and is_last else Clash.REPLACED_NOT_STANDING
        elif self.clock() >= self.locks_at(old):
            # Held until now, or just received: no seal has waited for it, or it is judged at once.
            expected = Clash.REPLACED_IS_LOCKED
        else:
            expected = Clash.PUPIL_HAS_RECORD if has_other else None
        return self.enter(
            held.pupil, identity, old, expected, is_completed=held.is_completed, received_at=received_at
        )

    @rule(target=requests, record_id=records, answer=st.sampled_from([None, None, *Action, Action.APPROVE]))
    def ask(self, record_id: UUID, answer: Action | None) -> Any:
        """A recall is asked for, and perhaps decided at once."""
        made: list[UUID] = []

        async def request() -> None:
            draft = RecallDraft(record_ids=frozenset({record_id}), reason_code="OTHER", reason="Sai sót")
            async with transaction(self.engine) as connection:
                made.append(
                    await request_recall(
                        connection, draft, keys=self.keys, now=self.clock(), actor=self.school
                    )
                )

        expected: str | None = None
        if not self.is_standing(record_id):
            expected = "QH-063"
        elif self.is_closed(record_id):
            expected = "TH-060"
        elif record_id in self.open.values():
            expected = "TR-060"
        assert self.refused(request()) == expected
        if expected is not None:
            return multiple()
        self.open[made[0]] = record_id
        if answer is not None:
            self.settle(made[0], answer)
        return made[0]

    @rule(recall_id=requests, action=st.sampled_from([*Action, None]))
    def a_request_ends(self, recall_id: UUID, action: Action | None) -> None:
        if action is None:
            self.take_back(recall_id)
        else:
            self.settle(recall_id, action)

    def settle(self, recall_id: UUID, action: Action) -> None:
        async def settling() -> None:
            async with transaction(self.engine) as connection:
                await decide(
                    connection, recall_id, Decision(action=action, reason="Lý do"),
                    keys=self.keys, now=self.clock(), officer=self.province.officers["tanlap"],
                )  # fmt: skip

        expected = None
        if recall_id not in self.open:
            expected = "QH-066"
        elif action is Action.APPROVE and self.is_closed(self.open[recall_id]):
            expected = "TH-060"
        assert self.refused(settling()) == expected
        if expected is None:
            record_id = self.open.pop(recall_id)
            if action is Action.APPROVE:
                self.known[record_id].recalled_at = self.clock()
                del self.stands[self.known[record_id].pupil]

    def take_back(self, recall_id: UUID) -> None:
        async def withdrawing() -> None:
            async with transaction(self.engine) as connection:
                await withdraw(connection, recall_id, now=self.clock(), actor=self.school)

        assert self.refused(withdrawing()) == (None if recall_id in self.open else "QH-066")
        self.open.pop(recall_id, None)

    @rule(
        cut_off=st.sampled_from(["school", "upstream", "final"]),
        days=st.sampled_from([-1, 2, 15, 40]),
        is_extension=st.booleans(),
    )
    def the_department_acts(self, cut_off: str, days: int, *, is_extension: bool) -> None:
        if is_extension and days > 0:
            self.extend(days)
        else:
            self.move_cut_off(cut_off, days)

    def move_cut_off(self, cut_off: str, days: int) -> None:
        before, moved = getattr(self.law, cut_off), self.clock() + days * DAY
        changed = replace(self.law)
        setattr(changed, cut_off, moved)
        expected = None
        if before <= self.clock():
            expected = "TH-010"
        elif days < 0:
            expected = "TH-011"
        elif changed.school > min(changed.upstream, changed.final):
            expected = "TH-015"

        async def change() -> None:
            async with transaction(self.engine) as connection:
                await change_calendar(
                    connection, 2025, changed.drafts(), reason="Theo kế hoạch", now=self.clock(),
                    officer=self.province.officers["so66"],
                )  # fmt: skip

        assert self.refused(change()) == (None if moved == before else expected)
        if expected is None:
            self.law = changed

    def extend(self, days: int) -> None:
        until = self.clock() + days * DAY
        officers = self.province.officers
        draft = ExtensionDraft(
            school_code=PRIMARY, school_year=2025, category=None, until=until, reason="Bão lũ"
        )

        async def grant() -> None:
            async with transaction(self.engine) as connection:
                asked = await request_extension(connection, draft, now=self.clock(), officer=officers["so66"])
                await decide_extension(
                    connection, asked, ExtensionState.APPROVED, reason=None, now=self.clock(),
                    officer=officers["so66b"],
                )  # fmt: skip

        self.run(grant())
        self.law.granted.append((self.clock(), until))

    def move_clock(self, moment: datetime, step: timedelta) -> None:
        """The moment comes that lies so far from another; time never goes back."""
        self.clock.now = max(self.clock(), moment + step)

    async def ask_database(self, connection: AsyncConnection) -> None:
        """What holds after every step."""
        stored = await connection.execute(select(record.c.record_id, record.c.xml, record.c.xml_sha256))
        assert {row.record_id: (row.xml, row.xml_sha256) for row in stored} == self.bytes
        stand = await connection.execute(select(active_record))
        assert {(row.pupil_key, row.school_year, row.level): row.record_id for row in stand} == {
            self.place(record_id): record_id for record_id in self.stands.values()
        }
        by_code = await connection.execute(select(active_pupil_code))
        assert {row.student_code: row.record_id for row in by_code} == {
            f"HS{pupil}": record_id for pupil, record_id in self.stands.items()
        }
        recalled = await connection.execute(
            select(record_event.c.record_id).where(record_event.c.kind == RecordEventKind.RECALLED)
        )
        approved = await connection.execute(
            select(recall_item.c.record_id)
            .join(recall, recall.c.id == recall_item.c.recall_id)
            .where(recall.c.state == "approved")
        )
        wanted = sorted(record_id for record_id, held in self.known.items() if held.recalled_at is not None)
        assert sorted(recalled.scalars()) == wanted
        assert sorted(approved.scalars()) == wanted

    @invariant()
    def all_promises_are_kept(self) -> None:
        async def ask() -> None:
            async with transaction(self.engine) as connection:
                await self.ask_database(connection)

        self.run(ask())
