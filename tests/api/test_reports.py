"""Reports over HTTP: one province before and after things happen, in every form, for whoever may."""

import asyncio
import csv
import io
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from app.compliance.sheets import LABELS
from app.merkle import RootBuilder, leaf_hash
from app.recalls.reasons import REASONS
from app.snapshots.sealing import Sealer, seal_due
from tests.builders.world import World

REPORTS = "/api/v1/reports"
YEAR = {"school_year": "2025-2026"}


async def get(world: World, caller: str, path: str, **query: str) -> Any:
    world.clock.advance(timedelta(seconds=1))
    answer = await world.http.get(f"{REPORTS}/{path}", params=YEAR | query, headers=world.as_(caller))
    assert answer.status_code == 200, answer.text
    return answer.json() if "application/json" in answer.headers["content-type"] else answer


async def enrol_pupils(world: World, code: str, pupils: list[dict[str, Any]]) -> None:
    world.clock.advance(timedelta(seconds=1))
    answer = await world.http.post(
        "/api/v1/enrolments",
        json={"school_code": code, **YEAR, "pupils": pupils},
        headers=world.as_("canbo.sogddt"),
    )
    assert answer.status_code == 201, answer.text


async def sent(world: World) -> list[dict[str, Any]]:
    """A lower secondary school sends its three pupils; gives their records."""
    school = world.school("03")
    await world.enrol(school)
    items = (await world.send(school, world.package(school)))["items"]
    return [
        (await world.http.get(f"/api/v1/records/{item['record_id']}", headers=world.as_(school.code))).json()
        for item in items
    ]


def roll_of(records: list[dict[str, Any]], *more: str) -> list[dict[str, Any]]:
    first = records[0]
    known = [
        {"student_code": r["student_id"], "full_name": r["full_name"], "grade": r["grade"],
         "class_name": r["class_name"]}
        for r in records
    ]  # fmt: skip
    return known + [
        {"student_code": code, "full_name": "Y Đăm Êban", "grade": first["grade"],
         "class_name": first["class_name"]}
        for code in more
    ]  # fmt: skip


def same_client(world: World, one: str, other: str) -> bool:
    return any({one, other} <= set(software.schools) for software in world.province.software)


NUMBERS = ("expected", "accepted", "missing", "not_sent", "recalled", "locked", "unlisted")


def numbers(report: dict[str, Any]) -> tuple[int, ...]:
    return tuple(report["total"][name] for name in NUMBERS)


async def test_the_report_follows_what_happens_and_answers_for_the_past(world: World) -> None:
    school = world.school("03")
    officer = world.authority_of(school)
    empty = await get(world, officer, "compliance")
    assert numbers(empty) == (0, 0, 0, 0, 0, 0, 0)
    records = await sent(world)
    unlisted = await get(world, officer, "compliance")
    assert numbers(unlisted) == (0, 3, 0, 0, 0, 0, 3)
    assert unlisted["total"]["schools_without_roll"] == unlisted["total"]["schools"]

    await enrol_pupils(world, school.code, roll_of(records, "NEW1", "NEW2"))
    listed = await get(world, officer, "compliance", group_by="school", school_code=school.code)
    assert numbers(listed) == (5, 3, 2, 2, 0, 0, 0)
    assert listed["total"]["on_time_percent"] == 60.0
    assert [row["school_code"] for row in listed["rows"]] == [school.code]

    before_recall = listed["as_of"]
    world.clock.advance(timedelta(minutes=1))
    recall = await world.http.post(
        "/api/v1/recalls",
        json={
            "record_ids": [records[0]["record_id"]], "reason_code": next(iter(REASONS)), "reason": "Nhầm",
        },
        headers=world.as_(school.code),
    )  # fmt: skip
    assert recall.status_code == 201, recall.text
    pending = await get(world, officer, "attention")
    assert [(p["kind"], p["from_days"], p["count"]) for p in pending["pending"]] == [("recall", 0, 1)]
    path = f"/api/v1/recalls/{recall.json()['recall_id']}/approve"
    assert (await world.http.post(path, json={}, headers=world.as_(officer))).status_code == 200
    one = {"school_code": school.code}
    assert numbers(await get(world, officer, "compliance", **one)) == (5, 2, 3, 2, 1, 0, 0)
    assert numbers(await get(world, officer, "compliance", **one, as_of=before_recall)) == (
        5, 3, 2, 2, 0, 0, 0,
    )  # fmt: skip

    world.clock.advance(timedelta(days=25))  # past 30/6: those confirmed are locked
    after = await get(world, officer, "compliance", **one)
    confirmed = sum(record["is_completed"] for record in records[1:])
    assert numbers(after) == (5, 2, 3, 2, 1, confirmed, 0)
    assert confirmed > 0


