"""Transfers over HTTP: custody moves when the new school accepts; issuer and bytes stay."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.records.status import RecordEventKind
from tests.api.conftest import Api, refusal
from tests.builders.callers import tokens_for_all
from tests.builders.ledger import PUPIL, happened, issue, stored_bytes
from tests.builders.province import FOREIGN, NOW, OTHER_PRIMARY, PRIMARY, SECONDARY, UPPER

TRANSFERS = "/api/v1/transfers"
SECOND_PUPIL = "066215000002"


@pytest.fixture(autouse=True)
def signed_in(api: Api) -> None:
    api.tokens.update(tokens_for_all(api.service, api.province))


async def record(api: Api, school: str = PRIMARY, **rest: Any) -> str:
    return (await issue(api.service.engine, api.province.ids[school], **rest)).hex


async def release(api: Api, to: str, *record_ids: str, caller: str = "vendor", **rest: Any) -> Any:
    body = {"to_school_code": to, **({"record_ids": list(record_ids)} if record_ids else {}), **rest}
    return await api.call(caller, "POST", TRANSFERS, json=body)


async def released(api: Api, to: str, *record_ids: str, **rest: Any) -> str:
    answer = await release(api, to, *record_ids, **rest)
    assert answer.status_code == 201, answer.text
    transfer_id: str = answer.json()["transfer_id"]
    return transfer_id


async def answer(api: Api, transfer_id: str, action: str, caller: str, **body: Any) -> Any:
    sent = {} if action == "withdraw" else {"json": body}
    return await api.call(caller, "POST", f"{TRANSFERS}/{transfer_id}/{action}", **sent)


async def sees(api: Api, caller: str, record_id: str) -> int:
    return (await api.call(caller, "GET", f"/api/v1/records/{record_id}")).status_code


async def ask_for_consent(api: Api, level: str) -> None:
    body = {
        "key": "transfer_authority_step",
        "value": True,
        "reason": "Thông tư về chuyển trường",
        "province": "66",
        "level": level,
    }
    assert (await api.call("so66", "POST", "/api/v1/policies", json=body)).status_code == 201


async def test_custody_moves_with_acceptance_and_nothing_else_does(api: Api) -> None:
    record_id = await record(api)
    before = await stored_bytes(api.service.engine)
    transfer_id = await released(api, OTHER_PRIMARY, record_id)
    assert [await sees(api, caller, record_id) for caller in ("vendor", "rival", "eakao")] == [200, 404, 404]

    api.clock.advance(timedelta(minutes=1))
    body = (await answer(api, transfer_id, "accept", "rival")).json()
    assert (body["status"], body["record_ids"]) == ("accepted", [record_id])
    assert [line["target"] for line in body["history"]] == ["released", "accepted"]
    assert [await sees(api, caller, record_id) for caller in ("vendor", "rival", "eakao")] == [200, 200, 200]
    shown = (await api.call("rival", "GET", f"/api/v1/records/{record_id}")).json()
    assert (shown["school_code"], shown["managed_by"]) == (PRIMARY, OTHER_PRIMARY)
    assert await stored_bytes(api.service.engine) == before
    assert await happened(api.service.engine, UUID(record_id)) == [
        RecordEventKind.RECORDED,
        RecordEventKind.CUSTODY_TRANSFERRED,
    ]
    moved = next(event for event in shown["events"] if event["kind"] == "custody_transferred")
    assert moved["facts"] == {
        "transfer_id": transfer_id,
        "from_school": PRIMARY,
        "to_school": OTHER_PRIMARY,
    }
    pupil = (await api.call("rival", "GET", f"/api/v1/students/{PUPIL}/records")).json()
    assert [row["record_id"] for row in pupil["items"]] == [record_id]


async def test_the_right_to_ask_for_a_recall_moves_too(api: Api) -> None:
    record_id = await record(api)
    asked = {"record_ids": [record_id], "reason_code": "OTHER", "reason": "Sai sót"}
    pending = (await api.call("vendor", "POST", "/api/v1/recalls", json=asked)).json()["recall_id"]
    transfer_id = await released(api, OTHER_PRIMARY, record_id)
    await answer(api, transfer_id, "accept", "rival")
    # What the old school had asked for is no longer its to ask.
    approved = await api.call("tanlap", "POST", f"/api/v1/recalls/{pending}/approve", json={})
    assert refusal(approved) == (409, "QH-065")
    declined = await api.call(
        "tanlap", "POST", f"/api/v1/recalls/{pending}/decline", json={"reason": "Đã chuyển"}
    )
    assert declined.status_code == 200
    assert refusal(await api.call("vendor", "POST", "/api/v1/recalls", json=asked)) == (404, "QH-061")
    recall = await api.call("rival", "POST", "/api/v1/recalls", json=asked)
    assert recall.status_code == 201
    recall_id = recall.json()["recall_id"]
    refused = await api.call("tanlap", "POST", f"/api/v1/recalls/{recall_id}/approve", json={})
    assert refusal(refused) == (404, "QH-005")
    done = await api.call("eakao", "POST", f"/api/v1/recalls/{recall_id}/approve", json={})
    assert done.json()["status"] == "approved"


async def test_the_old_school_keeps_what_it_issued_a_school_in_between_does_not(api: Api) -> None:
    record_id = await record(api)
    await answer(api, await released(api, OTHER_PRIMARY, record_id), "accept", "rival")
    assert await sees(api, "eakao", record_id) == 200
    back = await released(api, SECONDARY, record_id, caller="rival")
    assert (await answer(api, back, "accept", "vendor")).status_code == 200
    assert [await sees(api, caller, record_id) for caller in ("vendor", "tanlap", "eakao", "rival")] == [
        200,
        200,
        404,
        404,
    ]


async def test_all_years_of_a_pupil_are_released_at_once(api: Api) -> None:
    years = [await record(api, school_year=year, grade=year - 2021) for year in (2023, 2024, 2025)]
    elsewhere = await record(api, OTHER_PRIMARY, school_year=2022)
    body = (await release(api, FOREIGN, student_id=PUPIL)).json()
    assert body["record_ids"] == sorted(years)
    assert elsewhere not in body["record_ids"]
    unknown = await release(api, FOREIGN, student_id=SECOND_PUPIL)
    assert refusal(unknown) == (404, "QH-081")
    assert refusal(await release(api, FOREIGN, student_id=PUPIL, from_school_code=SECONDARY)) == (
        404,
        "QH-081",
    )
    assert refusal(await release(api, FOREIGN, student_id=PUPIL, from_school_code=FOREIGN)) == (403, "QH-004")


async def test_what_may_not_be_released_is_refused_with_its_cause(api: Api) -> None:
    record_id = await record(api)
    foreign = await record(api, OTHER_PRIMARY, pupil=SECOND_PUPIL)
    upper = await record(api, UPPER, level="04", grade=11)
    assert refusal(await release(api, "66X9999999", record_id)) == (422, "QH-057")
    assert refusal(await release(api, PRIMARY, record_id)) == (422, "QH-080")
    assert refusal(await release(api, SECONDARY, foreign)) == (404, "QH-061")
    assert refusal(await release(api, SECONDARY, uuid4().hex)) == (404, "QH-061")
    assert refusal(await release(api, OTHER_PRIMARY, record_id, upper)) == (422, "QH-062")
    assert refusal(await release(api, OTHER_PRIMARY)) == (422, "DD-901")
    assert refusal(await release(api, OTHER_PRIMARY, record_id, student_id=PUPIL)) == (422, "DD-901")
    assert refusal(await release(api, OTHER_PRIMARY, record_id, caller="tanlap")) == (403, "QH-003")
    await released(api, OTHER_PRIMARY, record_id)
    assert refusal(await release(api, FOREIGN, record_id)) == (409, "TR-061")


@pytest.mark.parametrize(
    ("action", "caller", "expected"),
    [
        ("accept", "rival", 200),
        ("accept", "eakao", 200),
        ("accept", "vendor", (403, "QH-082")),
        ("accept", "tanlap", (403, "QH-082")),
        ("accept", "so66", (403, "QH-021")),
        ("accept", "hoalu", (404, "QH-005")),
        ("accept", "thanhtra66", (403, "QH-003")),
        ("decline", "rival", 200),
        ("decline", "eakao", 200),
        ("decline", "vendor", (403, "QH-082")),
        ("decline", "tanlap", (403, "QH-082")),
        ("withdraw", "vendor", 200),
        ("withdraw", "rival", (403, "QH-082")),
        ("consent", "tanlap", (409, "QH-066")),
        ("consent", "eakao", (403, "QH-082")),
        ("consent", "vendor", (403, "QH-003")),
    ],
)
async def test_each_answer_is_somebodys(
    api: Api, action: str, caller: str, expected: int | tuple[int, str]
) -> None:
    transfer_id = await released(api, OTHER_PRIMARY, await record(api))
    given = await answer(api, transfer_id, action, caller, reason="Lý do")
    if isinstance(expected, int):
        assert given.status_code == expected, given.text
    else:
        assert refusal(given) == expected


@pytest.mark.parametrize("last", ["accept", "decline", "withdraw"])
async def test_an_answered_transfer_stays_answered(api: Api, last: str) -> None:
    record_id = await record(api)
    transfer_id = await released(api, OTHER_PRIMARY, record_id)
    callers = {"accept": "rival", "decline": "rival", "withdraw": "vendor"}
    assert (await answer(api, transfer_id, last, callers[last], reason="Lý do")).status_code == 200
    for again, caller in callers.items():
        assert refusal(await answer(api, transfer_id, again, caller, reason="Lý do")) == (409, "QH-066")
    anew = await release(api, FOREIGN, record_id, caller="rival" if last == "accept" else "vendor")
    assert anew.status_code == 201


async def test_a_refusal_needs_a_reason_and_leaves_custody(api: Api) -> None:
    record_id = await record(api)
    transfer_id = await released(api, OTHER_PRIMARY, record_id, note="Chuyển trường theo gia đình")
    assert refusal(await answer(api, transfer_id, "decline", "rival")) == (422, "QH-023")
    body = (await answer(api, transfer_id, "decline", "rival", reason="Không có học sinh này")).json()
    assert (body["status"], body["history"][-1]["reason"]) == ("declined", "Không có học sinh này")
    assert await sees(api, "rival", record_id) == 404


async def test_by_policy_the_old_schools_authority_consents_first(api: Api) -> None:
    await ask_for_consent(api, "03")
    record_id = await record(api, SECONDARY, level="03", grade=8)
    transfer_id = await released(api, FOREIGN, record_id)
    assert refusal(await answer(api, transfer_id, "accept", "rival")) == (409, "QH-083")
    assert refusal(await answer(api, transfer_id, "consent", "hoalu")) == (403, "QH-082")
    assert (await answer(api, transfer_id, "consent", "tanlap")).json()["status"] == "consented"
    assert refusal(await answer(api, transfer_id, "consent", "tanlap")) == (409, "QH-066")
    assert (await answer(api, transfer_id, "accept", "rival")).json()["status"] == "accepted"
    # The policy asks for it at lower secondary only.
    primary = await released(api, OTHER_PRIMARY, await record(api, pupil=SECOND_PUPIL))
    assert (await answer(api, primary, "accept", "rival")).status_code == 200


async def test_the_old_schools_authority_may_refuse_its_consent(api: Api) -> None:
    await ask_for_consent(api, "03")
    transfer_id = await released(api, FOREIGN, await record(api, SECONDARY, level="03", grade=8))
    declined = await answer(api, transfer_id, "decline", "tanlap", reason="Chưa đủ hồ sơ")
    assert declined.json()["status"] == "declined"


async def test_transfers_are_seen_by_both_sides_only(api: Api) -> None:
    transfer_id = await released(api, OTHER_PRIMARY, await record(api))
    for caller in ("vendor", "rival", "tanlap", "eakao", "so66", "bogddt", "thanhtra66"):
        found = (await api.call(caller, "GET", f"{TRANSFERS}?status=released")).json()["items"]
        assert [row["transfer_id"] for row in found] == [transfer_id]
        assert (await api.call(caller, "GET", f"{TRANSFERS}/{transfer_id}")).status_code == 200
    for caller in ("hoalu", "so37"):
        assert (await api.call(caller, "GET", TRANSFERS)).json()["items"] == []
        assert refusal(await api.call(caller, "GET", f"{TRANSFERS}/{transfer_id}")) == (404, "QH-005")
    assert (await api.call("vendor", "GET", f"{TRANSFERS}?status=accepted")).json()["items"] == []
    assert api.clock.now == NOW


async def test_a_recalled_record_goes_along_with_the_pupils_file(api: Api) -> None:
    record_id = await record(api)
    asked = {"record_ids": [record_id], "reason_code": "OTHER", "reason": "Sai sót"}
    recall_id = (await api.call("vendor", "POST", "/api/v1/recalls", json=asked)).json()["recall_id"]
    await api.call("tanlap", "POST", f"/api/v1/recalls/{recall_id}/approve", json={})
    transfer_id = await released(api, OTHER_PRIMARY, student_id=PUPIL)
    await answer(api, transfer_id, "accept", "rival")
    shown = (await api.call("rival", "GET", f"/api/v1/records/{record_id}")).json()
    assert (shown["status"], shown["managed_by"]) == ("recalled", OTHER_PRIMARY)
