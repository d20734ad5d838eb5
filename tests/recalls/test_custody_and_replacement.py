"""Who may replace what, once a record was handed over to another school."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.clock import system_clock
from app.db import open_engine, transaction
from app.deadlines.locks import terms_of
from app.ingest.replacement import replacement_rule
from app.policies.book import PolicyDraft, choose
from app.policies.policy_set import PolicyKey, PolicySet
from app.recalls.decisions import Action
from app.recalls.register import history
from app.recalls.request import RecallDraft, request_recall
from app.records import Clash, issuers_of_replaced
from app.records.status import RecordEventKind
from app.transfers.answer import answer_transfer
from app.transfers.life import Action as TransferAction
from app.transfers.release import ReleaseDraft, release
from tests.builders.ledger import PUPIL, entry, happened, issue, put, standing
from tests.builders.province import FOREIGN, OTHER_PRIMARY, PRIMARY
from tests.recalls.conftest import Ground
from tests.recalls.test_concurrency import accept, ask, hand_over, settle

PLACE = (f"id:{PUPIL}", 2025, "02")


async def handed_over(ground: Ground) -> UUID:
    record_id = await issue(ground.engine, ground.province.ids[PRIMARY])
    await accept(ground, await hand_over(ground, record_id))
    ground.clock.advance(timedelta(minutes=1))
    return record_id


async def test_the_school_that_manages_a_record_replaces_it_its_issuer_no_longer_does(ground: Ground) -> None:
    old = await handed_over(ground)
    issuer, manager = ground.province.ids[PRIMARY], ground.province.ids[OTHER_PRIMARY]
    assert await put(ground.engine, entry(issuer, replaces=old)) is Clash.REPLACED_NOT_STANDING
    assert await put(ground.engine, entry(issuer)) is Clash.PUPIL_HAS_RECORD_ELSEWHERE
    assert await put(ground.engine, entry(manager)) is Clash.PUPIL_HAS_RECORD
    new = entry(manager, replaces=old)
    assert await put(ground.engine, new, now=ground.clock()) is None
    assert (await standing(ground.engine))[PLACE] == new.facts.record_id
    assert await happened(ground.engine, old) == [
        RecordEventKind.RECORDED,
        RecordEventKind.CUSTODY_TRANSFERRED,
        RecordEventKind.REPLACED,
    ]


async def test_what_was_recalled_is_issued_anew_by_its_issuer_or_its_manager_once(ground: Ground) -> None:
    old = await issue(ground.engine, ground.province.ids[PRIMARY])
    await settle(ground, await ask(ground, old), Action.APPROVE)
    stranger = entry(ground.province.ids[OTHER_PRIMARY], replaces=old)
    assert await put(ground.engine, stranger) is Clash.REPLACED_NOT_STANDING
    another_pupil = entry(ground.province.ids[PRIMARY], pupil="066215000009", replaces=old)
    assert await put(ground.engine, another_pupil) is Clash.REPLACED_NOT_STANDING
    new = entry(ground.province.ids[PRIMARY], replaces=old)
    assert await put(ground.engine, new) is None
    await settle(ground, await ask(ground, new.facts.record_id), Action.APPROVE)
    # The chain goes on from its last link only.
    again = entry(ground.province.ids[PRIMARY], replaces=old)
    assert await put(ground.engine, again) is Clash.REPLACED_NOT_STANDING
    last = entry(ground.province.ids[PRIMARY], replaces=new.facts.record_id)
    assert await put(ground.engine, last) is None


async def test_without_naming_it_a_recalled_record_is_followed_too(ground: Ground) -> None:
    old = await issue(ground.engine, ground.province.ids[PRIMARY])
    await settle(ground, await ask(ground, old), Action.APPROVE)
    new = entry(ground.province.ids[PRIMARY])
    assert await put(ground.engine, new) is None
    assert await put(ground.engine, entry(ground.province.ids[PRIMARY], replaces=old)) is (
        Clash.REPLACED_NOT_STANDING
    )


async def test_who_took_a_record_over_replaces_it_until_the_lock_of_who_issued_it(ground: Ground) -> None:
    """Ninh Bình locks on 25/6, the school's own province on 30/6."""
    old = await issue(ground.engine, ground.province.ids[FOREIGN])
    giver, taker = ground.province.clients["rival"], ground.province.clients["vendor"]
    draft = ReleaseDraft(to_school_code=PRIMARY, record_ids=frozenset({old}))
    async with transaction(ground.engine) as connection:
        transfer_id = await release(connection, draft, now=ground.clock(), actor=giver)
        await answer_transfer(connection, transfer_id, TransferAction.ACCEPT, now=ground.clock(), actor=taker)
    at = datetime(2026, 6, 27, 3, tzinfo=UTC)
    new = entry(ground.province.ids[PRIMARY], replaces=old, received_at=at)
    async with transaction(ground.engine) as connection:
        issuers = await issuers_of_replaced(connection, [new])
        terms = await terms_of(connection, {new.school_id, *issuers.values()})
    rule = replacement_rule(PolicySet(), "66", terms)
    assert await put(ground.engine, new, rule=rule, now=at) is Clash.REPLACED_IS_LOCKED
    early = entry(ground.province.ids[PRIMARY], replaces=old, received_at=at - timedelta(days=2))
    assert await put(ground.engine, early, rule=rule, now=at) is None


async def test_what_a_school_recalls_by_itself_is_decided_in_the_moment_of_the_request(
    ground: Ground,
) -> None:
    """By the wall clock, which goes on: an instant later the record may be locked."""
    school, clock = ground.province.ids[PRIMARY], system_clock
    engine = open_engine(ground.url, pool_size=2)
    year = clock().year + 1  # of which nothing is locked
    record_id = await issue(ground.engine, school, school_year=year, received_at=clock())
    policy = PolicyDraft(
        key=PolicyKey.RECALL_BEFORE_LOCK, value="self", reason="Theo công văn của Sở", province="66"
    )
    async with transaction(engine) as connection:
        await choose(connection, policy, now=clock(), officer=ground.province.officers["so66"])
    draft = RecallDraft(record_ids=frozenset({record_id}), reason_code="OTHER", reason="Sai sót")
    async with transaction(engine) as connection:
        recall_id = await request_recall(
            connection, draft, keys=ground.keys, now=clock(), actor=ground.province.clients["vendor"]
        )
        lines = await history(connection, recall_id)
    await engine.dispose()
    assert [line.kind for line in lines] == ["requested", "approved"]
    assert lines[0].at == lines[1].at
