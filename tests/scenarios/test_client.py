"""The sender's own client against the running service: what a school's software does at a year's end."""

from collections.abc import AsyncIterator
from hashlib import sha256
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from app.actors import System
from app.client.api import HocBaClient
from app.client.receipts import check_package, check_transcript, read_receipt
from app.client.session import Patience, RefusalError
from app.db import transaction
from app.organisations.clients import create_client
from tests.builders.world import World


class LossyTransport(httpx.AsyncBaseTransport):
    """Delivers everything, and loses the answers to as many packages as it is told."""

    def __init__(self, world: World) -> None:
        self.losses = 0
        self.posts = 0
        self._delivered = httpx.ASGITransport(world.app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._delivered.handle_async_request(request)
        if request.method == "POST" and request.url.path.endswith("/packages"):
            self.posts += 1
            if self.losses:
                self.losses -= 1
                raise httpx.ReadTimeout("the answer was lost", request=request)
        return answer


@pytest.fixture
def transport(world: World) -> LossyTransport:
    return LossyTransport(world)


@pytest_asyncio.fixture(loop_scope="session")
async def client(world: World, transport: LossyTransport) -> AsyncIterator[HocBaClient]:
    async def no_pause(_: float) -> None:
        await world.work()

    async with transaction(world.service.engine) as connection:
        made, secret = await create_client(
            connection,
            name="Phần mềm thử",
            client_id="phan-mem-thu",
            school_codes=[school.code for school in world.province.schools],
            now=world.clock(),
            actor=System(),
        )
    async with HocBaClient(
        "http://hocba.test",
        made.client_id,
        secret,
        transport=transport,
        patience=Patience(attempts=3, sleep=no_pause),
    ) as opened:
        yield opened


async def test_from_registration_to_receipt(world: World, client: HocBaClient) -> None:
    school = world.school("03")
    for role, credential in (("NHA_TRUONG", school.seal), ("THU_TRUONG", school.head.credential)):
        registered = await client.register_certificate(
            school_code=school.code, role=role, certificate=credential.certificate, key=credential.key
        )
        assert registered["state"] == "pending"
        await world.approve(school, registered["certificate_id"])
    approved = [item["role"] async for item in client.certificates(status="approved")]
    assert sorted(approved) == ["NHA_TRUONG", "THU_TRUONG"]
    package = world.package(school)
    tried = await client.validate(package)
    assert (tried["accepted"], tried["rejected"]) == (tried["total"], 0), tried["items"]

    sent = await client.send(package)
    assert (sent.sha256, sent.was_recovered) == (package.digest, False)
    result = await client.wait_for_result(package.package_id, seconds=60)
    assert result["accepted"] == result["total"] == 3
    jwks = await client.service_jwks()
    check_package(read_receipt(sent.acknowledgement, jwks), package.gzipped)
    assert await client.payload(package.package_id) == package.gzipped
    assert [item["package_id"] async for item in client.packages(status="answered")] == [package.package_id]

    for item in result["items"]:
        xml = await client.record_xml(item["record_id"])
        token = await client.record_receipt(item["record_id"])
        assert token == item["receipt"]
        receipt = read_receipt(token, jwks)
        check_transcript(receipt, xml)
        assert sha256(xml).hexdigest() == receipt.claims["xml_sha256"]
        assert (await client.record(item["record_id"]))["record_id"] == item["record_id"]
    pupil = school.classes[0].pupils[0].student_code
    assert len([item async for item in client.student_records(pupil)]) == 1


@pytest.mark.parametrize("is_raw", [False, True])
async def test_a_lost_answer_is_found_again_and_nothing_is_sent_twice(
    *, world: World, client: HocBaClient, transport: LossyTransport, is_raw: bool
) -> None:
    school = world.school("02")
    await world.enrol(school)
    package = world.package(school)
    transport.losses = 1
    sent = await client.send(package, is_raw=is_raw)
    assert sent.was_recovered
    assert transport.posts == 1
    check_package(read_receipt(sent.acknowledgement, await client.service_jwks()), package.as_json())
    again = await client.send(package, is_raw=not is_raw)
    assert again.acknowledgement == sent.acknowledgement


async def test_other_bytes_under_the_same_id_are_refused_by_name(world: World, client: HocBaClient) -> None:
    school = world.school("02")
    first = world.package(school)
    await client.send(first)
    renamed = world.package(school, world.signed(school, seed=67), id_=UUID(first.package_id))
    with pytest.raises(RefusalError) as caught:
        await client.send(renamed)
    assert (caught.value.status, caught.value.code) == (409, "TR-010")
    assert (await client.digest(renamed.digest))["is_known"] is False
