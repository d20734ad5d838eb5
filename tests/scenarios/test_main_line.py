"""The main line: a school's package goes in over HTTP, verified records and signed receipts come out."""

import pytest
import pytest_asyncio

from app.client.receipts import read_receipt
from app.client.signing import Canonicalisation, Role, sign_transcript
from app.demo.transcripts import compose_school
from tests.builders.world import SIGNED, World

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


@pytest.mark.parametrize("canonicalisation", list(Canonicalisation))
async def test_the_habit_of_e_invoice_signers_is_accepted(
    enrolled: World, canonicalisation: Canonicalisation
) -> None:
    school = enrolled.school("03")
    transcripts = []
    for composed in compose_school(enrolled.province, school, signed_at=SIGNED):
        for role, credential in ((Role.HEAD, school.head.credential), (Role.SCHOOL, school.seal)):
            sign_transcript(
                composed.element,
                role=role,
                key=credential.key,
                certificate=credential.certificate,
                signed_at=SIGNED,
                style="properties",
                canonicalisation=canonicalisation,
            )
        transcripts.append(composed.element)
    result = await enrolled.send(school, enrolled.package(school, transcripts))
    assert result["accepted"] == result["total"], result["items"][0]["findings"]
