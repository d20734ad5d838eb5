"""Replacement from package to record: before the lock directly, after it only through a recall."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest_asyncio
from lxml import etree
from sqlalchemy import update

from app import jobs
from app.client.packaging import NAMESPACE
from app.db import transaction
from app.demo.authority import KeyKind, issue_seal
from app.demo.province import School
from app.demo.transcripts import compose_school, sign_composed
from tests.builders.ledger import stored_bytes
from tests.builders.periodic import periodic
from tests.builders.world import SIGNED, World

AFTER_LOCK = datetime(2026, 7, 5, 3, 0, tzinfo=UTC)


@pytest_asyncio.fixture(loop_scope="session")
async def issued(world: World) -> tuple[World, School, str]:
    """A primary school with one transcript recorded, and its look-up code."""
    school = world.school("02")
    await world.enrol(school)
    return world, school, record_of(await send(world, school, seed=66))


def transcript(
    world: World, school: School, *, seed: int, replaces: str | None = None, is_corrected: bool = False
) -> etree._Element:
    """The first pupil's transcript, which may replace another, and may bear another identity number."""
    composed = compose_school(world.province, school, signed_at=SIGNED, seed=seed)[0]
    if is_corrected:
        number = next(composed.element.iter(f"{{{NAMESPACE}}}SoDinhDanh"))
        digits = number.text or ""
        number.text = f"{digits[:-3]}{(int(digits[-3:]) + 1) % 1000:03}"
    if replaces is not None:
        code = next(composed.element.iter(f"{{{NAMESPACE}}}MaTraCuu"))
        named = etree.Element(f"{{{NAMESPACE}}}ThayThe")
        named.text = replaces
        code.addnext(named)
    return sign_composed(composed, signed_at=SIGNED)


async def send(world: World, school: School, **given: Any) -> dict[str, Any]:
    """Send such a transcript; gives its item of the answer."""
    package = world.package(school, [transcript(world, school, **given)])
    item: dict[str, Any] = (await world.send(school, package))["items"][0]
    return item


def record_of(item: dict[str, Any]) -> str:
    assert item["outcome"] == "accepted", item["findings"]
    record_id: str = item["record_id"]
    return record_id


def refusals(item: dict[str, Any]) -> list[str]:
    assert item["outcome"] == "rejected"
    return [found["code"] for found in item["findings"] if found["severity"] == "error"]


async def shown(world: World, school: School, record_id: str) -> dict[str, Any]:
    answer = await world.http.get(f"/api/v1/records/{record_id}", headers=world.as_(school.code))
    body: dict[str, Any] = answer.json()
    return body


async def recall(world: World, school: School, record_id: str) -> None:
    asked = await world.http.post(
        "/api/v1/recalls",
        json={"record_ids": [record_id], "reason_code": "WRONG_RESULTS", "reason": "Nhập nhầm điểm"},
        headers=world.as_(school.code),
    )
    assert asked.status_code == 201, asked.text
    approved = await world.http.post(
        f"/api/v1/recalls/{asked.json()['recall_id']}/approve",
        headers=world.as_(world.authority_of(school)),
    )
    assert approved.status_code == 200, approved.text


async def test_before_the_lock_the_new_one_takes_the_place_and_the_chain_is_readable(
    issued: tuple[World, School, str],
) -> None:
    world, school, first = issued
    before = (await stored_bytes(world.service.engine))[UUID(first)]
    assert refusals(await send(world, school, seed=67)) == ["TR-013"]
    second = record_of(await send(world, school, seed=67, replaces=first))
    world.clock.advance(timedelta(minutes=1))
    third = record_of(await send(world, school, seed=68, replaces=second))
    chain = [await shown(world, school, one) for one in (first, second, third)]
    assert [row["status"] for row in chain] == ["replaced", "replaced", "issued"]
    assert [row["replaced_by"] for row in chain] == [second, third, None]
    assert [row["replaces"] for row in chain] == [None, first, second]
    assert (await stored_bytes(world.service.engine))[UUID(first)] == before
    assert refusals(await send(world, school, seed=69, replaces=first)) == ["TR-015"]


