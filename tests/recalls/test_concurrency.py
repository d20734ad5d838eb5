"""Many at once, on parallel connections: one takes effect, the others are told so."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select

from app.db import transaction
from app.errors import DomainError
from app.recalls.decisions import Action, Decision, decide, hold_requests
from app.recalls.escalation import prompt_overdue
from app.recalls.request import RecallDraft, request_recall, withdraw
from app.recalls.tables import recall, recall_item
from app.records import Clash
from app.records.custody import managed_records
from app.records.status import RecordEventKind
from app.records.tables import record_event
from app.transfers.answer import answer_transfer
from app.transfers.life import Action as TransferAction
from app.transfers.release import ReleaseDraft, release
from tests.builders.ledger import PUPIL, entry, happened, issue, put, standing
from tests.builders.province import CONTINUING, OTHER_PRIMARY, PRIMARY, UPPER
from tests.recalls.conftest import Ground

PLACE = (f"id:{PUPIL}", 2025, "02")


async def outcomes(*attempts: Awaitable[object]) -> Counter[str]:
    """Run them together; count successes and the codes of refusals."""

    async def attempt(one: Awaitable[object]) -> str:
        try:
            given = await one
        except DomainError as error:
            return error.code
        return str(given) if isinstance(given, Clash) else "done"

    return Counter(await asyncio.gather(*(attempt(one) for one in attempts)))


async def ask(ground: Ground, *record_ids: UUID) -> UUID:
    draft = RecallDraft(record_ids=frozenset(record_ids), reason_code="OTHER", reason="Sai sót")
    async with transaction(ground.engine) as connection:
        return await request_recall(
            connection, draft, keys=ground.keys, now=ground.clock(), actor=ground.province.clients["vendor"]
        )


async def settle(ground: Ground, recall_id: UUID, action: Action) -> None:
    async with transaction(ground.engine) as connection:
        await decide(
            connection, recall_id, Decision(action=action, reason="Lý do"),
            keys=ground.keys, now=ground.clock(), officer=ground.province.officers["tanlap"],
        )  # fmt: skip


async def take_back(ground: Ground, recall_id: UUID) -> None:
    async with transaction(ground.engine) as connection:
        await withdraw(connection, recall_id, now=ground.clock(), actor=ground.province.clients["vendor"])


async def test_of_many_packages_replacing_one_record_one_does(ground: Ground) -> None:
    school = ground.province.ids[PRIMARY]
    old = await issue(ground.engine, school)
    new = [entry(school, replaces=old) for _ in range(6)]
    result = await outcomes(*(put(ground.engine, one) for one in new))
    assert result == {"done": 1, Clash.REPLACED_NOT_STANDING: 5}
    winner = (await standing(ground.engine))[PLACE]
    assert winner in {one.facts.record_id for one in new}
    assert (await happened(ground.engine, old)).count(RecordEventKind.REPLACED) == 1


async def test_of_many_first_records_of_a_pupil_one_stands(ground: Ground) -> None:
    school = ground.province.ids[PRIMARY]
    result = await outcomes(*(put(ground.engine, entry(school)) for _ in range(6)))
    assert result == {"done": 1, Clash.PUPIL_HAS_RECORD: 5}
    assert list(await standing(ground.engine)) == [PLACE]


async def test_of_many_requests_for_one_record_one_is_open(ground: Ground) -> None:
    record_id = await issue(ground.engine, ground.province.ids[PRIMARY])
    assert await outcomes(*(ask(ground, record_id) for _ in range(6))) == {"done": 1, "TR-060": 5}
    async with transaction(ground.engine) as connection:
        requests = await connection.scalar(select(func.count()).select_from(recall))
        items = await connection.scalar(select(func.count()).select_from(recall_item))
    assert (requests, items) == (1, 1)


async def test_of_many_decisions_on_one_request_one_holds(ground: Ground) -> None:
    record_id = await issue(ground.engine, ground.province.ids[PRIMARY])
    recall_id = await ask(ground, record_id)
    actions = [Action.APPROVE, Action.DECLINE] * 3
    attempts = [settle(ground, recall_id, action) for action in actions]
    result = await outcomes(*attempts, take_back(ground, recall_id))
    assert result["done"] == 1
    assert set(result) <= {"done", "QH-020", "QH-066"}
    recalled = (await happened(ground.engine, record_id)).count(RecordEventKind.RECALLED)
    async with transaction(ground.engine) as connection:
        state = await connection.scalar(select(recall.c.state))
        item = await connection.scalar(select(recall_item.c.state))
    assert state == item
    assert recalled == (1 if state == "approved" else 0)


async def test_a_recall_and_a_replacement_at_once_leave_one_record_at_most(ground: Ground) -> None:
    school = ground.province.ids[PRIMARY]
    for number in range(6):
        pupil = f"06621500010{number}"
        old = await issue(ground.engine, school, pupil=pupil)
        recall_id = await ask(ground, old)
        new = entry(school, pupil=pupil, replaces=old)
        result = await outcomes(settle(ground, recall_id, Action.APPROVE), put(ground.engine, new))
        # Either the replacement came first and closed the request, or it followed the recall.
        assert result in ({"done": 2}, {"done": 1, "QH-066": 1}, {"done": 1, "QH-020": 1})
        assert (await standing(ground.engine))[(f"id:{pupil}", 2025, "02")] == new.facts.record_id
        events = await happened(ground.engine, old)
        assert (RecordEventKind.RECALLED in events) is (result["done"] == 2)
        assert events.count(RecordEventKind.REPLACED) == 1


async def hand_over(ground: Ground, record_id: UUID) -> UUID:
    draft = ReleaseDraft(to_school_code=OTHER_PRIMARY, record_ids=frozenset({record_id}))
    async with transaction(ground.engine) as connection:
        return await release(connection, draft, now=ground.clock(), actor=ground.province.clients["vendor"])


async def accept(ground: Ground, transfer_id: UUID) -> None:
    async with transaction(ground.engine) as connection:
        await answer_transfer(
            connection, transfer_id, TransferAction.ACCEPT,
            now=ground.clock(), actor=ground.province.clients["rival"],
        )  # fmt: skip


async def test_a_recall_and_a_transfer_at_once_agree_on_who_managed_the_record(ground: Ground) -> None:
    school = ground.province.ids[PRIMARY]
    for number in range(6):
        record_id = await issue(ground.engine, school, pupil=f"06621500030{number}")
        recall_id, transfer_id = await ask(ground, record_id), await hand_over(ground, record_id)
        result = await outcomes(settle(ground, recall_id, Action.APPROVE), accept(ground, transfer_id))
        events = await happened(ground.engine, record_id)
        assert RecordEventKind.CUSTODY_TRANSFERRED in events
        # Either the recall came first, or it found the record with another school.
        assert result in ({"done": 2}, {"done": 1, "QH-065": 1})
        assert (RecordEventKind.RECALLED in events) is (result["done"] == 2)


async def test_of_many_acceptances_one_moves_custody(ground: Ground) -> None:
    record_id = await issue(ground.engine, ground.province.ids[PRIMARY])
    transfer_id = await hand_over(ground, record_id)
    result = await outcomes(*(accept(ground, transfer_id) for _ in range(5)))
    assert result["done"] == 1
    assert set(result) <= {"done", "QH-020", "QH-066"}
    events = await happened(ground.engine, record_id)
    assert events.count(RecordEventKind.CUSTODY_TRANSFERRED) == 1


async def test_of_many_releases_of_one_record_one_is_open(ground: Ground) -> None:
    record_id = await issue(ground.engine, ground.province.ids[PRIMARY])
    result = await outcomes(*(hand_over(ground, record_id) for _ in range(5)))
    assert result == {"done": 1, "TR-061": 4}


@pytest.mark.parametrize("is_recalled", [False, True])
async def test_what_is_being_accepted_is_not_released_a_second_time(
    ground: Ground, *, is_recalled: bool
) -> None:
    """A release that waits for another's acceptance finds that the school manages the record no longer."""
    record_id = await issue(ground.engine, ground.province.ids[PRIMARY])
    if is_recalled:
        await settle(ground, await ask(ground, record_id), Action.APPROVE)
    transfer_id = await hand_over(ground, record_id)
    async with transaction(ground.engine) as connection:
        await answer_transfer(
            connection, transfer_id, TransferAction.ACCEPT,
            now=ground.clock(), actor=ground.province.clients["rival"],
        )  # fmt: skip
        second = asyncio.create_task(outcomes(hand_over(ground, record_id)))
        await asyncio.sleep(0.2)
        assert not second.done()
    assert await second == {"QH-061": 1}
    async with transaction(ground.engine) as connection:
        held = (await managed_records(connection, [record_id]))[record_id]
    assert held.manager_id == ground.province.ids[OTHER_PRIMARY]


