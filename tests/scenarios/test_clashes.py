"""What the ledger and the door already hold against a package; and the refusals of an address itself."""

from dataclasses import replace
from uuid import uuid4

import httpx
import pytest_asyncio
from lxml import etree
from sqlalchemy import event

from app.client.packaging import NAMESPACE
from app.db import open_engine
from app.demo.province import School
from app.demo.transcripts import Composed, compose_school, sign_composed
from app.main import create_app
from tests.builders.world import SIGNED, World

Q = f"{{{NAMESPACE}}}"
LEVEL = "03"


@pytest_asyncio.fixture(loop_scope="session")
async def enrolled(world: World) -> World:
    await world.enrol(world.school(LEVEL))
    await world.work()
    return world


def composed_of(world: World, school: School) -> Composed:
    return compose_school(world.province, school, signed_at=SIGNED)[0]


async def codes_of(world: World, school: School, transcript: etree._Element) -> set[str]:
    result = await world.send(school, world.package(school, [transcript]))
    (item,) = result["items"]
    assert item["outcome"] == "rejected"
    return {finding["code"] for finding in item["findings"] if finding["severity"] == "error"}


async def test_a_package_id_used_for_another_school_year_is_taken(enrolled: World) -> None:
    package = enrolled.package(enrolled.school(LEVEL))
    assert (await enrolled.post(package)).status_code == 202
    refused = await enrolled.post(replace(package, school_year="2024-2025"))
    assert (refused.status_code, refused.json()["code"]) == (409, "TR-011")


async def test_a_look_up_code_is_never_used_for_other_content(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    composed = composed_of(enrolled, school)
    first = await enrolled.send(school, enrolled.package(school, [sign_composed(composed, signed_at=SIGNED)]))
    assert first["accepted"] == 1
    name = composed.element.find(f"{Q}NoiDung/{Q}HocSinh/{Q}MaHocSinh")
    assert name is not None
    name.text = "6699999999"
    other = sign_composed(composed, signed_at=SIGNED)
    assert await codes_of(enrolled, school, other) == {"TR-012"}


async def test_another_school_cannot_issue_what_a_pupil_has_already(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    composed = composed_of(enrolled, school)
    first = await enrolled.send(school, enrolled.package(school, [sign_composed(composed, signed_at=SIGNED)]))
    assert first["accepted"] == 1
    rival = next(
        other
        for other in enrolled.province.schools
        if other.level == "02" and other.seal_status == "approved"
    )
    await enrolled.enrol(rival)
    content = composed.element[0]
    code = uuid4().hex
    content.set("Id", f"hb-{code}")
    for path, text in (("MaTraCuu", code), ("MaTruong", rival.code)):
        field = content.find(f"{Q}{path}")
        assert field is not None
        field.text = text
    for person in composed.element.iter(f"{Q}ThuTruong"):
        person[0].text = rival.head.person.full_name
        person[1].text = rival.head.person.identity_number
    forged = sign_composed(replace(composed, school=rival), signed_at=SIGNED, has_teachers=False)
    assert await codes_of(enrolled, rival, forged) == {"TR-014"}


async def test_an_unknown_format_version_is_answered_and_not_stuck(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    package = replace(enrolled.package(school), schema_version="9.9")
    result = await enrolled.send(school, package)
    assert (result["status"], result["is_delayed"]) == ("answered", False)
    (refusal,) = result["findings"]
    assert (refusal["code"], refusal["facts"]) == ("DD-044", {"found": "9.9", "supported": "1.0"})


async def test_an_address_is_refused_for_what_it_is(enrolled: World) -> None:
    caller = enrolled.as_(enrolled.school(LEVEL).code)
    for address, code in (("packages/goi-1", "DD-905"), ("packages/%00", "DD-913")):
        answer = await enrolled.http.get(f"/api/v1/{address}", headers=caller)
        assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_a_lost_database_is_no_fault_of_the_sender(world: World) -> None:
    engine = open_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none", pool_size=1)
    app = create_app(replace(world.service, engine=engine))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "HT-002")
    await engine.dispose()


async def test_a_full_disk_is_no_fault_of_the_sender(world: World, database_url: str) -> None:
    """PostgreSQL itself says so, in the request's transaction: come back later, nothing is confirmed."""
    engine = open_engine(database_url, pool_size=1)
    full = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$"
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql(full))
    transport = httpx.ASGITransport(
        create_app(replace(world.service, engine=engine)), raise_app_exceptions=False
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, "HT-002")
    assert int(answer.headers["retry-after"]) > 0
    await engine.dispose()
