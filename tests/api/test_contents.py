"""A transcript's content over HTTP: masked by role, for sector systems too, as a print, and who looked."""

import base64
import io
from datetime import timedelta
from typing import Any

import httpx
import pypdf
import pytest
import pytest_asyncio

from tests.builders.world import World

SENSITIVE = ("ethnicity", "disability", "health", "policy")


@pytest_asyncio.fixture(loop_scope="session")
async def recorded(world: World) -> tuple[World, str]:
    """A world with one recorded transcript of a primary school, which has every kind of data."""
    school = world.school("02")
    await world.enrol(school)
    result = await world.send(school, world.package(school))
    return world, result["items"][0]["record_id"]


async def get(world: World, caller: dict[str, str], record_id: str, part: str = "content") -> httpx.Response:
    world.clock.advance(timedelta(seconds=1))
    return await world.http.get(f"/api/v1/records/{record_id}/{part}", headers=caller)


def by_group(body: dict[str, Any]) -> dict[str, set[str | None]]:
    found: dict[str, set[str | None]] = {}
    for section in body["sections"]:
        for line in section["lines"]:
            found.setdefault(line["group"], set()).add(line["value"])
        for place, column in enumerate(section["columns"]):
            found.setdefault(column["group"], set()).update(row[place] for row in section["rows"])
    return found


async def sector(world: World, purpose: str, organisation: str) -> dict[str, str]:
    """Register a sector system over HTTP and sign it in as it would itself."""
    made = await world.http.post(
        "/api/v1/clients",
        json={"name": f"Hệ thống {purpose}", "sector": {"purpose": purpose, "organisation": organisation}},
        headers=world.as_("quantri"),
    )
    assert made.status_code == 201, made.text
    body = made.json()
    assert (body["purpose"], body["organisation"], body["schools"]) == (purpose, organisation, [])
    basic = base64.b64encode(f"{body['client_id']}:{body['client_secret']}".encode()).decode()
    token = await world.http.post(
        "/oauth2/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {basic}"},
    )
    assert token.json()["scope"] == f"lookup:{purpose}"
    return {"Authorization": f"Bearer {token.json()['access_token']}"}


async def test_the_school_sees_all_of_its_own_and_officers_nothing_sensitive(
    recorded: tuple[World, str],
) -> None:
    world, record_id = recorded
    school = world.school("02")
    own = (await get(world, world.as_(school.code), record_id)).json()
    assert own["audience"] == "school_software"
    theirs = by_group(own)
    assert all(None not in theirs[group] for group in SENSITIVE if group in theirs)
    assert {"ethnicity", "health", "disability"} <= set(theirs)
    officer = (await get(world, world.as_(world.authority_of(school)), record_id)).json()
    seen = by_group(officer)
    assert all(seen[group] == {None} for group in SENSITIVE if group in seen)
    assert seen["general"] == theirs["general"]
    assert "Toán" in seen["general"]


@pytest.mark.parametrize(("purpose", "sees_health"), [("admissions", False), ("transfer", True)])
async def test_a_sector_system_sees_what_its_purpose_needs(
    recorded: tuple[World, str], purpose: str, *, sees_health: bool
) -> None:
    world, record_id = recorded
    caller = await sector(world, purpose, "66")
    answer = await get(world, caller, record_id)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["status"], body["audience"]) == ("issued", purpose)
    assert {signature["role"] for signature in body["signatures"]} >= {"NHA_TRUONG"}
    assert (None not in by_group(body)["health"]) is sees_health
    assert (await get(world, caller, record_id, "pdf")).status_code == 200
    for forbidden in ("xml", "receipt", "looks"):
        assert (await get(world, caller, record_id, forbidden)).json()["code"] == "QH-003"