async def test_after_the_lock_only_what_was_recalled_is_replaced(issued: tuple[World, School, str]) -> None:
    world, school, first = issued
    world.clock.now = AFTER_LOCK
    assert refusals(await send(world, school, seed=67, replaces=first)) == ["TH-061"]
    assert (await shown(world, school, first))["status"] == "in_force"
    await recall(world, school, first)
    world.clock.advance(timedelta(minutes=1))
    second = record_of(await send(world, school, seed=67, replaces=first))
    old = await shown(world, school, first)
    assert (old["status"], old["replaced_by"]) == ("recalled", second)
    assert [line["status"] for line in old["recalls"]] == ["approved"]
    assert refusals(await send(world, school, seed=68, replaces=first)) == ["TR-015"]


async def test_a_wrong_identity_number_is_put_right_after_a_recall(issued: tuple[World, School, str]) -> None:
    world, school, first = issued
    world.clock.now = AFTER_LOCK
    await recall(world, school, first)
    world.clock.advance(timedelta(minutes=1))
    second = record_of(await send(world, school, seed=67, replaces=first, is_corrected=True))
    assert (await shown(world, school, first))["replaced_by"] == second
    assert refusals(await send(world, school, seed=68, replaces=first)) == ["TR-015"]


async def test_a_wrong_identity_number_is_put_right_by_a_replacement(
    issued: tuple[World, School, str],
) -> None:
    world, school, first = issued
    refused = await send(world, school, seed=67, is_corrected=True)
    assert refusals(refused) == ["TR-013"]
    assert [found["facts"]["record_id"] for found in refused["findings"]] == [first]
    second = record_of(await send(world, school, seed=67, replaces=first, is_corrected=True))
    assert (await shown(world, school, first))["replaced_by"] == second
    # And back again: the number that it had is free.
    third = record_of(await send(world, school, seed=68, replaces=second))
    world.clock.now = AFTER_LOCK
    assert refusals(await send(world, school, seed=69, replaces=third, is_corrected=True)) == ["TH-061"]


async def test_a_province_may_want_a_recall_before_every_replacement(
    issued: tuple[World, School, str],
) -> None:
    world, school, first = issued
    department = next(o.username for o in world.province.officers if o.role == "department_officer")
    chosen = await world.http.post(
        "/api/v1/policies",
        json={
            "key": "replace_before_lock",
            "value": "recall_first",
            "reason": "Theo công văn của Sở",
            "province": "66",
        },
        headers=world.as_(department),
    )
    assert chosen.status_code == 201, chosen.text
    assert refusals(await send(world, school, seed=67, replaces=first)) == ["TR-062"]
    await recall(world, school, first)
    assert record_of(await send(world, school, seed=67, replaces=first))


async def test_an_open_request_for_what_is_replaced_is_closed_and_both_sides_read_why(
    issued: tuple[World, School, str],
) -> None:
    world, school, old = issued
    body = {"record_ids": [old], "reason_code": "WRONG_RESULTS", "reason": "Nhập sai điểm cả năm"}
    asked = await world.http.post("/api/v1/recalls", json=body, headers=world.as_(school.code))
    address = f"/api/v1/recalls/{asked.json()['recall_id']}"
    new = record_of(await send(world, school, seed=7, replaces=old))
    for caller in (school.code, world.authority_of(school)):
        request = (await world.http.get(address, headers=world.as_(caller))).json()
        assert (request["status"], request["items"][0]["status"]) == ("superseded", "superseded")
        last = request["history"][-1]
        assert (last["kind"], last["actor_kind"], last["facts"]) == (
            "superseded", "system", {"record_id": old, "by": new},
        )  # fmt: skip
        assert "thay thế" in last["reason"]
    approved = await world.http.post(
        f"{address}/approve", json={}, headers=world.as_(world.authority_of(school))
    )
    assert approved.json()["code"] == "QH-066"
    record = await shown(world, school, old)
    assert (record["status"], record["recalls"][0]["status"]) == ("replaced", "superseded")


async def certified(world: World, record_id: str) -> list[dict[str, Any]]:
    """Let the periodic work run; gives the lines that the snapshots sealed since hold of a record."""
    await periodic(world)
    caller, lines = world.as_("canbo.sogddt"), []
    for one in (await world.http.get("/api/v1/snapshots", headers=caller)).json()["items"]:
        address = f"/api/v1/snapshots/{one['snapshot_id']}/proofs/{record_id}"
        proof = (await world.http.get(address, headers=caller)).json()
        lines += [json.loads(shown["line"]) for shown in proof["lines"]]
    return lines


