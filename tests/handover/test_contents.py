"""A school changes its vendor: all it has, in one file that holds without us and that others can use."""

import asyncio
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from app.audit import audit_event
from app.cli import app
from app.client.archives import check_archive
from app.client.errors import ProofError
from app.client.packaging import open_package
from app.db import open_engine, transaction
from app.demo.province import School
from app.handover import contents as contents_module
from app.organisations.tree import find_organisation
from tests.builders.world import World


async def issued(world: World) -> tuple[School, dict[str, Any]]:
    """A school with its certificates, one package taken and one refused, one record recalled."""
    school = world.school("02")
    refused = await world.send(school, world.package(school))  # nothing is registered yet
    assert refused["accepted"] == 0
    await world.enrol(school)
    world.clock.advance(timedelta(minutes=1))
    taken = await world.send(school, world.package(school, world.signed(school, seed=67)))
    assert taken["accepted"] == taken["total"], taken
    asked = await world.http.post(
        "/api/v1/recalls",
        json={
            "record_ids": [taken["items"][0]["record_id"]], "reason_code": "WRONG_RESULTS", "reason": "Nhầm",
        },
        headers=world.as_(school.code),
    )  # fmt: skip
    world.clock.advance(timedelta(minutes=1))
    path = f"/api/v1/recalls/{asked.json()['recall_id']}/approve"
    decided = await world.http.post(path, json={}, headers=world.as_(world.authority_of(school)))
    assert decided.status_code == 200, decided.text
    return school, taken


async def download(world: World, caller: str, code: str, **query: str) -> httpx.Response:
    return await world.http.get(f"/api/v1/schools/{code}/archive", params=query, headers=world.as_(caller))


def files_of(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


async def jwks(world: World) -> dict[str, Any]:
    keys: dict[str, Any] = (await world.http.get("/.well-known/jwks.json")).json()
    return keys


async def test_everything_of_a_school_goes_from_one_vendor_to_another(world: World, tmp_path: Path) -> None:
    school, taken = await issued(world)
    answer = await download(world, school.code, school.code)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    path = tmp_path / "truong.zip"
    path.write_bytes(answer.content)
    stated = await asyncio.to_thread(check_archive, path, await jwks(world))
    assert (stated.claims["school"], stated.claims["school_year"]) == (school.code, None)
    # two packages, three records, seal and head, two files each; every answer and acknowledgement is signed
    assert stated.claims["counts"] == {"certificates": 4, "packages": 4, "records": 6}
    assert stated.receipts >= 2 + taken["total"] + taken["total"]

    files = files_of(answer.content)
    for item in taken["items"]:
        record = json.loads(files[f"records/{item['record_id']}.json"])
        kinds = [event["kind"] for event in record["events"]]
        assert kinds == (["recorded", "recalled"] if item["position"] == 1 else ["recorded"])
        assert record["receipts"][0]["jws"] == item["receipt"]
        assert {signature["role"] for signature in record["signatures"]} >= {"NHA_TRUONG", "THU_TRUONG"}
    histories = [
        json.loads(files[name])["events"]
        for name in files if name.startswith("certificates/") and name.endswith(".json")
    ]  # fmt: skip
    assert [[event["target"] for event in events] for events in histories] == [["pending", "approved"]] * 2

    # The other vendor, once the school has authorised it, goes on with what it was handed.
    rival = next(s.client_id for s in world.province.software if school.code not in s.schools)
    id_ = world.accounts[rival].id
    put = await world.http.put(
        f"/api/v1/clients/{id_.hex}/schools/{school.code}", json={}, headers=world.as_("quantri")
    )
    assert put.status_code in {200, 201, 204}, put.text
    package = open_package(files[f"packages/{taken['package_id']}.xml.gz"])
    again = await world.http.post(
        "/api/v1/packages", params=package.outer_fields, content=package.gzipped,
        headers={"Content-Type": "application/gzip", **world.as_(rival)},
    )  # fmt: skip
    sent = json.loads(files[f"packages/{taken['package_id']}.json"])
    acknowledgement = next(a for a in sent["answers"] if a["position"] == 0)["receipts"][0]["jws"]
    assert (again.status_code, again.json()["acknowledgement"]) == (200, acknowledgement)


async def test_a_year_can_be_had_by_itself(world: World, tmp_path: Path) -> None:
    school, _ = await issued(world)
    path = tmp_path / "nam.zip"
    for year, packages in (("2025-2026", 4), ("2024-2025", 0)):
        answer = await download(world, school.code, school.code, school_year=year)
        path.write_bytes(answer.content)
        stated = await asyncio.to_thread(check_archive, path, await jwks(world))
        assert stated.claims["school_year"] == year
        assert stated.claims["counts"].get("packages", 0) == packages


async def test_it_is_read_a_few_files_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents_module, "_AT_ONCE", 1)
    school, _ = await issued(world)
    async with transaction(world.service.engine) as connection:
        found = await find_organisation(connection, school.code)
    assert found is not None
    pages = [
        page async for page in contents_module.contents(world.service.engine, found, None)
        if any(file.name.startswith(("packages/", "records/")) for file in page)
    ]  # fmt: skip
    assert [len(page) for page in pages] == [2] * (2 + 3)


