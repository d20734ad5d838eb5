"""Revocation as a school, an operator and an officer meet it: held, refused, settled; fetched and shown."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.x509 import ocsp
from sqlalchemy.ext.asyncio import AsyncConnection

from app import jobs
from app.db import transaction
from app.demo.authority import Authority, Credential
from app.demo.province import School
from app.errors import DomainError
from app.ingest.package import JUDGE_PACKAGE
from app.ingest.process import judge_package
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.fetching import FetchRules
from app.verify.revocation.known import KnownRevocations
from app.verify.revocation.refreshing import refresh
from app.verify.revocation.shelf import Shelf, Taken, hold_shelf, shelf_version, take_crl
from tests.builders.publisher import publisher, whole
from tests.builders.revocation import Revoked, delegate, make_crl, make_ocsp, seal_with_responder
from tests.builders.world import NOW, SIGNED, World

LEVEL = "03"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MAY_BE_NEAR = FetchRules(max_bytes=100_000, seconds=5, may_be_private=True)


@pytest_asyncio.fixture(loop_scope="session")
async def enrolled(world: World) -> World:
    await world.enrol(world.school(LEVEL))
    await world.work()
    return world


def authority_of(world: World, certificate: x509.Certificate) -> Authority:
    return next(
        found
        for found in world.province.authorities
        if found.issuing.certificate.subject == certificate.issuer
    )


def crl(credential: Credential, revoked: Mapping[int, Revoked] | None = None, **rest: Any) -> bytes:
    given = {"this_update": NOW - HOUR, **rest}
    return make_crl((credential.certificate, credential.key), revoked=revoked, **given)


async def take(world: World, content: bytes) -> Taken:
    async with transaction(world.service.engine) as connection:
        return await take_crl(
            connection,
            content,
            source="import",
            now=world.clock(),
            acceptance=ACCEPTANCE,
            offload=world.service.offload,
        )


async def choose(world: World, value: str) -> None:
    answer = await world.http.post(
        "/api/v1/policies",
        json={"key": "revocation_checking", "value": value, "province": "66", "reason": "Thử nghiệm"},
        headers=world.as_(next(o.username for o in world.province.officers if o.organisation == "66")),
    )
    assert answer.status_code == 201, answer.text


def codes(item: Mapping[str, Any]) -> set[str]:
    return {found["code"] for found in item["findings"]}


async def send_all(world: World, school: School) -> dict[str, Any]:
    return await world.send(school, world.package(school))


async def evidence_shown(world: World, school: School, answer: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What the records of an answer say, signature by signature, that their revocation was judged by."""
    shown = []
    for item in answer["items"]:
        record = await world.http.get(f"/api/v1/records/{item['record_id']}", headers=world.as_(school.code))
        shown += [signature["evidence"] for signature in record.json()["signatures"]]
    assert shown
    return shown


async def take_whole_paths(world: World, school: School) -> None:
    """Lists of every authority above a school's signers, none of which revokes anything."""
    for authority in {id(a): a for a in world.province.authorities}.values():
        for credential in (authority.root, authority.issuing):
            await take(world, crl(credential))


