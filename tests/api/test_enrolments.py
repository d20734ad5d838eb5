"""Rolls over HTTP: whole or not at all, by version, for whoever may."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select

from app.audit import AuditTag, audit_event
from app.db import transaction
from app.enrolment.tables import enrolment_pupil, enrolment_roll
from tests.api.conftest import Api, refusal
from tests.builders.callers import tokens_for_all
from tests.builders.ledger import issue
from tests.builders.province import FOREIGN, OTHER_PRIMARY, PRIMARY

ROLLS = "/api/v1/enrolments"
HEADER = "Mã học sinh;Số định danh;Họ và tên;Khối;Lớp;Trạng thái"
FIVE = tuple(f"{grade};06621500000{grade};Nguyễn Thị {grade};{grade};{grade}A;" for grade in range(1, 6))


@pytest.fixture(autouse=True)
def signed_in(api: Api) -> None:
    api.tokens.update(tokens_for_all(api.service, api.province))


async def send(
    api: Api, *lines: str, caller: str = "vendor", header: str = HEADER, school: str | None = PRIMARY
) -> httpx.Response:
    api.clock.advance(timedelta(seconds=1))
    return await api.http.post(
        ROLLS,
        params={"school_year": "2025-2026", **({"school_code": school} if school is not None else {})},
        content="\r\n".join((header, *lines)).encode("utf-8-sig"),
        headers={"Authorization": f"Bearer {await api.token(caller)}", "Content-Type": "text/csv"},
    )


async def stored(api: Api) -> tuple[int, int]:
    async with transaction(api.service.engine) as connection:
        rolls = await connection.scalar(select(func.count()).select_from(enrolment_roll))
        pupils = await connection.scalar(select(func.count()).select_from(enrolment_pupil))
    return rolls or 0, pupils or 0


async def test_a_new_roll_is_a_new_version_and_the_same_roll_is_none(api: Api) -> None:
    first = await send(api, *FIVE)
    assert first.status_code == 201
    (made,) = first.json()["items"]
    assert (made["version"], made["pupils"], made["expected"], made["warnings"]) == (1, 5, 5, [])

    again = await send(api, *reversed(FIVE))
    assert (again.status_code, again.json()["items"][0]["is_repeat"]) == (200, True)
    assert again.json()["items"][0]["enrolment_id"] == made["enrolment_id"]

    changed = (await send(api, *FIVE[:4], "9;;Y Đăm Êban;5;5B;Chuyển đến")).json()["items"][0]
    assert (changed["version"], changed["added"], changed["gone"]) == (2, 1, 1)
    assert [found["code"] for found in changed["warnings"]] == ["NV-111"]
    assert await stored(api) == (2, 10)

    listed = (await api.call("vendor", "GET", ROLLS)).json()["items"]
    assert [roll["version"] for roll in listed] == [1, 2]
    one = (await api.call("tanlap", "GET", f"{ROLLS}/{changed['enrolment_id']}")).json()
    assert one["classes"][-1] == {
        "grade": 5, "class_name": "5B", "expected": 1, "moved_in": 1, "moved_out": 0,
    }  # fmt: skip


async def test_one_wrong_line_and_nothing_is_stored(api: Api) -> None:
    answer = await send(api, *FIVE, "6;;A;7;7A;", "1;;B;1;1A;", "8;;C;1;1A;Nghỉ học")
    assert refusal(answer) == (422, "NV-109")
    assert [(e["line"], e["code"]) for e in answer.json()["errors"]] == [
        (7, "NV-104"), (8, "NV-103"), (9, "NV-107"),
    ]  # fmt: skip
    spoilt = await send(api, "6,6E+10;;A;1;1A;")
    assert spoilt.json()["errors"][0] | {"message_vi": "", "message_en": ""} == {
        "line": 2, "column": "Mã học sinh", "code": "NV-105", "message_vi": "", "message_en": "",
    }  # fmt: skip
    assert await stored(api) == (0, 0)


async def test_a_department_sends_several_schools_at_once_all_or_none(api: Api) -> None:
    header = f"Mã trường;{HEADER}"
    lines = [f"{school};{line}" for school in (PRIMARY, OTHER_PRIMARY) for line in FIVE]
    assert refusal(await send(api, *lines, caller="so66", header=header, school="")) == (422, "DD-901")

    async def several(*rows: str) -> httpx.Response:
        return await send(api, *rows, caller="so66", header=header, school=None)

    refused = await several(*lines, f"{OTHER_PRIMARY};7;;A;9;9A;")
    assert [(e["line"], e["code"]) for e in refused.json()["errors"]] == [(12, "NV-104")]
    assert refusal(await several(*lines, f"{FOREIGN};{FIVE[0]}")) == (403, "QH-004")
    assert await stored(api) == (0, 0)
    taken = await several(*lines)
    assert [item["school_code"] for item in taken.json()["items"]] == [PRIMARY, OTHER_PRIMARY]
    assert await stored(api) == (2, 10)


async def test_what_a_roll_lacks_is_said(api: Api) -> None:
    await issue(api.service.engine, api.province.ids[PRIMARY], pupil="066215009999")
    answer = await send(api, *FIVE[1:])
    found = [(w["code"], w["message_vi"]) for w in answer.json()["items"][0]["warnings"]]
    assert [code for code, _ in found] == ["NV-110", "NV-112"]
    assert "khối 1" in found[0][1]


async def test_json_says_the_same(api: Api) -> None:
    body = {
        "school_code": PRIMARY,
        "school_year": "2025-2026",
        "pupils": [
            {"student_code": f"{grade}", "identity_number": f"06621500000{grade}",
             "full_name": f"Nguyễn Thị {grade}", "grade": grade, "class_name": f"{grade}A"}
            for grade in range(1, 6)
        ],
    }  # fmt: skip
    made = (await api.call("vendor", "POST", ROLLS, json=body)).json()["items"][0]
    assert (await send(api, *FIVE)).json()["items"][0]["sha256"] == made["sha256"]
    assert refusal(await api.call("vendor", "POST", ROLLS, json=body | {"pupils": []})) == (422, "NV-109")
    assert refusal(await api.call("vendor", "POST", ROLLS, json=body | {"extra": 1})) == (422, "DD-901")


async def test_pupils_are_for_the_school_and_the_authorities_above_it(api: Api) -> None:
    roll_id = (await send(api, *FIVE)).json()["items"][0]["enrolment_id"]
    path = f"{ROLLS}/{roll_id}/pupils"
    page = (await api.call("tanlap", "GET", f"{path}?limit=2")).json()
    assert [pupil["student_code"] for pupil in page["items"]] == ["1", "2"]
    assert set(page["items"][0]) == {
        "student_code", "full_name", "grade", "class_name", "movement", "moved_on",
    }  # fmt: skip
    rest = (await api.call("tanlap", "GET", f"{path}?limit=9&cursor={page['next_cursor']}")).json()
    assert [pupil["student_code"] for pupil in rest["items"]] == ["3", "4", "5"]
    assert refusal(await api.call("rival", "GET", path)) == (404, "QH-005")
    assert refusal(await api.call("eakao", "GET", path)) == (404, "QH-005")
    assert refusal(await api.call("bogddt", "GET", path)) == (403, "QH-003")
    assert (await api.call("bogddt", "GET", f"{ROLLS}/{roll_id}")).status_code == 200
    async with transaction(api.service.engine) as connection:
        tags = (await connection.execute(select(audit_event.c.tag))).scalars().all()
    assert tags.count(AuditTag.ENROLMENT_READ) == 2
