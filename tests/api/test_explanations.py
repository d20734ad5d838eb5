"""Explanations over HTTP, from a document that gives rise to a query to the authority's review."""

from typing import Any

import pytest_asyncio
from lxml import etree

from app.client.packaging import NAMESPACE
from app.demo.province import School
from app.demo.transcripts import compose_school, sign_composed
from tests.builders.world import SIGNED, World

# Chemistry, a subject of upper secondary, in a lower secondary transcript.
ELSEWHERE = "36"
QUERY = "MA-013"


@pytest_asyncio.fixture(loop_scope="session")
async def queried(world: World) -> tuple[World, School, dict[str, Any]]:
    """A lower secondary school whose first transcript was accepted with a query."""
    school = world.school("03")
    await world.enrol(school)
    composed = compose_school(world.province, school, signed_at=SIGNED, seed=66)
    code: etree._Element = next(composed[0].element.iter(f"{{{NAMESPACE}}}Ma"))
    code.text = ELSEWHERE
    signed = [sign_composed(one, signed_at=SIGNED) for one in composed]
    answer = await world.send(school, world.package(school, signed))
    item = answer["items"][0]
    assert item["outcome"] == "accepted", item
    assert [(f["code"], f["severity"]) for f in item["findings"]] == [(QUERY, "query")]
    return world, school, answer


async def explain(
    world: World, answer: dict[str, Any], caller: str, *, position: int = 1, code: str = QUERY
) -> Any:
    return await world.http.post(
        f"/api/v1/packages/{answer['package_id']}/items/{position}/explanations",
        json={"code": code, "text": "Môn tự chọn theo đề án của tỉnh"},
        headers=world.as_(caller),
    )


async def review(world: World, explanation_id: str, action: str, caller: str, **body: str) -> Any:
    return await world.http.post(
        f"/api/v1/explanations/{explanation_id}/{action}", json=body, headers=world.as_(caller)
    )


async def test_a_query_is_explained_reviewed_and_shown_with_the_record(
    queried: tuple[World, School, dict[str, Any]],
) -> None:
    world, school, answer = queried
    officer = world.authority_of(school)
    given = await explain(world, answer, school.code)
    assert given.status_code == 201, given.text
    first = given.json()
    assert (first["status"], first["code"], first["position"]) == ("given", QUERY, 1)
    assert (await explain(world, answer, school.code)).json()["code"] == "QH-068"

    waiting = await world.http.get("/api/v1/explanations?status=given", headers=world.as_(officer))
    assert [row["explanation_id"] for row in waiting.json()["items"]] == [first["explanation_id"]]
    assert (await review(world, first["explanation_id"], "decline", officer)).json()["code"] == "QH-023"
    declined = await review(world, first["explanation_id"], "decline", officer, reason="Chưa có đề án")
    assert (declined.json()["status"], declined.json()["reason"]) == ("declined", "Chưa có đề án")
    assert (await review(world, first["explanation_id"], "accept", officer)).json()["code"] == "QH-066"

    second = (await explain(world, answer, school.code)).json()
    accepted = await review(world, second["explanation_id"], "accept", officer)
    assert accepted.json()["status"] == "accepted"
    assert accepted.json()["decided_at"] is not None

    record_id = answer["items"][0]["record_id"]
    record = await world.http.get(f"/api/v1/records/{record_id}", headers=world.as_(officer))
    shown = [(line["code"], line["status"]) for line in record.json()["explanations"]]
    assert shown == [(QUERY, "declined"), (QUERY, "accepted")]
    of_item = await world.http.get(
        f"/api/v1/packages/{answer['package_id']}/items/1/explanations", headers=world.as_(school.code)
    )
    assert len(of_item.json()["items"]) == 2


async def test_only_a_query_of_ones_own_is_explained_and_only_its_authority_reviews(
    queried: tuple[World, School, dict[str, Any]],
) -> None:
    world, school, answer = queried
    rival = next(s for s in world.province.software if school.code not in s.schools).client_id
    assert (await explain(world, answer, school.code, code="MA-001")).json()["code"] == "QH-067"
    assert (await explain(world, answer, school.code, position=2)).json()["code"] == "QH-067"
    assert (await explain(world, answer, school.code, position=99)).json()["code"] == "QH-067"
    assert (await explain(world, answer, rival)).json()["code"] == "QH-005"
    assert (await explain(world, answer, world.authority_of(school))).json()["code"] == "QH-003"
    given = (await explain(world, answer, school.code)).json()["explanation_id"]
    refused = {
        caller: (await review(world, given, "accept", caller)).json()["code"]
        for caller in (school.code, "bogddt", "quantri")
    }
    assert set(refused.values()) == {"QH-003"}
    strangers = [o.username for o in world.province.officers if o.organisation != school.managed_by]
    codes = {(await review(world, given, "accept", stranger)).json()["code"] for stranger in strangers}
    assert codes <= {"QH-005", "QH-021", "QH-003"}
    assert (await review(world, "0" * 32, "accept", world.authority_of(school))).json()["code"] == "QH-005"
