"""Random interleavings of issuing, replacing, asking, deciding and the passing of the law's year.

Whatever the order: bytes never change, at most one record stands for a pupil, year and level, and a record
is recalled by an approved request and by nothing else.
"""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from app.db import open_engine, transaction
from app.deadlines.calendar import calendar_of
from app.errors import DomainError
from app.ingest.replacement import replacement_rule
from app.policies.policy_set import PolicySet
from app.recalls.decisions import Action, Decision, decide
from app.recalls.request import RecallDraft, request_recall, withdraw
from app.recalls.tables import recall, recall_item
from app.records import Clash
from app.records.status import RecordEventKind
from app.records.tables import record_event
from tests.builders.clock import MovableClock
from tests.builders.ledger import entry, put, standing, stored_bytes
from tests.builders.province import NOW, PRIMARY
from tests.recalls.conftest import Ground

T = TypeVar("T")

LOCK = datetime(2026, 6, 30, 17, 0, tzinfo=UTC)
FINAL = datetime(2026, 8, 25, 17, 0, tzinfo=UTC)
RULE = replacement_rule(PolicySet(), calendar_of("66"))
_examples = iter(range(10_000))


class Interleavings(RuleBasedStateMachine):
    """A model of what must hold, beside the real ledger in a real database."""

    records = Bundle("records")
    requests = Bundle("requests")

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = MovableClock(NOW)
        self.engine = open_engine(ground.url, pool_size=2, sandbox_clock=self.clock)
        self.ground = ground
        number = next(_examples)
        self.pupils = [f"0662{number:06}{n:02}" for n in range(2)]
        self.pupil_of: dict[UUID, str] = {}
        self.received_at: dict[UUID, datetime] = {}
        self.stands: dict[str, UUID] = {}
        self.recalled: set[UUID] = set()
        self.replaced: set[UUID] = set()
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
        self.run(self.engine.dispose())
        self.loop.close()

    @initialize()
    def nothing_is_there(self) -> None:
        assert not set(self.run(standing(self.engine))) & {self.place(p) for p in self.pupils}

    def place(self, pupil: str) -> tuple[str, int, str]:
        return f"id:{pupil}", 2025, "02"

    def is_locked(self, record_id: UUID) -> bool:
        return self.clock() >= (LOCK if self.received_at[record_id] < LOCK else FINAL)

    def is_standing(self, record_id: UUID) -> bool:
        return self.stands.get(self.pupil_of[record_id]) == record_id

    def enter(self, pupil: str, replaces: UUID | None, expected: Clash | None) -> Any:
        made = entry(
            self.ground.province.ids[PRIMARY], pupil=pupil, replaces=replaces, received_at=self.clock()
        )
        assert self.run(put(self.engine, made, rule=RULE, now=self.clock())) is expected
        if expected is not None:
            return multiple()
        record_id = made.facts.record_id
        self.pupil_of[record_id], self.received_at[record_id] = pupil, self.clock()
        self.stands[pupil] = record_id
        self.bytes[record_id] = self.run(stored_bytes(self.engine))[record_id]
        if replaces is not None:
            self.replaced.add(replaces)
        return record_id

    @precondition(lambda self: len(self.stands) < len(self.pupils))
    @rule(target=records, number=st.integers(0, 1))
    def issue(self, number: int) -> Any:
        pupil = self.pupils[number]
        return self.enter(pupil, None, Clash.PUPIL_HAS_RECORD if pupil in self.stands else None)

    @rule(target=records, old=records)
    def replace(self, old: UUID) -> Any:
        pupil = self.pupil_of[old]
        follows = pupil not in self.stands and old in self.recalled and old not in self.replaced
        if self.is_standing(old):
            expected = Clash.REPLACED_IS_LOCKED if self.is_locked(old) else None
        else:
            expected = None if follows else Clash.REPLACED_NOT_STANDING
        return self.enter(pupil, old, expected)

    @rule(target=requests, record_id=records)
    def ask(self, record_id: UUID) -> Any:
        made: list[UUID] = []

        async def request() -> None:
            draft = RecallDraft(record_ids=frozenset({record_id}), reason_code="OTHER", reason="Sai sót")
            async with transaction(self.engine) as connection:
                made.append(
                    await request_recall(
                        connection, draft, keys=self.ground.keys, now=self.clock(), actor=self.school
                    )
                )

        expected: str | None = None
        if not self.is_standing(record_id):
            expected = "QH-063"
        elif self.clock() >= FINAL:
            expected = "TH-060"
        elif record_id in self.open.values():
            expected = "TR-060"
        assert self.refused(request()) == expected
        if expected is not None:
            return multiple()
        self.open[made[0]] = record_id
        return made[0]

    @property
    def school(self) -> Any:
        return self.ground.province.clients["vendor"]

    @rule(recall_id=requests)
    def approve(self, recall_id: UUID) -> None:
        self.settle(recall_id, Action.APPROVE)

    @rule(recall_id=requests)
    def decline(self, recall_id: UUID) -> None:
        self.settle(recall_id, Action.DECLINE)

    def settle(self, recall_id: UUID, action: Action) -> None:
        async def settling() -> None:
            async with transaction(self.engine) as connection:
                await decide(
                    connection, recall_id, Decision(action=action, reason="Lý do"),
                    keys=self.ground.keys, now=self.clock(), officer=self.ground.province.officers["tanlap"],
                )  # fmt: skip

        expected = None
        if recall_id not in self.open:
            expected = "QH-066"
        elif action is Action.APPROVE and not self.is_standing(self.open[recall_id]):
            expected = "QH-063"
        elif action is Action.APPROVE and self.clock() >= FINAL:
            expected = "TH-060"
        assert self.refused(settling()) == expected
        if expected is None:
            record_id = self.open.pop(recall_id)
            if action is Action.APPROVE:
                self.recalled.add(record_id)
                del self.stands[self.pupil_of[record_id]]

    @rule(recall_id=requests)
    def take_back(self, recall_id: UUID) -> None:
        async def withdrawing() -> None:
            async with transaction(self.engine) as connection:
                await withdraw(connection, recall_id, now=self.clock(), actor=self.school)

        assert self.refused(withdrawing()) == (None if recall_id in self.open else "QH-066")
        self.open.pop(recall_id, None)

    @rule(days=st.sampled_from([1, 12, 30]))
    def time_passes(self, days: int) -> None:
        self.clock.advance(timedelta(days=days))

    @invariant()
    def bytes_never_change(self) -> None:
        stored = self.run(stored_bytes(self.engine))
        assert {record_id: stored[record_id] for record_id in self.bytes} == self.bytes

    @invariant()
    def one_record_stands_where_the_model_says(self) -> None:
        found = self.run(standing(self.engine))
        assert {
            pupil: found[self.place(pupil)] for pupil in self.pupils if self.place(pupil) in found
        } == self.stands

    @invariant()
    def only_an_approved_request_recalls(self) -> None:
        async def ask_database() -> tuple[set[UUID], set[UUID]]:
            mine = list(self.pupil_of)
            async with transaction(self.engine) as connection:
                recalled = await connection.execute(
                    select(record_event.c.record_id).where(
                        record_event.c.kind == RecordEventKind.RECALLED, record_event.c.record_id.in_(mine)
                    )
                )
                approved = await connection.execute(
                    select(recall_item.c.record_id)
                    .join(recall, recall.c.id == recall_item.c.recall_id)
                    .where(recall.c.state == "approved", recall_item.c.record_id.in_(mine))
                )
                return set(recalled.scalars()), set(approved.scalars())

        assert self.run(ask_database()) == (self.recalled, self.recalled)


def test_whatever_the_order_the_ledger_keeps_its_promises(ground: Ground) -> None:
    class OnThisGround(Interleavings):
        def __init__(self) -> None:
            super().__init__(ground)

    run_state_machine_as_test(
        OnThisGround,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