async def test_only_the_school_and_those_above_it_may_and_it_is_on_record(world: World) -> None:
    school, _ = await issued(world)
    other = next(o.username for o in world.province.officers
                 if o.role == "commune_officer" and o.organisation != school.managed_by)  # fmt: skip
    rival = next(s.client_id for s in world.province.software if school.code not in s.schools)
    for stranger in (other, rival):
        refused = await download(world, stranger, school.code)
        assert (refused.status_code, refused.json()["code"]) == (404, "QH-005")
    assert (await download(world, "bogddt", school.code)).status_code == 403
    for reader in (world.authority_of(school), "thanhtra.sogddt"):
        assert (await download(world, reader, school.code)).status_code == 200
    async with transaction(world.service.engine) as connection:
        rows = await connection.execute(
            select(audit_event.c.actor_kind, audit_event.c.facts).where(audit_event.c.tag == "archive:read")
        )
        assert [(row.actor_kind, row.facts) for row in rows] == [("officer", {"school_year": None})] * 2


async def test_the_command_says_whether_it_holds(world: World, tmp_path: Path) -> None:
    school, _ = await issued(world)
    path, keys = tmp_path / "truong.zip", tmp_path / "jwks.json"
    path.write_bytes((await download(world, school.code, school.code)).content)
    keys.write_text(json.dumps(await jwks(world)))

    async def verify() -> tuple[int, dict[str, Any]]:
        command = ["verify-archive", str(path), "--jwks", str(keys), "--json"]
        done = await asyncio.to_thread(CliRunner().invoke, app, command)
        return done.exit_code, json.loads(done.stdout)

    code, told = await verify()
    assert (code, told["is_valid"], told["claims"]["school"]) == (0, True, school.code)
    path.write_bytes(path.read_bytes()[:-100])
    code, told = await verify()
    assert (code, told["is_valid"]) == (1, False)


async def test_one_damaged_record_keeps_a_school_from_no_other(
    world: World, database_url: str, tmp_path: Path
) -> None:
    school, taken = await issued(world)
    damaged = taken["items"][0]["record_id"]
    owner = open_engine(database_url, pool_size=1, as_service=False)
    async with owner.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(
            text("UPDATE record SET xml_sha256 = sha256('x') WHERE record_id = :code"), {"code": damaged}
        )
    await owner.dispose()
    path = tmp_path / "truong.zip"
    path.write_bytes((await download(world, school.code, school.code)).content)
    with pytest.raises(ProofError, match=damaged):  # and whoever verifies it is told which one
        await asyncio.to_thread(check_archive, path, await jwks(world))
    files = files_of(path.read_bytes())
    told = {
        item["record_id"]: (
            json.loads(files[f"records/{item['record_id']}.json"])["is_damaged"],
            f"records/{item['record_id']}.xml" in files,
        )
        for item in taken["items"]
    }
    assert told.pop(damaged) == (True, False)
    assert set(told.values()) == {(False, True)}
    assert not any("leans_on" in json.loads(files[f"records/{code}.json"]) for code in (damaged, *told))
