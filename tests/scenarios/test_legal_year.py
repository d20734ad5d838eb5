"""A whole legal year at a province of forty schools, over HTTP alone, with the time handed in.

Issue, replace, recall before and after the lock, escalation, packages on both sides of the lock's instant,
late, extension, the snapshots, transfer, and the next year's transcript of the same pupil. At the end the
histories of chosen pupils are read at every moment at which anything changed for anybody, and just before it.
"""

import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest_asyncio
from lxml import etree

from app.client.packaging import NAMESPACE, Package
from app.client.snapshots import check_manifest
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
NO_TIME: Final = timedelta()
REQUESTER: Final = "phan-mem-buon-ho"


@dataclass(kw_only=True)
class Life:
    """What became of one record: when it was recorded, locked, ended and handed over."""

    record_id: str
    recorded_at: datetime
    locks_at: datetime
    ended_at: datetime | None = None
    end: str = ""
    handed_over_at: datetime | None = None

    def status(self, moment: datetime) -> str | None:
        if moment < self.recorded_at:
            return None
        if self.ended_at is not None and moment >= self.ended_at:
            return self.end
        return "in_force" if moment >= self.locks_at else "issued"

    def events(self, moment: datetime) -> list[tuple[str, datetime]]:
        happened = [
            ("recorded", self.recorded_at),
            (self.end, self.ended_at),
            ("custody_transferred", self.handed_over_at),
        ]
        return [(kind, at) for kind, at in happened if at is not None and at <= moment]

    def moments(self) -> set[datetime]:
        """Every moment at which something changed for it, and the last one before each."""
        changes = {self.recorded_at, self.locks_at, self.ended_at, self.handed_over_at} - {None}
        return {at - before for at in changes if at is not None for before in (INSTANT, NO_TIME)}


@dataclass(kw_only=True)
class Year:
    """The story so far: records by school; lives of the chosen pupils, by pupil code, oldest first."""

    world: World
    records: dict[str, list[str]] = field(default_factory=dict)
    chosen: dict[str, list[Life]] = field(default_factory=dict)
    roots: dict[str, str] = field(default_factory=dict)

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

    def follow(self, school: School, record_id: str, *, locks_at: datetime, place: int = 0) -> Life:
        """Choose the pupil of a school whose record was just made."""
        life = Life(record_id=record_id, recorded_at=self.world.clock(), locks_at=locks_at)
        self.chosen.setdefault(school.classes[0].pupils[place].student_code, []).append(life)
        return life

    def end(self, life: Life, end: str) -> None:
        life.ended_at, life.end = self.world.clock(), end

    async def read_at(self, student_code: str, moment: datetime) -> list[tuple[str, str]]:
        """Give the pupil's records with their status, as they were at a moment."""
        answer = await self.world.http.get(
            f"/api/v1/students/{student_code}/records",
            params={"as_of": moment.isoformat()},
            headers=self.world.as_("canbo.sogddt"),
        )
        items = answer.json()["items"] if answer.status_code == 200 else []
        return [(item["record_id"], item["status"]) for item in items]

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
    await read_histories(year)
    await verify_snapshots(year)


async def issue_before_the_lock(year: Year) -> None:
    assert len(year.schools) == 40
    await year.world.enrol(*year.schools)
    # The last four wait: two for the lock's instant, two for the time after the final cut-off.
    for school in year.schools[:-4]:
        result = await year.issue(school)
        assert result["accepted"] == result["total"] > 0, findings_of(result)
        assert not any(item["late"] for item in result["items"])
    for school in year.schools[4:13]:
        year.follow(school, year.records[school.code][0], locks_at=LOCK)


def life_of(year: Year, school: School) -> Life:
    """What became so far of the first record of a school's first pupil."""
    return year.chosen[school.classes[0].pupils[0].student_code][0]


async def replace_and_recall_before_the_lock(year: Year) -> None:
    world = year.world
    year.go(datetime(2026, 6, 15, 10, 0, tzinfo=HANOI))
    school = year.schools[4]
    replaced = life_of(year, school)
    result = await year.issue(school, seed=7, replaces=[replaced.record_id])
    assert result["accepted"] == 1, findings_of(result)
    year.end(replaced, "replaced")
    year.follow(school, result["items"][0]["record_id"], locks_at=LOCK)

    school = year.schools[5]
    recalled = life_of(year, school)
    recall_id = await year.recall(school, recalled.record_id)
    assert await year.status(recalled.record_id, world.clock()) == "issued"
    year.go(world.clock.now + timedelta(hours=2))
    await year.call("POST", f"/recalls/{recall_id}/approve", world.authority_of(school))
    year.end(recalled, "recalled")
    year.go(world.clock.now + timedelta(hours=1))
    again = await year.issue(school, seed=7)
    assert again["items"][0]["outcome"] == "accepted", findings_of(again)
    year.follow(school, again["items"][0]["record_id"], locks_at=LOCK)

    school = year.schools[6]
    escalated = life_of(year, school)
    recall_id = await year.recall(school, escalated.record_id)
    for _ in range(9):
        year.go(world.clock.now + timedelta(days=1))
        await year.chores()
    asked = await year.call("GET", f"/recalls/{recall_id}", school.code)
    assert (asked["status"], asked["is_escalated"]) == ("requested", True)
    assert [line["kind"] for line in asked["history"]] == ["requested", "reminded", "escalated"]
    assert await year.status(escalated.record_id, world.clock()) == "issued"
    await year.call("POST", f"/recalls/{recall_id}/approve", "canbo.sogddt")
    year.end(escalated, "recalled")


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
    year.follow(before, on_time["items"][0]["record_id"], locks_at=LOCK)
    year.follow(at, late["items"][0]["record_id"], locks_at=FINAL)

    school = year.schools[7]
    refused = await year.issue(school, seed=7, replaces=[year.records[school.code][0]])
    assert refused["rejected"] == 1
    assert "TH-061" in findings_of(refused)


