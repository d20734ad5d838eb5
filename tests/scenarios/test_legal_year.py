"""A whole legal year at a province of forty schools, over HTTP alone, with the time handed in.

Issue, replace, recall before and after the lock, escalation, packages on both sides of the lock's instant,
late, extension, the snapshots, transfer, and the next year's transcript of the same pupil.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest_asyncio
from lxml import etree

from app.client.packaging import NAMESPACE, Package
from app.demo.province import School
from app.demo.transcripts import compose_school, sign_composed
from tests.builders.forty_schools import forty_schools
from tests.builders.periodic import periodic
from tests.builders.world import SIGNED, World, running_world

Q: Final = f"{{{NAMESPACE}}}"
HANOI: Final = timezone(timedelta(hours=7))
START: Final = datetime(2026, 6, 8, 9, 0, tzinfo=HANOI)
LOCK: Final = datetime(2026, 7, 1, 0, 0, tzinfo=HANOI)  # the end of 30/6
UPSTREAM: Final = datetime(2026, 7, 11, 0, 0, tzinfo=HANOI)  # the end of 10/7
FINAL: Final = datetime(2026, 8, 26, 0, 0, tzinfo=HANOI)  # the end of 25/8
INSTANT: Final = timedelta(microseconds=1)
REQUESTER: Final = "phan-mem-buon-ho"


@dataclass(kw_only=True)
class Year:
    """The story so far: records by school, and what each chosen one was at which moment."""

    world: World
    records: dict[str, list[str]] = field(default_factory=dict)
    expected: dict[str, list[tuple[datetime, str | None]]] = field(default_factory=dict)

    @property
    def schools(self) -> Sequence[School]:
        return self.world.province.schools

    def go(self, moment: datetime) -> None:
        assert moment >= self.world.clock.now
        self.world.clock.now = moment.astimezone(UTC)

    async def chores(self) -> None:
        """Let the periodic work run, and whatever it queues."""
        await periodic(self.world)

    async def call(self, method: str, path: str, caller: str, **body: Any) -> dict[str, Any]:
        answer = await self.world.http.request(
            method, f"/api/v1{path}", json=body or None, headers=self.world.as_(caller)
        )
        assert answer.status_code < 300, (path, answer.text)
        content: dict[str, Any] = answer.json()
        return content

    async def status(self, record_id: str, as_of: datetime) -> str | None:
        answer = await self.world.http.get(
            f"/api/v1/records/{record_id}",
            params={"as_of": as_of.isoformat()},
            headers=self.world.as_("canbo.sogddt"),
        )
        return answer.json()["status"] if answer.status_code == 200 else None

    def expect(self, record_id: str, *moments: tuple[datetime, str | None]) -> None:
        self.expected.setdefault(record_id, []).extend(moments)

    def transcripts(
        self, school: School, *, seed: int = 66, replaces: Sequence[str] = (), signed_at: datetime = SIGNED
    ) -> list[etree._Element]:
        """A school's transcripts, all confirmed; with ``replaces`` only the first ones, naming those."""
        composed = compose_school(self.world.province, school, signed_at=signed_at, seed=seed)
        for item in composed:
            for name in ("HoanThanhLop", "DuocLenLop"):
                next(item.element.iter(f"{Q}{name}")).text = "true"
        for item, old in zip(composed, replaces, strict=False):
            code = next(item.element.iter(f"{Q}MaTraCuu"))
            named = etree.Element(f"{Q}ThayThe")
            named.text = old
            code.addnext(named)
        chosen = composed[: len(replaces)] if replaces else composed
        return [sign_composed(item, signed_at=signed_at) for item in chosen]

    def package(self, school: School, **how: Any) -> Package:
        return self.world.package(school, self.transcripts(school, **how))

    async def issue(self, school: School, **how: Any) -> dict[str, Any]:
        result = await self.world.send(school, self.package(school, **how))
        accepted = [item["record_id"] for item in result["items"] if item["outcome"] == "accepted"]
        self.records.setdefault(school.code, []).extend(accepted)
        return result

    async def recall(self, school: School, record_id: str) -> str:
        asked = await self.call(
            "POST",
            "/recalls",
            school.code,
            record_ids=[record_id],
            reason_code="WRONG_RESULTS",
            reason="Nhập sai điểm cả năm",
        )
        recall_id: str = asked["recall_id"]
        return recall_id


@pytest_asyncio.fixture(loop_scope="session")
async def year(database_url: str, tmp_path: Path) -> AsyncIterator[Year]:
    async with running_world(database_url, tmp_path, now=START, province=forty_schools()) as world:
        yield Year(world=world)


