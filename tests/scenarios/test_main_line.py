"""The main line: a school's package goes in over HTTP, verified records and signed receipts come out."""

import pytest_asyncio

from app.client.receipts import read_receipt
from tests.builders.service import World

LEVELS = ("02", "03", "04", "05")


@pytest_asyncio.fixture(loop_scope="session")
async def enrolled(world: World) -> World:
    await world.enrol(*(world.school(level) for level in LEVELS))
    return world


async def test_packages_of_all_four_levels_become_records_with_receipts(enrolled: World) -> None:
    world = enrolled
    jwks = (await world.http.get("/.well-known/jwks.json")).json()
    for level in LEVELS:
        school = world.school(level)
        package = world.package(school)
        answer = await world.post(package)
        assert answer.status_code == 202, answer.text
        taken = answer.json()
        assert taken["status"] == "received"
        assert taken["sha256"] == package.digest
        acknowledged = read_receipt(taken["acknowledgement"], jwks)
        assert acknowledged.claims["package_id"] == package.package_id

        await world.work()
        result = await world.read(package.package_id, caller=school.code)
        assert result["status"] == "answered"
        refused = [item for item in result["items"] if item["outcome"] != "accepted"]
        assert not refused, refused[0]["findings"]
        for item in result["items"]:
            receipt = read_receipt(item["receipt"], jwks)
            assert receipt.claims["record_id"] == item["record_id"]
            record = await world.http.get(
                f"/api/v1/records/{item['record_id']}", headers=world.as_(school.code)
            )
            assert record.json()["status"] == "issued"
            assert record.json()["content_sha256"] == receipt.claims["content_sha256"]
