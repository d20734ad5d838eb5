"""Looking up in public: code and date of birth together, or nothing; slow on purpose, and on record."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio
from sqlalchemy import select

from app.audit import audit_event
from app.db import transaction
from tests.builders.world import World


@pytest_asyncio.fixture(loop_scope="session")
async def recorded(world: World) -> tuple[World, str, str]:
    """A world with one recorded transcript: its code, and its pupil's date of birth."""
    school = world.school("02")
    await world.enrol(school)
    result = await world.send(school, world.package(school))
    pupil = school.classes[0].pupils[0]
    return world, result["items"][0]["record_id"], pupil.person.born_on.isoformat()


async def look_up(world: World, record_id: str, dob: str) -> httpx.Response:
    return await world.http.get(f"/api/v1/lookup/{record_id}", params={"dob": dob})


def without_reference(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    return {name: value for name, value in body.items() if name != "reference"}


async def test_code_and_date_together_show_the_transcript(recorded: tuple[World, str, str]) -> None:
    world, record_id, dob = recorded
    shown = (await look_up(world, record_id, dob)).json()
    assert (shown["status"], shown["recalled_at"]) == ("issued", None)
    assert {signature["role"] for signature in shown["signatures"]} >= {"NHA_TRUONG", "THU_TRUONG"}
    assert all(signature["subject"] is None for signature in shown["signatures"])
    assert not {"student_id", "born_on", "identity_number"} & set(shown)


async def test_the_content_is_shown_but_for_what_is_sensitive(recorded: tuple[World, str, str]) -> None:
    world, record_id, dob = recorded
    pupil = world.school("02").classes[0].pupils[0]
    answer = await look_up(world, record_id, dob)
    lines = [line for section in answer.json()["sections"] for line in section["lines"]]
    assert pupil.person.full_name in {line["value"] for line in lines}
    hidden = {"ethnicity", "disability", "health", "policy", "home", "family"}
    assert {line["value"] for line in lines if line["group"] in hidden} == {None}
    (number,) = [line["value"] for line in lines if line["name"] == "SoDinhDanh"]
    assert number == "•" * 9 + pupil.person.identity_number[-3:]
    for person in (pupil.father, pupil.mother):
        assert person.full_name not in answer.text
    assert pupil.person.identity_number not in answer.text
    assert pupil.student_code not in answer.text


async def test_the_family_reads_who_looked(recorded: tuple[World, str, str]) -> None:
    world, record_id, dob = recorded
    await look_up(world, record_id, "1999-01-01")
    world.clock.advance(timedelta(seconds=1))
    shown = (await look_up(world, record_id, dob)).json()
    assert [(look["kind"], look["by"], look["is_refused"]) for look in shown["looks"]] == [
        ("public", None, False),
        ("public", None, True),
    ]


async def test_unknown_code_and_wrong_date_are_answered_alike(recorded: tuple[World, str, str]) -> None:
    world, record_id, _ = recorded
    wrong, unknown = (
        await look_up(world, record_id, "1999-01-01"),
        await look_up(world, uuid4().hex, "1999-01-01"),
    )
    assert wrong.status_code == unknown.status_code == 404
    assert without_reference(wrong) == without_reference(unknown)
    assert wrong.json()["code"] == "QH-100"


async def test_a_recalled_transcript_is_shown_as_recalled_and_since_when(
    recorded: tuple[World, str, str],
) -> None:
    world, record_id, dob = recorded
    school = world.school("02")
    asked = await world.http.post(
        "/api/v1/recalls",
        json={"record_ids": [record_id], "reason_code": "WRONG_RESULTS", "reason": "Nhập sai điểm"},
        headers=world.as_(school.code),
    )
    world.clock.advance(timedelta(hours=1))
    await world.http.post(
        f"/api/v1/recalls/{asked.json()['recall_id']}/approve",
        headers=world.as_(world.authority_of(school)),
    )
    shown = (await look_up(world, record_id, dob)).json()
    assert shown["status"] == "recalled"
    assert shown["recalled_at"].startswith(f"{world.clock():%Y-%m-%dT%H:%M:%S}")


async def test_one_code_is_not_to_be_guessed_at(recorded: tuple[World, str, str]) -> None:
    world, record_id, _ = recorded
    codes = [(await look_up(world, record_id, f"2001-01-{day:02}")).json()["code"] for day in range(1, 13)]
    assert codes[0] == "QH-100"
    assert codes[-1] == "HT-010"


async def test_every_look_up_is_on_record_without_the_date_tried(recorded: tuple[World, str, str]) -> None:
    world, record_id, dob = recorded
    await look_up(world, record_id, dob)
    await look_up(world, record_id, "1999-01-01")
    async with transaction(world.service.engine) as connection:
        rows = await connection.execute(
            select(audit_event.c.tag, audit_event.c.facts)
            .where(audit_event.c.subject == f"record:{record_id}", audit_event.c.actor_kind == "anonymous")
            .order_by(audit_event.c.at)
        )
        assert [(row.tag, row.facts) for row in rows] == [
            ("record:looked-up", {}),
            ("lookup:refused", {}),
        ]