def findings_of(result: dict[str, Any]) -> set[str]:
    return {finding["code"] for item in result["items"] for finding in item["findings"]}


async def test_a_whole_legal_year(year: Year) -> None:
    await issue_before_the_lock(year)
    await replace_and_recall_before_the_lock(year)
    await cross_the_lock(year)
    await seal_the_school_snapshot(year)
    await recall_after_the_lock(year)
    await come_after_the_final_cut_off(year)
    await transfer_and_next_year(year)
    assert len(year.expected) >= 10
    for record_id, moments in year.expected.items():
        for moment, status in moments:
            assert await year.status(record_id, moment) == status, (record_id, moment)


async def issue_before_the_lock(year: Year) -> None:
    assert len(year.schools) == 40
    await year.world.enrol(*year.schools)
    # The last four wait: two for the lock's instant, two for the time after the final cut-off.
    for school in year.schools[:-4]:
        result = await year.issue(school)
        assert result["accepted"] == result["total"] > 0, findings_of(result)
        assert not any(item["late"] for item in result["items"])
    chosen = [year.records[school.code][0] for school in year.schools[10:16]]
    for record_id in chosen:
        year.expect(
            record_id,
            (START - timedelta(hours=1), None),
            (LOCK - INSTANT, "issued"),
            (LOCK, "in_force"),
            (FINAL + timedelta(days=30), "in_force"),
        )


async def replace_and_recall_before_the_lock(year: Year) -> None:
    world = year.world
    year.go(datetime(2026, 6, 15, 10, 0, tzinfo=HANOI))
    school = year.schools[4]
    old = year.records[school.code][0]
    result = await year.issue(school, seed=7, replaces=[old])
    assert result["accepted"] == 1, findings_of(result)
    year.expect(old, (START + timedelta(days=1), "issued"), (world.clock(), "replaced"), (LOCK, "replaced"))
    year.expect(result["items"][0]["record_id"], (world.clock(), "issued"), (LOCK, "in_force"))

    school = year.schools[5]
    record_id = year.records[school.code][0]
    recall_id = await year.recall(school, record_id)
    assert await year.status(record_id, world.clock()) == "issued"
    year.go(world.clock.now + timedelta(hours=2))
    await year.call("POST", f"/recalls/{recall_id}/approve", world.authority_of(school))
    year.expect(
        record_id, (world.clock() - INSTANT, "issued"), (world.clock(), "recalled"), (LOCK, "recalled")
    )
    again = await year.issue(school, seed=7)
    assert again["items"][0]["outcome"] == "accepted", findings_of(again)

    school = year.schools[6]
    record_id = year.records[school.code][0]
    recall_id = await year.recall(school, record_id)
    for _ in range(9):
        year.go(world.clock.now + timedelta(days=1))
        await year.chores()
    assert (await year.call("GET", f"/recalls/{recall_id}", school.code))["status"] == "requested"
    assert await year.status(record_id, world.clock()) == "issued"
    await year.call("POST", f"/recalls/{recall_id}/approve", "canbo.sogddt")
    year.expect(record_id, (world.clock() - INSTANT, "issued"), (world.clock(), "recalled"))


async def cross_the_lock(year: Year) -> None:
    """One package a microsecond before the instant, one at it; both are judged an hour later."""
    world = year.world
    before, at = year.schools[-4], year.schools[-3]
    in_time, too_late = year.package(before), year.package(at)
    year.go(LOCK - INSTANT)
    assert (await world.post(in_time)).status_code == 202
    year.go(LOCK)
    assert (await world.post(too_late)).status_code == 202
    year.go(LOCK + timedelta(hours=1))
    await world.work()
    on_time = await world.read(in_time.package_id, caller=before.code)
    late = await world.read(too_late.package_id, caller=at.code)
    assert {(item["outcome"], item["late"]) for item in on_time["items"]} == {("accepted", False)}
    assert {(item["outcome"], item["late"]) for item in late["items"]} == {("accepted", True)}
    year.expect(on_time["items"][0]["record_id"], (LOCK + timedelta(hours=1), "in_force"))
    year.expect(late["items"][0]["record_id"], (LOCK + timedelta(hours=1), "issued"), (FINAL, "in_force"))

    school = year.schools[7]
    refused = await year.issue(school, seed=7, replaces=[year.records[school.code][0]])
    assert refused["rejected"] == 1
    assert "TH-061" in findings_of(refused)


async def snapshots(year: Year) -> dict[str, dict[str, Any]]:
    listed = await year.call("GET", "/snapshots?school_year=2025-2026", "canbo.sogddt")
    return {snapshot["kind"]: snapshot for snapshot in listed["items"]}