async def test_two_schedulers_prompt_once(ground: Ground) -> None:
    for number in range(5):
        pupil = f"06621500040{number}"
        await ask(ground, await issue(ground.engine, ground.province.ids[PRIMARY], pupil=pupil))
    ground.clock.advance(timedelta(days=3))
    rounds = await asyncio.gather(*(prompt_overdue(ground.engine) for _ in range(4)))
    assert sum(done.reminded for done in rounds) == 5
    ground.clock.advance(timedelta(days=4))
    rounds = await asyncio.gather(*(prompt_overdue(ground.engine) for _ in range(4)))
    assert sum(done.escalated for done in rounds) == 5


async def test_two_officers_deciding_on_the_same_schools_in_opposite_order_both_get_through(
    ground: Ground,
) -> None:
    """Each has decided on a first request before the other goes on to a second one, of that first school."""
    upper, continuing = ground.province.ids[UPPER], ground.province.ids[CONTINUING]
    asked = [
        await ask(ground, await issue(ground.engine, school, pupil=f"06621500060{n}", level=level, grade=10))
        for n, (school, level) in enumerate(
            [(upper, "04"), (continuing, "05"), (continuing, "05"), (upper, "04")]
        )
    ]
    has_begun = asyncio.Event()

    async def approve(recall_ids: list[UUID], officer: str) -> None:
        async with transaction(ground.engine) as connection:
            await hold_requests(connection, recall_ids)
            for recall_id in recall_ids:
                await decide(
                    connection, recall_id, Decision(action=Action.APPROVE), keys=ground.keys,
                    now=ground.clock(), officer=ground.province.officers[officer],
                )  # fmt: skip
                has_begun.set()
                await asyncio.sleep(0.1)

    async def approve_others() -> None:
        await has_begun.wait()
        await approve(asked[2:], "so66b")

    assert await outcomes(approve(asked[:2], "so66"), approve_others()) == {"done": 2}
    assert await standing(ground.engine) == {}


async def test_two_officers_deciding_many_at_once_decide_each_once(ground: Ground) -> None:
    school = ground.province.ids[PRIMARY]
    ids = [await issue(ground.engine, school, pupil=f"0662150002{n:02}") for n in range(8)]
    recall_ids = [await ask(ground, *ids[:4]), await ask(ground, *ids[4:])]

    async def approve_all(chosen: list[UUID]) -> None:
        for recall_id in chosen:
            await settle(ground, recall_id, Action.APPROVE)

    result = await outcomes(approve_all(recall_ids), approve_all(recall_ids[::-1]))
    assert set(result) <= {"done", "QH-066", "QH-020"}
    async with transaction(ground.engine) as connection:
        recalled = await connection.scalar(
            select(func.count()).where(record_event.c.kind == RecordEventKind.RECALLED)
        )
    assert recalled == len(ids)
    assert await standing(ground.engine) == {}