async def test_refused_transcripts_are_told_from_those_never_sent(world: World) -> None:
    school = world.school("03")
    signed = world.signed(school)
    refused = await world.send(school, world.package(school, signed))  # no certificate is registered
    assert {item["outcome"] for item in refused["items"]} <= {"held", "rejected"}
    outcome = refused["items"][0]["outcome"]
    officer = world.authority_of(school)
    total = (await get(world, officer, "compliance", school_code=school.code))["total"]
    assert (total[outcome], total["accepted"], total["received"]) == (3, 0, 3)
    await enrol_pupils(
        world,
        school.code,
        [{"student_code": "NEW1", "full_name": "A", "grade": 6, "class_name": "6A"}],
    )
    total = (await get(world, officer, "compliance", school_code=school.code))["total"]
    assert (total[outcome], total["expected"], total["missing"], total["not_sent"]) == (3, 1, 1, 1)


async def test_missing_pupils_are_listed_by_code_name_and_cause_in_every_form(world: World) -> None:
    school = world.school("03")
    records = await sent(world)
    await enrol_pupils(world, school.code, roll_of(records, "NEW1", "NEW2"))
    lines = [json.loads(line) for line in (await get(world, school.code, "missing")).text.splitlines()]
    assert [(line["student_code"], line["full_name"], line["cause"]) for line in lines] == [
        ("NEW1", "Y Đăm Êban", "not_sent"),
        ("NEW2", "Y Đăm Êban", "not_sent"),
    ]
    assert set(lines[0]) == {
        "school_code", "school_name", "grade", "class_name", "student_code", "full_name", "cause",
    }  # fmt: skip
    text = (await get(world, school.code, "missing", format="csv")).content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert (rows[0][-1], rows[1][-2:]) == ("Nguyên nhân", ["Y Đăm Êban", "Chưa gửi"])
    book = openpyxl.load_workbook(
        io.BytesIO((await get(world, school.code, "missing", format="xlsx")).content)
    )
    assert [cell.value for cell in book["Còn thiếu"][3]][4:] == ["NEW2", "Y Đăm Êban", "Chưa gửi"]


async def test_who_stays_on_paper_is_not_missing(world: World) -> None:
    school = world.school("03")
    records = await sent(world)
    await enrol_pupils(world, school.code, roll_of(records, "NEW1"))
    exempt = {"school_code": school.code, **YEAR, "pupils": 4, "reason": "Mất điện"}
    answer = await world.http.post("/api/v1/exemptions", json=exempt, headers=world.as_("canbo.sogddt"))
    assert answer.status_code == 201
    total = (await get(world, school.code, "compliance"))["total"]
    assert (total["exempt"], total["expected"], total["missing"]) == (4, 0, 0)
    assert (await get(world, school.code, "missing")).text == ""


async def test_nobody_sees_beyond_their_scope(world: World) -> None:
    school = world.school("03")
    records = await sent(world)
    await enrol_pupils(world, school.code, roll_of(records, "NEW1"))
    other = next(o.username for o in world.province.officers
                 if o.role == "commune_officer" and o.organisation != school.managed_by)  # fmt: skip
    rows = (await get(world, other, "compliance", group_by="school"))["rows"]
    assert school.code not in {row["school_code"] for row in rows}
    refused = await world.http.get(
        f"{REPORTS}/compliance", params=YEAR | {"school_code": school.code}, headers=world.as_(other)
    )
    assert (refused.status_code, refused.json()["code"]) == (404, "QH-005")
    named = await world.http.get(f"{REPORTS}/missing", params=YEAR, headers=world.as_("bogddt"))
    assert (named.status_code, named.json()["code"]) == (403, "QH-003")
    nation = await get(world, "bogddt", "compliance", group_by="province")
    assert [(row["province_code"], row["missing"]) for row in nation["rows"]] == [("66", 1)]