async def seal_the_school_snapshot(year: Year) -> None:
    await year.chores()
    sealed = await snapshots(year)
    assert set(sealed) == {"SCHOOL_CONFIRMED"}
    year.go(UPSTREAM + timedelta(hours=1))
    await year.chores()
    later = await snapshots(year)
    assert set(later) == {"SCHOOL_CONFIRMED", "UPSTREAM_CONFIRMED"}
    assert later["SCHOOL_CONFIRMED"]["root"] == sealed["SCHOOL_CONFIRMED"]["root"]
    late = 2
    assert later["UPSTREAM_CONFIRMED"]["size"] == sealed["SCHOOL_CONFIRMED"]["size"] + late


async def recall_after_the_lock(year: Year) -> None:
    world, school = year.world, year.schools[8]
    year.go(datetime(2026, 7, 20, 9, 0, tzinfo=HANOI))
    record_id = year.records[school.code][0]
    recall_id = await year.recall(school, record_id)
    impact = await year.call("GET", f"/recalls/{recall_id}/impact", world.authority_of(school))
    assert impact
    await year.call("POST", f"/recalls/{recall_id}/approve", world.authority_of(school))
    year.expect(
        record_id, (LOCK, "in_force"), (world.clock() - INSTANT, "in_force"), (world.clock(), "recalled")
    )
    again = await year.issue(school, seed=7)
    assert (again["items"][0]["outcome"], again["items"][0]["late"]) == ("accepted", True)
    declined = year.records[year.schools[9].code][0]
    recall_id = await year.recall(year.schools[9], declined)
    await year.call(
        "POST",
        f"/recalls/{recall_id}/decline",
        world.authority_of(year.schools[9]),
        reason="Không có căn cứ",
    )
    year.expect(declined, (world.clock(), "in_force"), (FINAL, "in_force"))


async def come_after_the_final_cut_off(year: Year) -> None:
    world, school = year.world, year.schools[-2]
    year.go(FINAL)
    refused = await year.issue(school)
    assert refused["rejected"] == refused["total"]
    assert any(code.startswith("TH-") for code in findings_of(refused))
    await year.chores()
    assert set(await snapshots(year)) == {"SCHOOL_CONFIRMED", "UPSTREAM_CONFIRMED", "UPSTREAM_FINAL"}
    asked = await year.call(
        "POST",
        "/extensions",
        "canbo.sogddt",
        school_code=school.code,
        school_year="2025-2026",
        until=(FINAL + timedelta(days=5)).isoformat(),
        reason="Mưa lũ, mất điện diện rộng",
    )
    await year.call("POST", f"/extensions/{asked['extension_id']}/approve", "canbo2.sogddt")
    year.go(FINAL + timedelta(days=1))
    taken = await year.issue(school)
    assert {(item["outcome"], item["late"]) for item in taken["items"]} == {("accepted", True)}
    year.go(FINAL + timedelta(days=5))
    lapsed = await world.send(school, year.package(school, seed=7))
    assert lapsed["rejected"] == lapsed["total"]


async def transfer_and_next_year(year: Year) -> None:
    """The pupil of one school goes to another, which issues the next year's transcript."""
    world, old, new = year.world, year.schools[10], year.schools[11]
    record_id = year.records[old.code][0]
    year.go(datetime(2026, 9, 3, 9, 0, tzinfo=HANOI))
    released = await year.call(
        "POST",
        "/transfers",
        REQUESTER,
        to_school_code=new.code,
        from_school_code=old.code,
        record_ids=[record_id],
    )
    await year.call("POST", f"/transfers/{released['transfer_id']}/accept", REQUESTER)
    moved = await year.call("GET", f"/records/{record_id}", world.authority_of(new))
    assert moved["managed_by"] == new.code
    assert moved["school_code"] == old.code

    year.go(datetime(2027, 6, 1, 9, 0, tzinfo=HANOI))
    pupil = old.classes[0].pupils[0]
    grown = replace(new, classes=(replace(new.classes[0], name="7A", grade=7, pupils=(pupil,)),))
    world.province = replace(world.province, school_year="2026-2027")
    signed_at = datetime(2027, 5, 28, 9, 0, tzinfo=HANOI)
    result = await year.issue(grown, signed_at=signed_at)
    assert result["accepted"] == 1, findings_of(result)
    listed = await year.call("GET", f"/students/{pupil.student_code}/records", REQUESTER)
    assert [(item["school_year"], item["school_code"]) for item in listed["items"]] == [
        ("2025-2026", old.code),
        ("2026-2027", new.code),
    ]
