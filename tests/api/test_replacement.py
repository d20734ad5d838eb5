"""Replacement from package to record: before the lock directly, after it only through a recall."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest_asyncio
from lxml import etree

from app.client.packaging import NAMESPACE
from app.demo.province import School
from app.demo.transcripts import compose_school, sign_composed
from tests.builders.ledger import stored_bytes
from tests.builders.world import SIGNED, World

AFTER_LOCK = datetime(2026, 7, 5, 3, 0, tzinfo=UTC)


@pytest_asyncio.fixture(loop_scope="session")
async def issued(world: World) -> tuple[World, School, str]:
    """A primary school with one transcript recorded, and its look-up code."""
    school = world.school("02")
    await world.enrol(school)
    return world, school, record_of(await send(world, school, seed=66))


async def send(world: World, school: School, *, seed: int, replaces: str | None = None) -> dict[str, Any]:
    """Send the first pupil's transcript, which may replace another; gives its item of the answer."""
    composed = compose_school(world.province, school, signed_at=SIGNED, seed=seed)[0]
    if replaces is not None:
        code = next(composed.element.iter(f"{{{NAMESPACE}}}MaTraCuu"))
        named = etree.Element(f"{{{NAMESPACE}}}ThayThe")
        named.text = replaces
        code.addnext(named)
    transcript = sign_composed(composed, signed_at=SIGNED)
    answer = await world.send(school, world.package(school, [transcript]))
    item: dict[str, Any] = answer["items"][0]
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