@pytest.mark.parametrize("group_by", ["province", "commune", "school", "grade", "class"])
async def test_a_workbook_says_what_json_says(world: World, group_by: str) -> None:
    school = world.school("03")
    await enrol_pupils(world, school.code, roll_of(await sent(world), "NEW1"))
    rows = (await get(world, "canbo.sogddt", "compliance", group_by=group_by))["rows"]
    file = await get(world, "canbo.sogddt", "compliance", group_by=group_by, format="xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(file.content))["Tiến độ"]
    titles = [cell.value for cell in sheet[1]]
    place = titles.index("Phải nộp")
    assert [cell.value for cell in list(sheet.columns)[place][1:]] == [row["expected"] for row in rows]
    assert sum(row["expected"] for row in rows) == 4


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
async def test_libreoffice_shows_the_downloaded_report_as_json_tells_it(world: World, tmp_path: Path) -> None:
    school = world.school("03")
    await enrol_pupils(world, school.code, roll_of(await sent(world), "NEW1"))
    rows = (await get(world, "canbo.sogddt", "compliance", group_by="school"))["rows"]
    file = await get(world, "canbo.sogddt", "compliance", group_by="school", format="xlsx")
    table = await asyncio.to_thread(as_libreoffice_shows, file.content, tmp_path)
    shown = [dict(zip(table[0], line, strict=True)) for line in table[1:]]
    names = ("school_code", "name", "expected", "accepted", "missing", "on_time_percent")
    assert [[line[LABELS[name]] for name in names] for line in shown] == [
        [
            "" if row[name] is None else f"{row[name]:g}" if isinstance(row[name], float) else str(row[name])
            for name in names
        ]
        for row in rows
    ]
    assert "Trường THCS Hoa Ê Ban" in {line["Tên đơn vị"] for line in shown}


def as_libreoffice_shows(workbook: bytes, folder: Path) -> list[list[str]]:
    path = folder / "bao-cao.xlsx"
    path.write_bytes(workbook)
    subprocess.run(
        [
            "soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to",
            "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", str(folder), str(path),
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    return list(csv.reader(io.StringIO((folder / "bao-cao.csv").read_text("utf-8-sig"))))


async def test_packages_are_counted_by_state_and_software_by_first_time_acceptance(world: World) -> None:
    await sent(world)
    primary = world.school("02")
    await world.send(primary, world.package(primary))  # nothing registered: not accepted at first
    found = await get(world, "canbo.sogddt", "packages")
    assert sum(row["answered"] for row in found["counts"]) == 2
    assert sum(row["read"] for row in found["counts"]) == 2
    # The legal day: half past midnight in Hanoi is the day before in UTC, and no other zone's.
    assert {row["on"] for row in found["counts"]} == {"2026-06-09"}
    world.clock.now = datetime(2026, 6, 9, 17, 30, tzinfo=UTC)
    late_school = world.with_seal("none")
    await world.send(late_school, world.package(late_school))
    after = await get(world, "canbo.sogddt", "packages")
    assert {row["on"] for row in after["counts"]} == {"2026-06-09", "2026-06-10"}
    (software,) = found["software"]
    assert (software["software_name"], software["software_version"]) == ("Sổ điểm thử nghiệm", "2.1")
    counted = ("packages", "transcripts", "accepted_at_first", "held_at_first", "first_time_percent")
    assert [software[name] for name in counted] == [2, 6, 3, 0, 50.0]
    (vendor,) = found["vendors"]
    assert [vendor[name] for name in counted] == [2, 6, 3, 0, 50.0]
    assert vendor["client_id"] in {software.client_id for software in world.province.software}


async def test_what_is_held_is_refused_by_no_code(world: World) -> None:
    school = world.school("03")
    await world.approve(school, await world.register(school, "THU_TRUONG", school.head.credential))
    await world.register(school, "NHA_TRUONG", school.seal)
    await world.send(school, world.package(school))
    (software,) = (await get(world, "canbo.sogddt", "packages"))["software"]
    assert (software["held_at_first"], software["first_time_percent"], software["errors"]) == (3, 100.0, [])


async def test_a_vendor_compares_all_it_holds_in_one_call(world: World) -> None:
    school = world.school("03")
    records = await sent(world)
    package = world.package(school)
    keys = [records[0]["record_id"], records[1]["content_sha256"], "0" * 32, "f" * 64]
    answer = await world.http.post("/api/v1/digests", json={"keys": keys}, headers=world.as_(school.code))
    assert [item["status"] for item in answer.json()["items"]] == [
        "accepted", "accepted", "unknown", "unknown",
    ]  # fmt: skip
    assert answer.json()["items"][1]["record_id"] == records[1]["record_id"]
    await world.post(package)
    keys = [package.digest]
    answer = await world.http.post("/api/v1/digests", json={"keys": keys}, headers=world.as_(school.code))
    assert answer.json()["items"][0] == {
        "key": package.digest, "status": "known", "record_id": None,
        "package_id": package.package_id.replace("-", ""),
    }  # fmt: skip
    codes = [other.code for other in world.province.schools]
    rival = next(code for code in codes if not same_client(world, code, school.code))
    foreign = await world.http.post("/api/v1/digests", json={"keys": keys}, headers=world.as_(rival))
    assert [item["status"] for item in foreign.json()["items"]] == ["unknown"]
    bad = await world.http.post("/api/v1/digests", json={"keys": ["a" * 40]}, headers=world.as_(school.code))
    assert (bad.status_code, bad.json()["code"]) == (400, "DD-905")


async def test_the_daily_digest_can_be_recomputed_and_is_signed(world: World) -> None:

    school = world.school("03")
    records = await sent(world)
    path = f"/api/v1/schools/{school.code}/digest"
    world.clock.advance(timedelta(seconds=1))
    found = (await world.http.get(path, params=YEAR, headers=world.as_(school.code))).json()
    tree = RootBuilder()
    for record in sorted(records, key=lambda r: UUID(r["record_id"])):
        tree.append(leaf_hash(f"{record['record_id']} {record['content_sha256']} accepted".encode()))
    assert (found["size"], found["root"]) == (3, tree.root.hex())
    keys = KeySet.import_key_set((await world.http.get("/.well-known/jwks.json")).json())
    claims = json.loads(jws.deserialize_compact(found["statement"], keys, algorithms=["ES256"]).payload)
    assert (claims["school"], claims["root"], claims["counts"]) == (
        school.code, found["root"], {"accepted": 3, "recalled": 0, "replaced": 0},
    )  # fmt: skip
    branches = (await world.http.get(f"{path}/branches", params=YEAR, headers=world.as_(school.code))).json()
    assert branches["root"] == found["root"]
    assert {leaf["record_id"] for leaf in branches["records"]} == {r["record_id"] for r in records}
    assert sum(branch["size"] for branch in branches["branches"]) == 3
    yesterday = (
        await world.http.get(path, params=YEAR | {"on": "2026-06-08"}, headers=world.as_(school.code))
    ).json()
    assert yesterday["size"] == 0


async def test_the_year_is_told_by_day_for_a_chart(world: World) -> None:
    school = world.school("03")
    records = await sent(world)
    await enrol_pupils(world, school.code, roll_of(records, "NEW1"))
    world.clock.advance(timedelta(days=2))
    recall = await world.http.post(
        "/api/v1/recalls",
        json={
            "record_ids": [records[0]["record_id"]], "reason_code": next(iter(REASONS)), "reason": "Nhầm",
        },
        headers=world.as_(school.code),
    )  # fmt: skip
    path = f"/api/v1/recalls/{recall.json()['recall_id']}/approve"
    await world.http.post(path, json={}, headers=world.as_(world.authority_of(school)))
    told = await get(world, "canbo.sogddt", "progress", school_code=school.code)
    assert told["expected"] == 4
    assert [
        (
            day["on"],
            day["received"],
            day["late"],
            day["recalled"],
            day["received_so_far"],
            day["recalled_so_far"],
        )
        for day in told["days"]
    ] == [("2026-06-09", 3, 0, 0, 3, 0), ("2026-06-11", 0, 0, 1, 3, 1)]
    before = await get(world, "canbo.sogddt", "progress", as_of="2026-06-10T00:00:00+07:00")
    assert [day["recalled"] for day in before["days"]] == [0]


async def test_a_report_stands_beside_a_snapshot_at_its_cut_off(world: World) -> None:
    school = world.school("03")
    await enrol_pupils(world, school.code, roll_of(await sent(world), "NEW1"))
    world.clock.advance(timedelta(days=40))  # past the schools' cut-off, so that it can be sealed
    await world.work()
    sealer = Sealer(
        engine=world.service.engine, clock=world.clock, keys=world.service.keys, offload=world.service.offload
    )
    await seal_due(sealer)
    listed = await world.http.get("/api/v1/snapshots", headers=world.as_("canbo.sogddt"))
    sealed = next(s for s in listed.json()["items"] if s["kind"] == "SCHOOL_CONFIRMED")
    beside = await get(world, "canbo.sogddt", "compliance", snapshot_id=sealed["snapshot_id"])
    live = await get(world, "canbo.sogddt", "compliance")
    assert beside["total"]["in_snapshot"] == sealed["size"] > 0
    assert (beside["snapshot_id"], live["total"]["in_snapshot"]) == (sealed["snapshot_id"], None)
    assert datetime.fromisoformat(beside["as_of"]) == datetime.fromisoformat(sealed["cut_off"])
    assert beside["total"]["accepted"] == live["total"]["accepted"] == 3
    other = await world.http.get(
        f"{REPORTS}/compliance",
        params={"school_year": "2024-2025", "snapshot_id": sealed["snapshot_id"]},
        headers=world.as_("canbo.sogddt"),
    )
    assert (other.status_code, other.json()["code"]) == (404, "QH-005")
