"""The cut-offs at work: in time, late, refused, let in by an extension, locked at the instant."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from lxml import etree

from app.client.packaging import NAMESPACE
from app.client.receipts import read_receipt
from app.demo.province import School
from tests.builders.world import World

CONFIRMED_END = datetime(2026, 6, 30, 17, tzinfo=UTC)
FINAL_END = datetime(2026, 8, 25, 17, tzinfo=UTC)
TICK = timedelta(microseconds=1)
LEVEL = "03"


@pytest_asyncio.fixture(loop_scope="session")
async def enrolled(world: World) -> World:
    await world.enrol(world.school(LEVEL))
    await world.work()
    return world


def confirmed(transcripts: list[etree._Element]) -> list[etree._Element]:
    """Those whose pupils are confirmed to have completed the class."""
    return [t for t in transcripts if t.findtext(f".//{{{NAMESPACE}}}HoanThanhLop") in {"true", "1"}]


async def send_at(
    world: World, moment: datetime, transcripts: list[etree._Element] | None = None
) -> list[dict[str, Any]]:
    """Send (confirmed ones, unless said otherwise) so that they are received at a moment; gives the items."""
    world.clock.now = moment
    school = world.school(LEVEL)
    chosen = confirmed(world.signed(school)) if transcripts is None else transcripts
    items: list[dict[str, Any]] = (await world.send(school, world.package(school, chosen)))["items"]
    assert items
    return items


def codes(item: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in item["findings"] if finding["code"].startswith("TH")]


async def record(world: World, item: dict[str, Any], as_of: datetime | None = None) -> dict[str, Any]:
    answer = await world.http.get(
        f"/api/v1/records/{item['record_id']}",
        params={} if as_of is None else {"as_of": as_of.isoformat()},
        headers=world.as_(world.school(LEVEL).code),
    )
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def extend(world: World, school: School, until: datetime, *, category: str | None = None) -> None:
    """The department lets a school in: one officer asks, another approves."""
    asked = await world.http.post(
        "/api/v1/extensions",
        json={
            "school_code": school.code,
            "school_year": "2025-2026",
            "until": until.isoformat(),
            "category": category,
            "reason": "mất điện diện rộng",
        },
        headers=world.as_("canbo.sogddt"),
    )
    assert asked.status_code == 201, asked.text
    approved = await world.http.post(
        f"/api/v1/extensions/{asked.json()['extension_id']}/approve", headers=world.as_("canbo2.sogddt")
    )
    assert approved.status_code == 200, approved.text


@pytest.mark.parametrize(
    ("moment", "outcome", "late", "found"),
    [
        (CONFIRMED_END - TICK, "accepted", False, []),
        (CONFIRMED_END, "accepted", True, ["TH-003"]),
        (FINAL_END - TICK, "accepted", True, ["TH-003"]),
        (FINAL_END, "rejected", False, ["TH-002"]),
    ],
    ids=["a moment before", "at the cut-off", "before the final one", "at the final one"],
)
async def test_the_instant_of_receipt_decides(
    enrolled: World, *, moment: datetime, outcome: str, late: bool, found: list[str]
) -> None:
    jwks = (await enrolled.http.get("/.well-known/jwks.json")).json()
    for item in await send_at(enrolled, moment):
        assert (item["outcome"], item["late"], codes(item)) == (outcome, late, found)
        claims = read_receipt(item["receipt"], jwks).claims
        assert (claims["outcome"], claims["late"]) == (outcome, late)
        if outcome == "accepted":
            held = await record(enrolled, item)
            assert held["late"] is late
            assert held["calendar_version"] == "national-1+provinces-1+66-0"


async def test_a_package_in_flight_is_decided_by_its_receipt_not_by_its_judgement(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    one, *others = confirmed(enrolled.signed(school))
    before, after = enrolled.package(school, [one]), enrolled.package(school, others)
    enrolled.clock.now = FINAL_END - TICK
    assert (await enrolled.post(before)).status_code == 202
    enrolled.clock.now = FINAL_END
    assert (await enrolled.post(after)).status_code == 202
    enrolled.clock.now = FINAL_END + timedelta(hours=1)
    await enrolled.work()
    for package, outcome in ((before, "accepted"), (after, "rejected")):
        answer = await enrolled.read(package.package_id, caller=school.code)
        assert {item["outcome"] for item in answer["items"]} == {outcome}


async def test_what_is_recorded_already_is_not_measured_again(enrolled: World) -> None:
    first = await send_at(enrolled, CONFIRMED_END - TICK)
    again = await send_at(enrolled, FINAL_END + timedelta(days=9))
    for one, other in zip(first, again, strict=True):
        assert (other["outcome"], other["already_recorded"], other["late"]) == ("accepted", True, False)
        assert (other["receipt"], codes(other)) == (one["receipt"], [])


async def test_what_was_held_in_time_is_recorded_in_time(world: World) -> None:
    school = world.school(LEVEL)
    seal = await world.register(school, "NHA_TRUONG", school.seal)
    head = await world.register(school, "THU_TRUONG", school.head.credential)
    world.clock.now = CONFIRMED_END - TICK
    package = world.package(school, confirmed(world.signed(school)))
    assert {item["outcome"] for item in (await world.send(school, package))["items"]} == {"held"}
    world.clock.now = FINAL_END + timedelta(days=1)
    await world.approve(school, seal)
    await world.approve(school, head)
    await world.work()
    for item in (await world.read(package.package_id, caller=school.code))["items"]:
        assert (item["outcome"], item["late"], codes(item)) == ("accepted", False, [])


async def test_what_would_be_held_is_refused_at_once_when_it_came_too_late(world: World) -> None:
    school = world.school(LEVEL)
    await world.register(school, "NHA_TRUONG", school.seal)
    for item in await send_at(world, FINAL_END):
        assert (item["outcome"], codes(item)) == ("rejected", ["TH-002"])


async def test_an_extension_lets_in_marks_late_and_lapses(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    one, *others = confirmed(enrolled.signed(school))
    until = FINAL_END + timedelta(days=5)
    enrolled.clock.now = FINAL_END + timedelta(days=1)
    await extend(enrolled, school, until)
    (item,) = await send_at(enrolled, until - TICK, [one])
    assert (item["outcome"], item["late"], codes(item)) == ("accepted", True, ["TH-004"])
    assert datetime.fromisoformat((await record(enrolled, item))["locks_at"]) == until
    for item in await send_at(enrolled, until, others):
        assert (item["outcome"], codes(item)) == ("rejected", ["TH-002"])


async def test_an_extension_of_another_category_does_not_help(enrolled: World) -> None:
    enrolled.clock.now = FINAL_END
    await extend(enrolled, enrolled.school(LEVEL), FINAL_END + timedelta(days=5), category="UNCONFIRMED")
    for item in await send_at(enrolled, FINAL_END + TICK):
        assert (item["outcome"], codes(item)) == ("rejected", ["TH-002"])


async def test_a_record_is_in_force_from_the_very_instant_of_its_lock(enrolled: World) -> None:
    sent_at = CONFIRMED_END - timedelta(days=1)
    (item, *_) = await send_at(enrolled, sent_at)
    for moment, status in (
        (CONFIRMED_END - TICK, "issued"),
        (CONFIRMED_END, "in_force"),
        (FINAL_END + timedelta(days=400), "in_force"),
    ):
        enrolled.clock.now = moment
        held = await record(enrolled, item)
        assert (held["status"], held["locks_at"]) == (status, "2026-07-01T00:00:00+07:00")
    for as_of, status in ((CONFIRMED_END - TICK, "issued"), (CONFIRMED_END, "in_force")):
        assert (await record(enrolled, item, as_of))["status"] == status
    early = await enrolled.http.get(
        f"/api/v1/records/{item['record_id']}",
        params={"as_of": (sent_at - TICK).isoformat()},
        headers=enrolled.as_(enrolled.school(LEVEL).code),
    )
    assert (early.status_code, early.json()["code"]) == (404, "QH-005")


async def test_a_late_record_is_locked_at_the_final_cut_off(enrolled: World) -> None:
    (item, *_) = await send_at(enrolled, CONFIRMED_END)
    held = await record(enrolled, item)
    assert (held["status"], held["locks_at"]) == ("issued", "2026-08-26T00:00:00+07:00")


async def test_a_trial_is_told_the_same_as_a_package(enrolled: World) -> None:
    enrolled.clock.now = FINAL_END
    school = enrolled.school(LEVEL)
    package = enrolled.package(school, confirmed(enrolled.signed(school)))
    answer = await enrolled.http.post(
        "/api/v1/validations",
        params=package.outer_fields,
        content=package.gzipped,
        headers={"Content-Type": "application/gzip", **enrolled.as_(school.code)},
    )
    assert answer.status_code == 200, answer.text
    assert {item["outcome"] for item in answer.json()["items"]} == {"rejected"}
    assert all("TH-002" in codes(item) for item in answer.json()["items"])


async def test_all_or_nothing_takes_none_of_a_package_that_came_too_late(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    recorded, *others = confirmed(enrolled.signed(school))
    await send_at(enrolled, CONFIRMED_END - TICK, [recorded])
    enrolled.clock.now = FINAL_END
    package = enrolled.package(school, [recorded, *others])
    items = (await enrolled.send(school, package, atomic=True))["items"]
    assert [item["outcome"] for item in items] == ["accepted", *["rejected"] * len(others)]
    assert items[0]["already_recorded"]