async def test_a_sector_system_sees_nothing_outside_its_organisation(recorded: tuple[World, str]) -> None:
    world, record_id = recorded
    other = next(c.code for c in world.province.communes if c.code != world.school("02").managed_by)
    refused = await get(world, await sector(world, "admissions", other), record_id)
    assert (refused.status_code, refused.json()["code"]) == (404, "QH-005")


async def test_a_sector_system_for_schools_is_refused(world: World) -> None:
    body = {"name": "Sai", "schools": [world.school("02").code],
            "sector": {"purpose": "transfer", "organisation": "66"}}  # fmt: skip
    refused = await world.http.post("/api/v1/clients", json=body, headers=world.as_("quantri"))
    assert (refused.status_code, refused.json()["code"]) == (422, "QH-101")


async def test_a_recalled_one_is_shown_as_recalled_and_printed_so(recorded: tuple[World, str]) -> None:
    world, record_id = recorded
    school = world.school("02")
    asked = await world.http.post(
        "/api/v1/recalls",
        json={"record_ids": [record_id], "reason_code": "WRONG_RESULTS", "reason": "Nhập sai điểm"},
        headers=world.as_(school.code),
    )
    officer = world.as_(world.authority_of(school))
    await world.http.post(f"/api/v1/recalls/{asked.json()['recall_id']}/approve", headers=officer)
    since = f"{world.clock():%Y-%m-%dT%H:%M:%S}"
    body = (await get(world, officer, record_id)).json()
    assert body["status"] == "recalled"
    assert body["recalled_at"].startswith(since)
    printed = await get(world, officer, record_id, "pdf")
    assert printed.headers["content-type"] == "application/pdf"
    text = pypdf.PdfReader(io.BytesIO(printed.content)).pages[0].extract_text()
    assert "ĐÃ THU HỒI ngày 09/06/2026" in text


async def test_a_print_is_masked_like_the_content(recorded: tuple[World, str]) -> None:
    world, record_id = recorded
    school = world.school("02")

    async def printed(caller: dict[str, str]) -> str:
        file = pypdf.PdfReader(io.BytesIO((await get(world, caller, record_id, "pdf")).content))
        return "\n".join(page.extract_text() for page in file.pages)

    own, officers = (
        await printed(world.as_(school.code)),
        await printed(world.as_(world.authority_of(school))),
    )
    hidden = "(không hiển thị / not shown)"
    assert hidden not in own
    assert hidden in officers
    name = (await world.http.get(f"/api/v1/records/{record_id}", headers=world.as_(school.code))).json()
    assert name["full_name"] in own
    assert name["full_name"] in officers


async def test_the_school_reads_who_looked_without_anybodys_name(recorded: tuple[World, str]) -> None:
    world, record_id = recorded
    school = world.school("02")
    officer = next(o for o in world.province.officers if o.organisation == school.managed_by)
    await get(world, world.as_(officer.username), record_id)
    await get(world, await sector(world, "admissions", "66"), record_id)
    world.clock.advance(timedelta(seconds=1))
    await world.http.get(f"/api/v1/lookup/{record_id}", params={"dob": "1999-01-01"})
    answer = await get(world, world.as_(school.code), record_id, "looks")
    looks = answer.json()["items"]
    assert [(look["kind"], look["role"], look["part"], look["is_refused"]) for look in looks] == [
        ("officer", "commune_officer", "content", False),
        ("client", "admissions", "content", False),
        ("public", None, None, True),
        ("client", None, "looks", False),
    ]
    assert looks[0]["by"] == next(c.name for c in world.province.communes if c.code == officer.organisation)
    assert officer.username not in answer.text
    assert officer.full_name not in answer.text
    first = await world.http.get(
        f"/api/v1/records/{record_id}/looks", params={"limit": 2}, headers=world.as_(school.code)
    )
    rest = await world.http.get(
        f"/api/v1/records/{record_id}/looks",
        params={"cursor": first.json()["next_cursor"]},
        headers=world.as_(school.code),
    )
    assert [*first.json()["items"], *rest.json()["items"]][:4] == looks
