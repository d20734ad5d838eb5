"""Recalls over HTTP: asked for by schools and officers, decided by the competent authority."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from joserfc import jws
from joserfc.jwk import KeySet
from sqlalchemy import select

from app.audit import AuditTag, audit_event
from app.db import transaction
from app.organisations.tree import change_management
from app.recalls.escalation import prompt_overdue
from app.records.status import RecordEventKind
from tests.api.conftest import Api, refusal
from tests.builders.callers import tokens_for_all
from tests.builders.ledger import PUPIL, happened, issue, standing, stored_bytes
from tests.builders.province import NOW, OTHER_PRIMARY, PRIMARY, SECONDARY, UPPER
from tests.builders.recalls import RECALLS, ask, asked, at, decide, policy, record, status

SECOND_PUPIL = "066215000002"
AFTER_LOCK = datetime(2026, 7, 5, 3, 0, tzinfo=UTC)
AFTER_FINAL = datetime(2026, 8, 26, 3, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def signed_in(api: Api) -> None:
    api.tokens.update(tokens_for_all(api.service, api.province))


async def test_a_pending_request_changes_nothing_and_an_approved_one_recalls(api: Api) -> None:
    record_id = await record(api)
    before = await stored_bytes(api.service.engine)
    answer = await ask(api, record_id)
    body = answer.json()
    assert (answer.status_code, body["status"], body["total"]) == (201, "requested", 1)
    assert body["items"] == [{"record_id": record_id, "status": "requested"}]
    assert await status(api, record_id) == "issued"

    at(api, api.clock.now + timedelta(hours=1))
    decided = (await decide(api, body["recall_id"], "approve")).json()
    assert decided["status"] == "approved"
    assert decided["items"] == [{"record_id": record_id, "status": "approved"}]
    assert [line["kind"] for line in decided["history"]] == ["requested", "approved"]
    assert await status(api, record_id) == "recalled"
    assert await standing(api.service.engine) == {}
    assert await stored_bytes(api.service.engine) == before
    assert (await api.call("vendor", "GET", f"/api/v1/records/{record_id}/xml")).status_code == 200


async def test_reason_and_decision_are_signed_into_the_records_history(api: Api) -> None:
    record_id = await record(api)
    recall_id = await asked(api, record_id)
    await decide(api, recall_id, "approve")
    events = (await api.call("vendor", "GET", f"/api/v1/records/{record_id}")).json()["events"]
    recalled = next(event for event in events if event["kind"] == "recalled")
    jwks = (await api.http.get("/.well-known/jwks.json")).json()
    signed = jws.deserialize_compact(
        recalled["facts"]["statement"], KeySet.import_key_set(jwks), algorithms=["ES256"]
    )
    claims = json.loads(signed.payload)
    assert {
        "kind": "recall",
        "recall_id": recall_id,
        "record_id": record_id,
        "reason_code": "WRONG_RESULTS",
        "decision": "approved",
        "decided_by": "24133",
        "decided_at": NOW.isoformat(),
    }.items() <= claims.items()
    assert "Nhập nhầm" not in signed.payload.decode()


async def test_a_declined_request_leaves_the_record_and_may_be_made_again(api: Api) -> None:
    record_id = await record(api)
    recall_id = await asked(api, record_id)
    assert refusal(await decide(api, recall_id, "decline")) == (422, "QH-023")
    declined = (await decide(api, recall_id, "decline", reason="Không có sai sót")).json()
    assert (declined["status"], declined["history"][-1]["reason"]) == ("declined", "Không có sai sót")
    assert declined["history"][-1]["facts"]["statement"].count(".") == 2
    assert await status(api, record_id) == "issued"
    assert refusal(await decide(api, recall_id, "approve")) == (409, "QH-066")
    assert (await ask(api, record_id)).status_code == 201


@pytest.mark.parametrize(
    ("action", "then", "code"),
    [
        ("approve", "approve", "QH-066"),
        ("approve", "decline", "QH-066"),
        ("approve", "withdraw", "QH-066"),
        ("decline", "approve", "QH-066"),
        ("decline", "withdraw", "QH-066"),
        ("withdraw", "approve", "QH-066"),
        ("withdraw", "decline", "QH-066"),
        ("withdraw", "withdraw", "QH-066"),
    ],
)
async def test_a_decided_request_stays_decided(api: Api, action: str, then: str, code: str) -> None:
    recall_id = await asked(api, await record(api))
    for step, expected in ((action, 200), (then, 409)):
        caller = "vendor" if step == "withdraw" else "tanlap"
        body = {} if step == "withdraw" else {"json": {"reason": "Lý do"}}
        answer = await api.call(caller, "POST", f"{RECALLS}/{recall_id}/{step}", **body)
        assert answer.status_code == expected, answer.text
    assert refusal(answer) == (409, code)


async def test_what_may_not_be_asked_for_is_refused_with_its_cause(api: Api) -> None:
    record_id = await record(api)
    elsewhere = await record(api, OTHER_PRIMARY, pupil=SECOND_PUPIL)
    upper = await record(api, UPPER, level="04", grade=11)
    assert refusal(await ask(api, record_id, reason_code="NO_SUCH")) == (422, "QH-060")
    assert refusal(await ask(api, record_id, reason="  ")) == (422, "QH-023")
    assert refusal(await ask(api, uuid4().hex)) == (404, "QH-061")
    foreign = await ask(api, record_id, elsewhere)
    assert refusal(foreign) == (404, "QH-061")
    assert foreign.json()["facts"] == {"records": elsewhere, "count": 1}
    assert refusal(await ask(api, record_id, upper)) == (422, "QH-062")
    assert refusal(await ask(api)) == (422, "DD-901")
    assert refusal(await ask(api, record_id, caller="thanhtra66")) == (403, "QH-003")
    assert refusal(await ask(api, record_id, caller="quantri")) == (403, "QH-003")
    assert (await ask(api, record_id, record_id)).json()["total"] == 1
    assert refusal(await ask(api, record_id)) == (409, "TR-060")


async def test_a_record_is_recalled_once(api: Api) -> None:
    record_id = await record(api)
    await decide(api, await asked(api, record_id), "approve")
    assert refusal(await ask(api, record_id)) == (409, "QH-063")


async def test_only_the_managing_authority_of_the_day_decides(api: Api) -> None:
    recall_id = await asked(api, await record(api, SECONDARY, level="03", grade=8))
    assert refusal(await decide(api, recall_id, "approve", "so66")) == (403, "QH-021")
    assert refusal(await decide(api, recall_id, "approve", "eakao")) == (404, "QH-005")
    assert refusal(await decide(api, recall_id, "approve", "so37")) == (404, "QH-005")
    for caller in ("bogddt", "thanhtra66", "quantri", "vendor"):
        assert refusal(await decide(api, recall_id, "approve", caller)) == (403, "QH-003")
    async with transaction(api.service.engine) as connection:
        await change_management(
            connection, SECONDARY, authority_code="24154", valid_from=NOW.date(),
            now=NOW, actor=api.province.officers["quantri"],
        )  # fmt: skip
    assert refusal(await decide(api, recall_id, "approve")) == (404, "QH-005")
    assert (await decide(api, recall_id, "approve", "eakao")).status_code == 200


async def test_an_officer_may_begin_a_recall_but_never_decide_their_own(api: Api) -> None:
    record_id = await record(api)
    recall_id = await asked(api, record_id, caller="tanlap")
    seen = (await api.call("vendor", "GET", RECALLS)).json()["items"]
    assert [(row["recall_id"], row["requested_by_kind"]) for row in seen] == [(recall_id, "officer")]
    assert refusal(await decide(api, recall_id, "approve")) == (403, "QH-022")
    withdrawn = await api.call("vendor", "POST", f"{RECALLS}/{recall_id}/withdraw")
    assert refusal(withdrawn) == (403, "QH-064")
    assert (await api.call("tanlap", "POST", f"{RECALLS}/{recall_id}/withdraw")).json()[
        "status"
    ] == "withdrawn"


async def test_only_who_asked_may_withdraw(api: Api) -> None:
    recall_id = await asked(api, await record(api))
    withdrawals = {
        caller: await api.call(caller, "POST", f"{RECALLS}/{recall_id}/withdraw")
        for caller in ("rival", "tanlap", "vendor")
    }
    assert refusal(withdrawals["rival"]) == (404, "QH-005")
    assert refusal(withdrawals["tanlap"]) == (403, "QH-064")
    assert withdrawals["vendor"].json()["status"] == "withdrawn"


async def test_before_the_lock_a_province_may_let_schools_recall_by_themselves(api: Api) -> None:
    await policy(api, "recall_before_lock", "self")
    record_id = await record(api)
    body = (await ask(api, record_id)).json()
    assert body["status"] == "approved"
    assert [(line["kind"], line["actor_kind"]) for line in body["history"]] == [
        ("requested", "client"),
        ("approved", "system"),
    ]
    assert body["history"][-1]["facts"]["decided_by"] == "policy"
    assert await status(api, record_id) == "recalled"
    # An officer's request still needs another's decision.
    other = await record(api, pupil=SECOND_PUPIL)
    assert (await ask(api, other, caller="tanlap")).json()["status"] == "requested"
    # After the lock the same policy no longer speaks.
    at(api, AFTER_LOCK)
    assert (await ask(api, await record(api), caller="vendor")).json()["status"] == "requested"


async def test_after_the_lock_only_until_the_final_cut_off(api: Api) -> None:
    first, second = await record(api), await record(api, pupil=SECOND_PUPIL)
    at(api, AFTER_LOCK)
    on_time, too_late = await asked(api, first), await asked(api, second)
    assert (await decide(api, on_time, "approve")).status_code == 200
    assert await status(api, first) == "recalled"
    at(api, AFTER_FINAL)
    assert refusal(await decide(api, too_late, "approve")) == (409, "TH-060")
    assert (await decide(api, too_late, "decline", reason="Đã qua hạn")).status_code == 200
    assert refusal(await ask(api, second)) == (409, "TH-060")


async def test_a_province_may_forbid_recalls_after_the_lock(api: Api) -> None:
    record_id = await record(api)
    await policy(api, "recall_after_lock", "forbidden")
    assert (await ask(api, record_id)).status_code == 201
    other = await record(api, pupil=SECOND_PUPIL)
    at(api, AFTER_LOCK)
    assert refusal(await ask(api, other)) == (409, "TH-060")


async def test_the_lock_comes_at_its_instant(api: Api) -> None:
    await policy(api, "recall_after_lock", "forbidden")
    record_id = await record(api)
    cut_off = datetime(2026, 6, 30, 17, 0, tzinfo=UTC)  # 00:00 of 1/7 in Hanoi
    at(api, cut_off - timedelta(microseconds=1))
    recall_id = await asked(api, record_id)
    at(api, cut_off)
    assert refusal(await decide(api, recall_id, "approve")) == (409, "TH-060")


async def test_an_unanswered_request_is_prompted_and_goes_up_to_the_department(api: Api) -> None:
    recall_id = await asked(api, await record(api))
    assert refusal(await decide(api, recall_id, "approve", "so66")) == (403, "QH-021")

    async def prompted() -> tuple[int, int]:
        done = await prompt_overdue(api.service.engine)
        return done.reminded, done.escalated

    assert await prompted() == (0, 0)
    at(api, api.clock.now + timedelta(days=3))
    assert await prompted() == (1, 0)
    assert await prompted() == (0, 0)
    assert refusal(await decide(api, recall_id, "approve", "so66")) == (403, "QH-021")
    at(api, api.clock.now + timedelta(days=4))
    assert await prompted() == (0, 1)
    assert await prompted() == (0, 0)
    escalated = await api.call("so66", "GET", f"{RECALLS}?is_escalated=true")
    assert [row["recall_id"] for row in escalated.json()["items"]] == [recall_id]
    assert (await api.call("so66", "GET", f"{RECALLS}?is_escalated=false")).json()["items"] == []
    body = (await decide(api, recall_id, "approve", "so66")).json()
    assert [line["kind"] for line in body["history"]] == ["requested", "reminded", "escalated", "approved"]
    assert body["history"][-1]["facts"]["decided_by"] == "66"


async def test_many_are_decided_alike_after_a_preview_that_changes_nothing(api: Api) -> None:
    first, second = await record(api), await record(api, pupil=SECOND_PUPIL)
    elsewhere = await record(api, OTHER_PRIMARY, pupil="066215000003")
    recall_ids = [
        await asked(api, first),
        await asked(api, second),
        await asked(api, elsewhere, caller="rival"),
    ]
    body = {"recall_ids": recall_ids, "action": "approve"}
    preview = (await api.call("tanlap", "POST", f"{RECALLS}/decisions?preview=true", json=body)).json()
    assert preview["preview"] is True
    assert [row["status"] for row in preview["results"]] == ["approved", "approved", None]
    assert preview["results"][0]["impact"]["records"] == 1
    assert preview["results"][2]["impact"] is None
    assert [await status(api, one) for one in (first, second)] == ["issued", "issued"]

    done = (await api.call("tanlap", "POST", f"{RECALLS}/decisions", json=body)).json()
    assert [row["status"] for row in done["results"]] == ["approved", "approved", None]
    assert done["results"][2]["problem"]["code"] == "QH-005"
    assert [await status(api, one) for one in (first, second)] == ["recalled", "recalled"]
    again = (await api.call("tanlap", "POST", f"{RECALLS}/decisions", json=body)).json()
    assert [row["problem"]["code"] for row in again["results"]] == ["QH-066", "QH-066", "QH-005"]
    declining = {"recall_ids": recall_ids[:1], "action": "decline"}
    refused = (await api.call("tanlap", "POST", f"{RECALLS}/decisions", json=declining)).json()
    assert refused["results"][0]["problem"]["code"] == "QH-066"


async def test_requests_are_seen_in_scope_only_and_looking_is_noted(api: Api) -> None:
    recall_id = await asked(api, await record(api))
    for caller in ("vendor", "tanlap", "so66", "bogddt", "thanhtra66"):
        found = (await api.call(caller, "GET", f"{RECALLS}?status=requested")).json()["items"]
        assert [row["recall_id"] for row in found] == [recall_id]
        assert (await api.call(caller, "GET", f"{RECALLS}/{recall_id}")).status_code == 200
    for caller in ("rival", "eakao", "so37"):
        assert (await api.call(caller, "GET", RECALLS)).json()["items"] == []
        assert refusal(await api.call(caller, "GET", f"{RECALLS}/{recall_id}")) == (404, "QH-005")
        assert refusal(await api.call(caller, "GET", f"{RECALLS}/{recall_id}/impact")) == (404, "QH-005")
    assert refusal(await api.call("quantri", "GET", RECALLS)) == (403, "QH-003")
    assert (await api.call("vendor", "GET", f"{RECALLS}?reason_code=OTHER")).json()["items"] == []
    assert (await api.call("vendor", "GET", f"{RECALLS}?school_code={UPPER}")).json()["items"] == []
    async with transaction(api.service.engine) as connection:
        reads = await connection.execute(
            select(audit_event.c.actor_id).where(audit_event.c.tag == AuditTag.RECALL_READ)
        )
        assert len(reads.all()) == 5


async def test_the_list_goes_on_after_its_last_row(api: Api) -> None:
    made = [await asked(api, await record(api, pupil=f"06621500001{n}")) for n in range(3)]
    first = (await api.call("vendor", "GET", f"{RECALLS}?limit=2")).json()
    rest = (await api.call("vendor", "GET", f"{RECALLS}?limit=2&cursor={first['next_cursor']}")).json()
    assert sorted(made) == [row["recall_id"] for row in first["items"] + rest["items"]]
    assert rest["next_cursor"] is None


async def test_the_reasons_are_public_and_in_both_languages(api: Api) -> None:
    reasons = (await api.http.get(f"{RECALLS}/reasons")).json()["items"]
    assert {"WRONG_RESULTS", "OTHER"} <= {row["code"] for row in reasons}
    assert all(row["title"] and row["title_en"] for row in reasons)


async def test_after_the_recall_the_school_issues_anew_and_the_chain_can_be_read(api: Api) -> None:
    record_id = await record(api)
    at(api, NOW + timedelta(minutes=1))
    await decide(api, await asked(api, record_id), "approve")
    at(api, NOW + timedelta(minutes=2))
    new = (await issue(api.service.engine, api.province.ids[PRIMARY], replaces=UUID(record_id))).hex
    assert await standing(api.service.engine) == {(f"id:{PUPIL}", 2025, "02"): UUID(new)}
    assert await happened(api.service.engine, UUID(record_id)) == [
        RecordEventKind.RECORDED,
        RecordEventKind.RECALLED,
        RecordEventKind.REPLACED,
    ]
    old = (await api.call("vendor", "GET", f"/api/v1/records/{record_id}")).json()
    assert (old["status"], old["replaced_by"]) == ("recalled", new)
    assert (await api.call("vendor", "GET", f"/api/v1/records/{new}")).json()["replaces"] == record_id