async def test_missing_data_does_not_refuse_and_is_not_told_unless_required(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    answer = await send_all(enrolled, school)
    assert answer["accepted"] == answer["total"]
    assert not codes(answer["items"][0]) & {"KS-060", "KS-061", "KS-062", "KS-063"}
    for evidence in await evidence_shown(enrolled, school, answer):
        assert [one["status"] for one in evidence] == ["unknown", "unknown"]
        assert {one["source"] for one in evidence} == {None}


async def test_required_data_is_waited_for_and_settles_by_itself(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    await choose(enrolled, "require")
    enrolled.clock.advance(HOUR)
    package = enrolled.package(school)
    held = await enrolled.send(school, package)
    assert held["held"] == held["total"] > 0
    assert codes(held["items"][0]) == {"KS-061"}

    authority = authority_of(enrolled, school.seal.certificate)
    assert (await take(enrolled, crl(authority.issuing))).is_new
    await enrolled.work()
    assert (await enrolled.read(package.package_id, caller=school.code))["held"] == held["total"]

    await take_whole_paths(enrolled, school)
    await enrolled.work()
    settled = await enrolled.read(package.package_id, caller=school.code)
    assert settled["accepted"] == settled["total"]
    for evidence in await evidence_shown(enrolled, school, settled):
        assert [one["status"] for one in evidence] == ["good", "good"]
        assert {one["source"] for one in evidence} == {"crl"}
        assert all(one["number"] == "1" and len(one["sha256"]) == 64 for one in evidence)
        assert all(one["produced_at"] < one["next_update"] for one in evidence)
        assert len({one["certificate"] for one in evidence}) == 2


async def test_a_held_transcript_is_refused_when_the_list_names_its_certificate(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    await choose(enrolled, "require")
    enrolled.clock.advance(HOUR)
    package = enrolled.package(school)
    await enrolled.send(school, package)
    authority = authority_of(enrolled, school.seal.certificate)
    serial = school.seal.certificate.serial_number
    await take(enrolled, crl(authority.issuing, {serial: Revoked(at=SIGNED - DAY)}))
    await enrolled.work()
    settled = await enrolled.read(package.package_id, caller=school.code)
    assert settled["rejected"] == settled["total"]
    assert "KS-060" in codes(settled["items"][0])


@pytest.mark.parametrize(
    ("entry", "outcome", "code"),
    [
        (Revoked(at=SIGNED - DAY), "rejected", "KS-060"),
        (Revoked(at=SIGNED + HOUR), "accepted", None),
        (
            Revoked(at=SIGNED + HOUR, reason=x509.ReasonFlags.key_compromise, invalid_since=SIGNED - DAY),
            "rejected",
            "KS-060",
        ),
        (Revoked(at=SIGNED - DAY, reason=x509.ReasonFlags.certificate_hold), "held", "KS-062"),
    ],
)
async def test_a_known_revocation_counts_as_of_the_signing_time(
    enrolled: World, entry: Revoked, outcome: str, code: str | None
) -> None:
    school = enrolled.school(LEVEL)
    authority = authority_of(enrolled, school.seal.certificate)
    await take(enrolled, crl(authority.issuing, {school.seal.certificate.serial_number: entry}))
    answer = await send_all(enrolled, school)
    assert answer[outcome] == answer["total"] > 0
    assert codes(answer["items"][0]) & {"KS-060", "KS-062"} == ({code} if code else set())


async def test_a_hold_that_is_lifted_settles(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    authority = authority_of(enrolled, school.seal.certificate)
    hold = Revoked(at=SIGNED - DAY, reason=x509.ReasonFlags.certificate_hold)
    await take(enrolled, crl(authority.issuing, {school.seal.certificate.serial_number: hold}))
    package = enrolled.package(school)
    assert (await enrolled.send(school, package))["held"]
    await take(enrolled, crl(authority.issuing, this_update=NOW - HOUR / 2, number=2))
    await enrolled.work()
    assert (await enrolled.read(package.package_id, caller=school.code))["held"] == 0


async def test_an_authority_that_was_revoked_takes_its_signers_with_it(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    authority = authority_of(enrolled, school.seal.certificate)
    serial = authority.issuing.certificate.serial_number
    await take(enrolled, crl(authority.root, {serial: Revoked(at=SIGNED - DAY)}))
    answer = await send_all(enrolled, school)
    assert answer["rejected"] == answer["total"]
    assert "KS-063" in codes(answer["items"][0])


async def test_switched_off_nothing_is_looked_at(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    authority = authority_of(enrolled, school.seal.certificate)
    serial = school.seal.certificate.serial_number
    await take(enrolled, crl(authority.issuing, {serial: Revoked(at=SIGNED - DAY)}))
    await choose(enrolled, "off")
    enrolled.clock.advance(HOUR)
    answer = await send_all(enrolled, school)
    assert answer["accepted"] == answer["total"]


async def test_a_list_is_taken_once_and_only_from_a_trusted_authority(world: World) -> None:
    authority = world.province.authorities[0]
    content = crl(authority.issuing)
    assert (await take(world, content)).is_new
    assert not (await take(world, content)).is_new
    with pytest.raises(DomainError) as stranger:
        await take(world, crl(world.school(LEVEL).seal))
    assert stranger.value.code == "KS-071"
    with pytest.raises(DomainError) as junk:
        await take(world, b"<html>")
    assert junk.value.code == "KS-070"


async def test_nothing_comes_in_while_an_answer_for_held_items_is_written(world: World) -> None:
    content = crl(world.province.authorities[0].issuing)
    async with transaction(world.service.engine) as connection:
        await hold_shelf(connection)
        coming = asyncio.create_task(take(world, content))
        await asyncio.wait({coming}, timeout=0.3)
        assert not coming.done()
        assert await shelf_version(connection) == (0, 0)
    assert (await coming).is_new


async def test_what_was_judged_before_data_came_is_judged_again(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    await choose(enrolled, "require")
    enrolled.clock.advance(HOUR)
    package = enrolled.package(school)
    assert (await enrolled.post(package)).status_code == 202
    shelf = enrolled.service.bench.shelf
    stale = KnownRevocations()

    class ShelfOfBefore(Shelf):
        """Gives what was known before the data came, the first time it is asked."""

        asked = 0

        async def known(self, connection: AsyncConnection) -> KnownRevocations:
            self.asked += 1
            return stale if self.asked == 1 else await shelf.known(connection)

    await take_whole_paths(enrolled, school)
    before = ShelfOfBefore(enrolled.service.offload)
    async with transaction(enrolled.service.engine) as connection:
        job = next(
            job
            for job in await jobs.claim(connection, worker="w", lease=HOUR, limit=9)
            if job.kind == JUDGE_PACKAGE
        )
    await judge_package(replace(enrolled.service.bench, shelf=before), job, "w")
    assert before.asked == 2
    answer = await enrolled.read(package.package_id, caller=school.code)
    assert answer["accepted"] == answer["total"]


async def test_what_is_fetched_and_what_failed_is_shown(world: World) -> None:
    authority = world.province.authorities[0]
    answers = {"/ca.crl": whole(crl(authority.issuing)), "/bad.crl": whole(b"<html>")}
    async with publisher(answers) as home:
        refresher = replace(
            world.service.refresher,
            rules=MAY_BE_NEAR,
            addresses=(f"{home}/ca.crl", f"{home}/bad.crl", f"{home}/gone.crl"),
        )
        assert await refresh(refresher) == {"lists": 1, "answers": 0, "failed": 2}
        assert await refresh(refresher) == {"lists": 0, "answers": 0, "failed": 2}
    view = (await world.http.get("/api/v1/revocation", headers=world.as_("quantri"))).json()
    assert [row["issuer"] for row in view["lists"]] == [
        authority.issuing.certificate.subject.rfc4514_string()
    ]
    assert view["lists"][0]["is_current"] is True
    assert [row["code"] for row in view["sources"]] == ["KS-070", None, "KS-086"]
    assert all(row["message_vi"] for row in view["sources"] if row["code"])
    assert len(view["silent"]) == 2 * len(world.province.authorities) - 1
    assert view["asks_responders"] is False

    world.clock.advance(8 * DAY)
    later = (await world.http.get("/api/v1/revocation", headers=world.as_("quantri"))).json()
    assert later["lists"][0]["is_current"] is False


async def test_responders_are_asked_about_approved_certificates_where_that_is_switched_on(
    world: World,
) -> None:
    school, answers = world.school(LEVEL), dict[str, bytes]()
    authority = authority_of(world, school.seal.certificate)
    issuing = authority.issuing
    async with publisher(answers) as home:
        seal = seal_with_responder(authority, f"{home}/ocsp")
        answers["/ocsp"] = whole(
            make_ocsp(
                (issuing.certificate, issuing.key),
                seal.certificate,
                issuing.certificate,
                this_update=NOW - HOUR,
                status=ocsp.OCSPCertStatus.REVOKED,
                revoked_at=SIGNED - DAY,
            )
        )
        off = replace(world.service.refresher, rules=MAY_BE_NEAR)
        on = replace(off, asks_responders=True)
        registered = await world.register(school, "NHA_TRUONG", seal)
        assert (await refresh(on))["answers"] == 0
        await world.approve(school, registered)
        assert (await refresh(off))["answers"] == 0
        assert await refresh(on) == {"lists": 0, "answers": 1, "failed": 0}
        assert await refresh(on) == {"lists": 0, "answers": 0, "failed": 0}
    view = (await world.http.get("/api/v1/revocation", headers=world.as_("quantri"))).json()
    assert view["responses"] == 1
    shown = await world.http.get(
        f"/api/v1/certificates/{registered}", headers=world.as_(world.authority_of(school))
    )
    check = next(row for row in shown.json()["checks"] if row["name"] == "revocation")
    assert (check["indication"], check["code"]) == ("failed", "KS-060")


async def test_a_responder_whom_its_authority_revoked_is_not_believed(world: World) -> None:
    school, answers = world.school(LEVEL), dict[str, bytes]()
    authority = authority_of(world, school.seal.certificate)
    responder = delegate(authority)
    entry = Revoked(at=SIGNED, reason=x509.ReasonFlags.key_compromise)
    async with publisher(answers) as home:
        seal = seal_with_responder(authority, f"{home}/ocsp")
        answers["/ocsp"] = whole(
            make_ocsp(
                (responder.certificate, responder.key),
                seal.certificate,
                authority.issuing.certificate,
                this_update=NOW - HOUR,
                carried=[responder.certificate],
            )
        )
        await world.approve(school, await world.register(school, "NHA_TRUONG", seal))
        await take(world, crl(authority.issuing, {responder.certificate.serial_number: entry}))
        refresher = replace(world.service.refresher, rules=MAY_BE_NEAR, asks_responders=True)
        assert await refresh(refresher) == {"lists": 0, "answers": 0, "failed": 1}
    view = (await world.http.get("/api/v1/revocation", headers=world.as_("quantri"))).json()
    assert [(row["kind"], row["code"]) for row in view["sources"]] == [("ocsp", "KS-084")]
    assert view["responses"] == 0


async def test_the_impact_of_a_key_is_listed_for_the_authority(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    answer = await send_all(enrolled, school)
    listing = await enrolled.http.get("/api/v1/certificates", headers=enrolled.as_(school.code))
    seal = next(row for row in listing.json()["items"] if row["role"] == "NHA_TRUONG")
    officer = enrolled.as_(enrolled.authority_of(school))
    address = f"/api/v1/certificates/{seal['certificate_id']}/impact"

    whole_list = (await enrolled.http.get(address, headers=officer)).json()
    assert whole_list["total"] == {"standing": answer["total"], "recalled": 0, "replaced": 0}
    assert {row["record_id"] for row in whole_list["items"]} == {
        item["record_id"] for item in answer["items"]
    }
    assert {(row["role"], row["status"]) for row in whole_list["items"]} == {("NHA_TRUONG", "issued")}

    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "1", **({"cursor": cursor} if cursor else {})}
        page = (await enrolled.http.get(address, params=query, headers=officer)).json()
        seen += [row["record_id"] for row in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [row["record_id"] for row in whole_list["items"]]

    after = {"since": (SIGNED + HOUR).isoformat()}
    none = (await enrolled.http.get(address, params=after, headers=officer)).json()
    assert none["items"] == []
    assert none["total"]["standing"] == 0
    forged = await enrolled.http.get(address, params={"cursor": "WyJ4IiwieCIsMV0"}, headers=officer)
    assert (forged.status_code, forged.json()["code"]) == (400, "DD-903")


async def test_renewing_leaves_what_the_old_certificate_signed_as_it_was(enrolled: World) -> None:
    school = enrolled.school(LEVEL)
    listing = await enrolled.http.get("/api/v1/certificates", headers=enrolled.as_(school.code))
    old = next(row for row in listing.json()["items"] if row["role"] == "NHA_TRUONG")
    other = next(s for s in enrolled.province.schools if s.code != school.code)
    renewed = await enrolled.register(school, "NHA_TRUONG", other.seal, renews=old["certificate_id"])
    await enrolled.approve(school, renewed)
    shown = await enrolled.http.get(f"/api/v1/certificates/{renewed}", headers=enrolled.as_(school.code))
    assert shown.json()["renews"] == old["certificate_id"]
    answer = await send_all(enrolled, school)
    assert answer["accepted"] == answer["total"]
    assert json.dumps(shown.json()["checks"]).count("revocation") == 1