async def snapshots(year: Year) -> dict[str, dict[str, Any]]:
    listed = await year.call("GET", "/snapshots?school_year=2025-2026", "canbo.sogddt")
    for snapshot in listed["items"]:  # whenever they are read, they say what they said at first
        assert year.roots.setdefault(snapshot["kind"], snapshot["root"]) == snapshot["root"]
    return {snapshot["kind"]: snapshot for snapshot in listed["items"]}


async def seal_the_school_snapshot(year: Year) -> None:
    await year.chores()
    sealed = await snapshots(year)
    assert set(sealed) == {"SCHOOL_CONFIRMED"}
    year.go(UPSTREAM + timedelta(hours=1))
    await year.chores()
    later = await snapshots(year)
    assert set(later) == {"SCHOOL_CONFIRMED", "UPSTREAM_CONFIRMED"}
    late = 2
    assert later["UPSTREAM_CONFIRMED"]["size"] == sealed["SCHOOL_CONFIRMED"]["size"] + late


async def recall_after_the_lock(year: Year) -> None:
    world, school = year.world, year.schools[8]
    year.go(datetime(2026, 7, 20, 9, 0, tzinfo=HANOI))
    recalled = life_of(year, school)
    recall_id = await year.recall(school, recalled.record_id)
    impact = await year.call("GET", f"/recalls/{recall_id}/impact", world.authority_of(school))
    assert [held["kind"] for held in impact["items"][0]["snapshots"]] == [
        "SCHOOL_CONFIRMED",
        "UPSTREAM_CONFIRMED",
    ]
    await year.call("POST", f"/recalls/{recall_id}/approve", world.authority_of(school))
    year.end(recalled, "recalled")
    year.go(world.clock.now + timedelta(hours=1))
    again = await year.issue(school, seed=7)
    assert (again["items"][0]["outcome"], again["items"][0]["late"]) == ("accepted", True)
    year.follow(school, again["items"][0]["record_id"], locks_at=FINAL)
    school = year.schools[9]
    recall_id = await year.recall(school, life_of(year, school).record_id)
    await year.call(
        "POST", f"/recalls/{recall_id}/decline", world.authority_of(school), reason="Không có căn cứ"
    )


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
    year.follow(school, taken["items"][0]["record_id"], locks_at=FINAL + timedelta(days=5))
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
    life_of(year, old).handed_over_at = world.clock()
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
    next_lock = LOCK.replace(year=2027)
    life = Life(record_id=result["items"][0]["record_id"], recorded_at=world.clock(), locks_at=next_lock)
    year.chosen[pupil.student_code].append(life)
    listed = await year.call("GET", f"/students/{pupil.student_code}/records", REQUESTER)
    assert [(item["school_year"], item["school_code"]) for item in listed["items"]] == [
        ("2025-2026", old.code),
        ("2026-2027", new.code),
    ]


async def read_histories(year: Year) -> None:
    """The history of each chosen pupil at every moment at which anything changed, for this one or another."""
    assert len(year.chosen) >= 10
    lives = [life for own in year.chosen.values() for life in own]
    law = {at - before for at in (LOCK, UPSTREAM, FINAL) for before in (INSTANT, NO_TIME)}
    present = year.world.clock()
    for student_code, own in year.chosen.items():
        moments = {present, START - INSTANT, *law, *(at for life in own for at in life.moments())}
        for moment in sorted(moments):
            expected = [
                (life.record_id, status) for life in own if (status := life.status(moment)) is not None
            ]
            assert await year.read_at(student_code, moment) == expected, (student_code, moment)
    for life in lives:
        for moment in sorted(at for at in life.moments() if at >= life.recorded_at):
            address = f"/records/{life.record_id}?{urlencode({'as_of': moment.isoformat()})}"
            shown = await year.call("GET", address, "canbo.sogddt")
            events = [(event["kind"], datetime.fromisoformat(event["at"])) for event in shown["events"]]
            assert (shown["status"], events) == (life.status(moment), life.events(moment))


async def verify_snapshots(year: Year) -> None:
    """All three hold what they held when they were sealed, and verify offline."""
    jwks = (await year.world.http.get("/.well-known/jwks.json")).json()
    sealed = await snapshots(year)
    assert len(sealed) == 3
    for snapshot in sealed.values():
        manifest = await year.world.http.get(
            f"/api/v1/snapshots/{snapshot['snapshot_id']}/manifest", headers=year.world.as_("canbo.sogddt")
        )
        stated = check_manifest(io.BytesIO(manifest.content), jwks)
        assert (stated.root.hex(), stated.size) == (snapshot["root"], snapshot["size"])
