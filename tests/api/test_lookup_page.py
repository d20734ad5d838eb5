"""The page that a print's QR code leads to: what a family sees, and what no address or page ever holds."""

import re
from datetime import date, timedelta
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from app.api.lookup_page import read_date
from tests.builders.world import World


@pytest_asyncio.fixture(loop_scope="session")
async def recorded(world: World) -> tuple[World, str, date]:
    """A world with one recorded transcript: its code, and its pupil's date of birth."""
    school = world.school("02")
    await world.enrol(school)
    result = await world.send(school, world.package(school))
    return world, result["items"][0]["record_id"], school.classes[0].pupils[0].person.born_on


async def look_up(world: World, code: str, dob: str) -> httpx.Response:
    return await world.http.post("/tra-cuu", data={"code": code, "dob": dob})


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%Y-%m-%d"])
async def test_code_and_date_together_show_the_transcript(
    recorded: tuple[World, str, date], form: str
) -> None:
    world, code, born_on = recorded
    page = await look_up(world, code, f"{born_on:{form}}")
    pupil = world.school("02").classes[0].pupils[0]
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert pupil.person.full_name in page.text
    assert "Đã phát hành, chưa chốt" in page.text
    assert code in page.text
    assert pupil.person.identity_number not in page.text


async def test_the_print_leads_to_the_form_with_its_code(recorded: tuple[World, str, date]) -> None:
    world, code, _ = recorded
    page = await world.http.get(f"/tra-cuu/{code}")
    assert page.status_code == 200
    assert f'value="{code}"' in page.text
    assert (await world.http.get("/tra-cuu")).status_code == 200
    unknown = await world.http.get(f"/tra-cuu/{uuid4().hex}")
    assert unknown.status_code == 200  # whether there is such a record is not told


async def test_unknown_code_and_wrong_date_are_answered_alike(recorded: tuple[World, str, date]) -> None:
    world, code, _ = recorded
    other = uuid4().hex
    wrong, unknown = await look_up(world, code, "01/01/1999"), await look_up(world, other, "01/01/1999")
    assert wrong.status_code == unknown.status_code == 404
    reference = re.compile(r"QH-100 · \S+")
    written = [
        reference.sub("", page.text.replace(own, "")) for page, own in ((wrong, code), (unknown, other))
    ]
    assert written[0] == written[1]
    assert "Không tra được học bạ" in written[0]


async def test_a_recalled_transcript_is_said_to_be_recalled(recorded: tuple[World, str, date]) -> None:
    world, code, born_on = recorded
    school = world.school("02")
    asked = await world.http.post(
        "/api/v1/recalls",
        json={"record_ids": [code], "reason_code": "WRONG_RESULTS", "reason": "Nhập sai điểm"},
        headers=world.as_(school.code),
    )
    world.clock.advance(timedelta(hours=1))
    await world.http.post(
        f"/api/v1/recalls/{asked.json()['recall_id']}/approve",
        headers=world.as_(world.authority_of(school)),
    )
    page = await look_up(world, code, f"{born_on:%d/%m/%Y}")
    assert "ĐÃ THU HỒI ngày" in page.text


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"code": "0" * 32, "dob": "31/02/2014"}, "DD-915"),
        ({"code": "0" * 32}, "DD-915"),
        ({}, "DD-915"),
        ({"code": "<script>alert(1)</script>", "dob": "01/01/2014"}, "DD-905"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_words_and_not_repeated(
    world: World, sent: dict[str, str], code: str
) -> None:
    page = await world.http.post("/tra-cuu", data=sent)
    assert page.status_code in {400, 422}
    assert code in page.text
    assert "<script" not in page.text
    assert "alert(1)" not in page.text


async def test_guessing_at_one_code_ends_on_a_page_too(recorded: tuple[World, str, date]) -> None:
    world, code, _ = recorded
    pages = [await look_up(world, code, f"{day:02}/01/2001") for day in range(1, 13)]
    assert pages[-1].status_code == 429
    assert "HT-010" in pages[-1].text
    assert int(pages[-1].headers["retry-after"]) > 0


async def test_the_page_runs_nothing_and_takes_nothing_from_elsewhere(world: World) -> None:
    page = await world.http.get("/tra-cuu")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "<script" not in page.text
    assert "http" not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("05/09/2014", date(2014, 9, 5)),
        ("5/9/2014", date(2014, 9, 5)),
        (" 2014-09-05 ", date(2014, 9, 5)),
        ("09/2014", None),
        ("30/02/2014", None),
        ("", None),
    ],
)
def test_dates_are_read_as_families_write_them(written: str, read: date | None) -> None:
    assert read_date(written) == read
