"""Of a request for several records, a replacement closes the part of the record that it replaces."""

from uuid import UUID

from app.db import transaction
from app.recalls.decisions import Action, Decision, decide
from app.recalls.life import RecallState
from app.recalls.register import find_recall, items_of
from app.recalls.request import RecallDraft, request_recall
from app.records.status import RecordEventKind
from tests.builders.ledger import entry, happened, issue, put
from tests.builders.province import PRIMARY
from tests.recalls.conftest import Ground


async def ask(ground: Ground, *record_ids: UUID) -> UUID:
    draft = RecallDraft(record_ids=frozenset(record_ids), reason_code="OTHER", reason="Sai sót")
    async with transaction(ground.engine) as connection:
        return await request_recall(
            connection, draft, keys=ground.keys, now=ground.clock(), actor=ground.province.clients["vendor"]
        )


async def test_the_others_stay_asked_for_and_are_recalled(ground: Ground) -> None:
    school = ground.province.ids[PRIMARY]
    replaced, other = [await issue(ground.engine, school, pupil=f"06621500000{n}") for n in (1, 2)]
    recall_id = await ask(ground, replaced, other)
    assert await put(ground.engine, entry(school, pupil="066215000001", replaces=replaced)) is None
    async with transaction(ground.engine) as connection:
        found = await find_recall(connection, recall_id)
        assert found is not None
        assert found.state is RecallState.REQUESTED
        await decide(
            connection, recall_id, Decision(action=Action.APPROVE), keys=ground.keys, now=ground.clock(),
            officer=ground.province.officers["tanlap"],
        )  # fmt: skip
        assert await items_of(connection, recall_id) == {
            replaced: RecallState.SUPERSEDED,
            other: RecallState.APPROVED,
        }
    # At one and the same moment here: their order says nothing.
    assert set(await happened(ground.engine, other)) == {RecordEventKind.RECORDED, RecordEventKind.RECALLED}
    assert set(await happened(ground.engine, replaced)) == {
        RecordEventKind.RECORDED,
        RecordEventKind.REPLACED,
    }
