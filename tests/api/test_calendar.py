"""The calendar over HTTP: anybody reads it and is told why; only a department changes its own."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.deadlines.calendar import CalendarRow, Category, Mode, Stage
from tests.api.conftest import Api, refusal
from tests.builders.province import NOW, PRIMARY, UPPER

CALENDAR = "/api/v1/calendar"
ROW: dict[str, object] = {
    "category": "CONFIRMED",
    "stage": "SCHOOL",
    "cut_off": "2026-06-21T00:00:00+07:00",
    "mode": "SOFT",
    "source": "Sở GDĐT Đắk Lắk, kế hoạch thử",
}
FINAL = {**ROW, "category": "UNCONFIRMED", "mode": "HARD", "cut_off": "2026-08-16T00:00:00+07:00"}


async def put(
    api: Api,
    *rows: dict[str, object],
    caller: str = "so66",
    query: str = "school_year=2025-2026",
    **extra: object,
) -> httpx.Response:
    body = {"rows": list(rows), "reason": "theo kế hoạch của tỉnh", **extra}
    return await api.call(caller, "PUT", f"{CALENDAR}?{query}", json=body)


async def read(api: Api, query: str = "") -> dict[str, Any]:
    answer = await api.http.get(f"{CALENDAR}?{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def cut_offs(body: dict[str, Any], category: str, stage: str = "SCHOOL") -> list[str]:
    return [row["cut_off"] for row in body["rows"] if (row["category"], row["stage"]) == (category, stage)]


async def test_anybody_reads_the_national_cut_offs_of_the_present_year(api: Api) -> None:
    body = await read(api)
    assert (body["school_year"], body["province"], body["school"]) == ("2025-2026", None, None)
    assert cut_offs(body, "CONFIRMED") == ["2026-07-01T00:00:00+07:00"]
    assert cut_offs(body, "CONFIRMED", "UPSTREAM") == ["2026-07-11T00:00:00+07:00"]
    assert cut_offs(body, "UNCONFIRMED") == ["2026-08-26T00:00:00+07:00"]
    assert all(row["source"] and row["version"] == "national-1" for row in body["rows"])


async def test_the_present_year_turns_with_the_final_cut_off(api: Api) -> None:
    api.clock.advance(timedelta(days=100))
    assert (await read(api))["school_year"] == "2026-2027"


async def test_ready_made_cut_offs_of_a_province_stand_before_the_national_ones(api: Api) -> None:
    body = await read(api, "school_year=2025-2026&province=37")
    assert cut_offs(body, "CONFIRMED") == ["2026-06-26T00:00:00+07:00", "2026-07-01T00:00:00+07:00"]
    assert cut_offs(body, "UNCONFIRMED") == ["2026-08-11T00:00:00+07:00", "2026-08-26T00:00:00+07:00"]


async def test_a_school_is_told_what_decides_and_why(api: Api) -> None:
    assert (
        await put(api, ROW, {**ROW, "grade": 5, "cut_off": "2026-06-11T00:00:00+07:00"})
    ).status_code == 200
    body = await read(api, f"school_year=2025-2026&school_code={PRIMARY}")
    assert body["province"] == "66"
    school = body["school"]
    assert school["school_code"] == PRIMARY
    confirmed = {
        row["grade"]: row
        for row in school["deciding"]
        if (row["category"], row["stage"], row["level"]) == ("CONFIRMED", "SCHOOL", "02")
    }
    assert set(confirmed) == {None, 5}
    fifth, other = confirmed[5], confirmed[None]
    assert (fifth["cut_off"], fifth["why"]) == ("2026-06-11T00:00:00+07:00", ["province", "grade"])
    assert (other["cut_off"], other["why"]) == ("2026-06-21T00:00:00+07:00", ["province"])
    assert fifth["why_vi"] == "mốc riêng của tỉnh, riêng cho khối lớp này, do Sở GDĐT đặt"
    assert fifth["why_en"] == "the province's own cut-off, for this grade, set by the department"
    assert [row["cut_off"] for row in fifth["outweighed"]] == [
        "2026-06-21T00:00:00+07:00",
        "2026-07-01T00:00:00+07:00",
    ]
    assert fifth["version"] == "66-1"
    assert fifth["source"] == ROW["source"]


async def test_a_school_of_two_levels_is_told_for_each(api: Api) -> None:
    school = (await read(api, f"school_code={UPPER}"))["school"]
    assert {row["level"] for row in school["deciding"]} == {"03", "04"}
    assert len(school["deciding"]) == 2 * len(Category) * len(Stage)
    assert {row["why_vi"] for row in school["deciding"]} == {"mốc chung cả nước"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("school_code=66A0009999", (422, "QH-057")),
        ("school_code=123456", (422, "QH-057")),
        ("school_year=2025-2027", (422, "DD-901")),
        ("school_year=9999-10000", (422, "DD-901")),
        ("school_year=1999-2000", (422, "DD-901")),
        ("province=6", (422, "DD-901")),
        ("province=ab", (422, "DD-901")),
    ],
)
async def test_questions_without_an_answer(api: Api, query: str, expected: tuple[int, str]) -> None:
    assert refusal(await api.http.get(f"{CALENDAR}?{query}")) == expected


async def test_a_department_sets_and_takes_back_its_own(api: Api) -> None:
    answer = await put(api, ROW, FINAL)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body == await read(api, "school_year=2025-2026&province=66")
    assert cut_offs(body, "CONFIRMED") == [ROW["cut_off"], "2026-07-01T00:00:00+07:00"]
    assert body["changes"] == [
        {"version": 1, "reason": "theo kế hoạch của tỉnh", "made_at": NOW.isoformat().replace("+00:00", "Z")}
    ]
    again = (await put(api)).json()
    assert cut_offs(again, "CONFIRMED") == ["2026-07-01T00:00:00+07:00"]
    assert [change["version"] for change in again["changes"]] == [1, 2]


async def test_what_has_passed_cannot_be_changed(api: Api) -> None:
    assert (await put(api, ROW)).status_code == 200
    api.clock.advance(timedelta(days=30))
    api.tokens.clear()
    assert refusal(await put(api)) == (409, "TH-010")
    moved = {**ROW, "cut_off": "2026-07-05T00:00:00+07:00"}
    assert refusal(await put(api, moved)) == (409, "TH-010")
    assert (await put(api, ROW, FINAL)).status_code == 200


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{**ROW, "cut_off": "2026-05-01T00:00:00+07:00"}], (409, "TH-011")),
        ([{**FINAL, "mode": "SOFT"}], (422, "TH-012")),
        ([{**ROW, "level": "01"}], (422, "TH-013")),
        ([ROW, ROW], (422, "TH-014")),
        ([{**FINAL, "cut_off": "2026-06-16T00:00:00+07:00"}], (422, "TH-015")),
        ([{**ROW, "cut_off": "2026-06-21T00:00:00"}], (422, "DD-901")),
        ([{**ROW, "cut_off": "9999-06-21T00:00:00Z"}], (422, "DD-901")),
        ([{**ROW, "grade": 13}], (422, "DD-901")),
        ([{**ROW, "source": " "}], (422, "DD-901")),
        ([{**ROW, "unknown": 1}], (422, "DD-901")),
    ],
)
async def test_rows_that_cannot_be(
    api: Api, rows: list[dict[str, object]], expected: tuple[int, str]
) -> None:
    assert refusal(await put(api, *rows)) == expected


@pytest.mark.parametrize("caller", ["tanlap", "bogddt", "thanhtra66", "quantri", "vendor"])
async def test_nobody_but_a_department_changes_a_calendar(api: Api, caller: str) -> None:
    assert refusal(await put(api, ROW, caller=caller)) == (403, "QH-003")


async def test_a_department_changes_its_own_province_only(api: Api) -> None:
    query = "school_year=2025-2026&province=37"
    assert refusal(await put(api, ROW, query=query)) == (403, "TH-016")
    assert (await put(api, ROW, query=query, caller="so37")).status_code == 200
    assert refusal(await put(api, ROW, query="province=66")) == (422, "DD-901")
    assert refusal(await put(api, ROW, reason=" ")) == (422, "DD-901")
    assert refusal(await api.http.put(f"{CALENDAR}?school_year=2025-2026", json={})) == (401, "QH-001")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    row=st.builds(
        CalendarRow,
        school_year=st.just(2025),
        category=st.sampled_from(Category),
        stage=st.sampled_from(Stage),
        cut_off=st.datetimes(timezones=st.timezones()),
        mode=st.just(Mode.HARD),
        source=st.text(min_size=1, max_size=20),
        version=st.just("x"),
    )
)
async def test_no_moment_makes_the_service_fall_over(api: Api, row: CalendarRow) -> None:
    asked: dict[str, object] = {
        "category": row.category,
        "stage": row.stage,
        "cut_off": row.cut_off.isoformat(),
        "mode": row.mode,
        "source": row.source,
    }
    assert (await put(api, asked)).status_code in {200, 409, 422}
