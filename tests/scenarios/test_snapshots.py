"""A province's snapshot over HTTP: sealed by the schedule, read by who may, verified from its files."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from typer.testing import CliRunner

from app.cli import app as cli
from tests.builders.periodic import periodic
from tests.builders.sealing import SCHOOL_CUT_OFF, SECOND
from tests.builders.world import World

DEPARTMENT = "canbo.sogddt"
SECOND_OFFICER = "canbo2.sogddt"
UNKNOWN = "0190163d8694739b8a00000000000000"


@pytest_asyncio.fixture(loop_scope="session")
async def sealed(world: World) -> tuple[World, dict[str, Any], list[str]]:
    """One school's class, sent in time, judged after the cut-off; the schedule has sealed it."""
    school = world.school("03")
    await world.enrol(school)
    world.clock.now = SCHOOL_CUT_OFF - SECOND
    package = world.package(school)
    assert (await world.post(package)).status_code == 202
    world.clock.now = SCHOOL_CUT_OFF + SECOND
    assert (await periodic(world))["seal snapshots"] == {"sealed": 1}
    assert 'last_run_timestamp_seconds{task="seal snapshots"}' in (await world.http.get("/metrics")).text
    (snapshot,) = (await get(world, "snapshots")).json()["items"]
    answer = await world.read(package.package_id, caller=school.code)
    return world, snapshot, sorted(item["record_id"] for item in answer["items"])


async def get(world: World, path: str, caller: str = DEPARTMENT) -> httpx.Response:
    return await world.http.get(f"/api/v1/{path}", headers=world.as_(caller))


async def test_the_snapshot_holds_what_came_in_time_however_late_it_was_judged(
    sealed: tuple[World, dict[str, Any], list[str]],
) -> None:
    world, snapshot, records = sealed
    assert (snapshot["kind"], snapshot["size"], snapshot["held"]) == ("SCHOOL_CONFIRMED", len(records), 0)
    assert snapshot["cut_off"] == "2026-07-01T00:00:00+07:00"
    whole = (await get(world, f"snapshots/{snapshot['snapshot_id']}")).json()
    (counted,) = whole["schools"]
    assert (counted["total"], counted["in_force"], counted["late"]) == (len(records), len(records), 0)
    assert (await get(world, "snapshots?kind=UPSTREAM_FINAL")).json()["items"] == []
    assert (await get(world, "snapshots?school_year=2025-2026", "bogddt")).json()["items"] == [snapshot]


async def test_files_and_proofs_verify_offline(
    sealed: tuple[World, dict[str, Any], list[str]], tmp_path: Path
) -> None:
    world, snapshot, records = sealed
    address = f"snapshots/{snapshot['snapshot_id']}"
    manifest = await get(world, f"{address}/manifest")
    assert manifest.headers["content-type"] == "application/x-ndjson"
    export = await get(world, f"{address}/export")
    with zipfile.ZipFile(io.BytesIO(export.content)) as archive:
        assert archive.read("manifest.ndjson") == manifest.content
        jwks = archive.read("jwks.json")
        assert archive.read("schools.csv").decode("utf-8-sig").startswith("Mã trường,Tổng số")
    files = {
        "manifest.ndjson": manifest.content,
        "export.zip": export.content,
        "jwks.json": jwks,
        "in.json": (await get(world, f"{address}/proofs/{records[0]}")).content,
        "out.json": (await get(world, f"{address}/proofs/{UNKNOWN}")).content,
        "bent.ndjson": manifest.content.replace(b'"late":false', b'"late":true ', 1),
        "short.ndjson": manifest.content[: manifest.content.rindex(b"\n{") + 1],
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert json.loads(files["out.json"])["kind"] == "absence"

    def verify(*names: str) -> int:
        paths = [name if name.startswith("--") else str(tmp_path / name) for name in names]
        jwks_file = str(tmp_path / "jwks.json")
        return CliRunner().invoke(cli, ["verify-snapshot", *paths, "--jwks", jwks_file]).exit_code

    assert verify("manifest.ndjson") == 0
    assert verify("export.zip", "--proof", "in.json") == 0
    assert verify("--proof", "out.json") == 0
    assert verify("bent.ndjson") == 1
    assert verify("short.ndjson") == 1
    assert verify() == 2


async def test_schools_prove_their_own_and_see_nothing_else(
    sealed: tuple[World, dict[str, Any], list[str]],
) -> None:
    world, snapshot, records = sealed
    address, school = f"snapshots/{snapshot['snapshot_id']}", world.school("03")
    for caller in (school.code, world.authority_of(school)):
        assert (await get(world, f"{address}/proofs/{records[0]}", caller)).json()["kind"] == "inclusion"
        assert (await get(world, f"{address}/proofs/{UNKNOWN}", caller)).status_code == 404
        assert (await get(world, address, caller)).json()["code"] == "QH-003"
    other = next(held.client_id for held in world.province.software if school.code not in held.schools)
    assert (await get(world, f"{address}/proofs/{records[0]}", other)).json()["code"] == "QH-005"


async def test_what_waits_is_shown_and_two_officers_may_decide_not_to_wait(world: World) -> None:
    school = world.school("03")
    await world.enrol(school)
    await world.work()
    package = world.package(school)
    await world.post(package)
    world.clock.now = SCHOOL_CUT_OFF
    first = (await get(world, "snapshots/pending")).json()["items"]
    (due,) = [item for item in first if item["is_due"]]
    assert (due["kind"], due["holding"]) == ("SCHOOL_CONFIRMED", 1)
    assert due["packages"][0]["package_id"] == package.package_id
    for officer, officers, holding in ((DEPARTMENT, 1, 1), (DEPARTMENT, 1, 1), (SECOND_OFFICER, 2, 0)):
        decided = await world.http.post(
            "/api/v1/snapshots/overrides",
            json={
                "school_year": "2025-2026",
                "kind": "SCHOOL_CONFIRMED",
                "package_ids": [package.package_id],
                "reason": "Gói bị treo do sự cố",
            },
            headers=world.as_(officer),
        )
        shown = decided.json()
        assert (shown["holding"], shown["packages"][0]["officers"]) == (holding, officers)


@pytest.mark.parametrize("caller", ["quantri", "03"])
async def test_others_do_not_list_snapshots(world: World, caller: str) -> None:
    name = world.school(caller).code if caller == "03" else caller
    assert (await get(world, "snapshots", name)).json()["code"] == "QH-003"