async def renew_seal(world: World, school: School) -> tuple[School, str]:
    """Register a new seal of a school, which waits for its approval; gives the school with it, and its id."""
    authority = next(one for one in world.province.authorities if one.owner_class == "public_sector")
    place = school.commune.place
    seal = issue_seal(authority, school_name=school.name, locality=place, at=SIGNED, kind=KeyKind.P_256)
    renewed = replace(school, seal=seal)
    return renewed, await world.register(renewed, "NHA_TRUONG", seal)


async def test_corrections_that_were_held_are_settled_by_what_stands_then(
    issued: tuple[World, School, str],
) -> None:
    """Two of one record wait for the approval of a new seal: one of them takes its place."""
    world, school, old = issued
    renewed, registered = await renew_seal(world, school)
    waiting = [
        transcript(world, renewed, seed=67, replaces=old, is_corrected=True),
        transcript(world, renewed, seed=68, replaces=old),
        transcript(world, renewed, seed=69, is_corrected=True),
    ]
    packages = [world.package(renewed, [one]) for one in waiting]
    for package in packages:
        assert (await world.send(renewed, package))["items"][0]["outcome"] == "held"
    assert (await shown(world, school, old))["status"] == "issued"

    await world.approve(school, registered)
    await world.work()
    items = [(await world.read(one.package_id, caller=school.code))["items"][0] for one in packages]
    (new,) = (item["record_id"] for item in items if item["outcome"] == "accepted")
    assert new in {item["record_id"] for item in items[:2]}
    assert sorted(code for item in items if item["outcome"] == "rejected" for code in refusals(item)) == [
        "TR-013",
        "TR-015",
    ]
    assert (await shown(world, school, old))["replaced_by"] == new


async def test_what_was_held_until_after_the_lock_replaces_nothing_any_more(
    issued: tuple[World, School, str],
) -> None:
    """Sent in time under a new seal that is approved days after: by then a snapshot certifies the old one."""
    world, school, old = issued
    renewed, registered = await renew_seal(world, school)
    package = world.package(renewed, [transcript(world, renewed, seed=67, replaces=old)])
    assert (await world.send(renewed, package))["items"][0]["outcome"] == "held"

    world.clock.now = AFTER_LOCK
    assert [line["status"] for line in await certified(world, old)] == ["in_force"]
    await world.approve(school, registered)
    await world.work()
    settled = (await world.read(package.package_id, caller=school.code))["items"][0]
    assert refusals(settled) == ["TH-061"]
    assert (await shown(world, school, old))["status"] == "in_force"

    await recall(world, school, old)
    assert record_of(await send(world, renewed, seed=68, replaces=old))
    assert (await shown(world, school, old))["status"] == "recalled"


async def test_what_a_seal_did_not_wait_for_replaces_nothing_that_it_certifies(
    issued: tuple[World, School, str],
) -> None:
    world, school, old = issued
    package = world.package(school, [transcript(world, school, seed=67, replaces=old)])
    await world.post(package)
    async with transaction(world.service.engine) as connection:
        # Its worker has died; the lease lasts.
        await jobs.claim(connection, worker="dead", lease=timedelta(days=1), limit=1)
    world.clock.now = AFTER_LOCK
    for officer in ("canbo.sogddt", "canbo2.sogddt"):
        answer = await world.http.post(
            "/api/v1/snapshots/overrides",
            json={
                "school_year": "2025-2026",
                "kind": "SCHOOL_CONFIRMED",
                "package_ids": [package.package_id],
                "reason": "Lỗi đĩa",
            },
            headers=world.as_(officer),
        )
        assert answer.status_code == 200, answer.text
    assert [line["status"] for line in await certified(world, old)] == ["in_force"]
    async with transaction(world.service.engine) as connection:
        await connection.execute(update(jobs.job).values(lease_until=None, worker=None))
    await world.work()
    assert refusals((await world.read(package.package_id, caller=school.code))["items"][0]) == ["TH-061"]
    assert (await shown(world, school, old))["status"] == "in_force"
