"""Transcripts as they arrive: what was changed on the way, or never approved, is disputed, not stored."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from app.client.session import RefusalError
from app.db import transaction
from app.forwarding.composing import opening_of, transcripts
from app.forwarding.life import ForwardingState
from app.forwarding.registrations import ToldSchool, read_registrations, sign_registrations
from app.forwarding.tables import forwarded_record, forwarding_registration
from app.forwarding.wire import (
    Opening,
    SentTranscript,
    digest,
    opening_claims,
    read_transcripts,
    sign_opening,
    write_lines,
    write_transcripts,
)
from app.snapshots.reading import SnapshotView, manifest_pages
from app.verify.certificates.standing import CertificateState
from app.verify.certificates.tables import trust_anchor
from tests.builders.meddling import Meddling
from tests.builders.tiers import Nation, begin_again, count, seal_upstream, trust
from tests.builders.world import SIGNED


def first_of(change: Callable[[SentTranscript], SentTranscript]) -> Callable[[str, bytes], bytes]:
    """Change the first transcript of every part, on the way."""

    def changed(path: str, octets: bytes) -> bytes:
        if not path.endswith("/transcripts"):
            return octets
        first, *others = read_transcripts(octets)
        return write_transcripts([change(first), *others])

    return changed


async def disputes_at(nation: Nation, found: SnapshotView) -> list[tuple[str | None, str]]:
    """What the ministry shows its officer."""
    answer = await nation.http.get(
        f"/api/v1/forwardings/{found.id.hex}/disputes", headers=nation.as_("bogddt")
    )
    return [(item["record_id"], item["code"]) for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda sent: replace(sent, xml=sent.xml.replace(b"2025", b"2024", 1)), {"NV-121"}),
        (lambda sent: replace(sent, receipt=sent.receipt[:-4] + "AAAA"), {"NV-124"}),
        (lambda sent: replace(sent, record_id=uuid4()), {"NV-123", "NV-120"}),
        (lambda sent: replace(sent, format_version="9.9"), {"DD-044"}),
    ],
    ids=["octet", "receipt", "code", "format"],
)
async def test_what_was_changed_on_the_way_is_disputed_and_not_stored(
    nation: Nation, change: Callable[[SentTranscript], SentTranscript], codes: set[str]
) -> None:
    found = await seal_upstream(nation.world)
    thief = Meddling(inner=nation.transport, change=first_of(change))
    held = await nation.forward(transport=thief, transcripts=100)
    assert held.state is ForwardingState.DISPUTED
    assert held.claims is not None
    assert (held.claims["root"], held.claims["held"]) == (found.root.hex(), found.size - 1)
    assert await count(nation.service.engine, forwarded_record) == found.size - 1
    disputes = await disputes_at(nation, found)
    assert {code for _, code in disputes} == codes
    shown = await nation.world.http.get(
        f"/api/v1/snapshots/{found.id.hex}/forwarding/disputes", headers=nation.world.as_("canbo.sogddt")
    )
    assert [(item["record_id"], item["code"]) for item in shown.json()["items"]] == disputes

    again = await nation.world.http.post(
        f"/api/v1/snapshots/{found.id.hex}/forward?again=true", headers=nation.world.as_("canbo.sogddt")
    )
    assert again.json()["code"] == "QH-126"  # this world is not configured to: the worker's part is handed in


async def test_a_further_round_sends_only_what_is_not_held(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    thief = Meddling(inner=nation.transport, change=first_of(lambda sent: replace(sent, xml=sent.xml + b" ")))
    assert (await nation.forward(transport=thief, transcripts=100)).state is ForwardingState.DISPUTED
    await begin_again(nation, found)
    held = await nation.forward()
    assert (held.state, held.round, held.sent) == (ForwardingState.ACKNOWLEDGED, 2, 1)
    assert await count(nation.service.engine, forwarded_record) == found.size


def decided_only(states: Sequence[CertificateState]) -> Callable[[ToldSchool], ToldSchool]:
    """Tell of each certificate only these decisions."""

    def less(school: ToldSchool) -> ToldSchool:
        certificates = tuple(
            replace(one, events=tuple(event for event in one.events if event.state in states))
            for one in school.certificates
        )
        return replace(school, certificates=certificates)

    return less


async def dishonest(nation: Nation, found: SnapshotView, bend: Callable[[ToldSchool], ToldSchool]) -> None:
    """Forward by hand as a province whose registrations say other than what it decided."""
    service = nation.world.service
    opening = await opening_of(service.engine, service.keys, found, 1)
    async with transaction(service.engine) as connection:
        (token,) = (await connection.execute(select(forwarding_registration.c.token))).scalars().all()
        codes = [line.record_id async for page in manifest_pages(service.engine, found.id) for line in page]
        sent = await transcripts(connection, codes, service.offload)
    told = read_registrations(token, service.keys.public(), snapshot_id=found.id, turn=1, number=0)
    (bent,) = sign_registrations(service.keys, found.id, 1, map(bend, told))
    stated: Opening = replace(opening_claims(opening), registrations=(digest(bent.encode()),))
    async with nation.ministry() as ministry:
        await ministry.open(found.statement, sign_opening(service.keys, stated))
        await ministry.tell_registrations(found.id, 0, bent)
        async for lines in manifest_pages(service.engine, found.id):
            await ministry.send_lines(found.id, 0, write_lines(lines))
        part = write_transcripts(sent)
        first = await ministry.send_transcripts(found.id, part)
        assert await ministry.send_transcripts(found.id, part) == first  # the same again changes nothing
        assert first == {"taken": 0, "held": 0, "disputed": found.size}
        await ministry.close(found.id)
        await nation.work()
        assert (await ministry.standing(found.id)).answer is not None


async def test_a_certificate_that_the_province_has_not_approved_is_disputed(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    await dishonest(nation, found, decided_only([CertificateState.PENDING]))
    assert {code for _, code in await disputes_at(nation, found)} == {"KS-044"}
    assert await count(nation.service.engine, forwarded_record) == 0


async def test_transcripts_of_a_school_that_was_not_told_of_are_disputed(
    nation: Nation,
) -> None:
    found = await seal_upstream(nation.world)
    await dishonest(nation, found, lambda school: replace(school, code=f"{school.code[:-1]}x"))
    assert {code for _, code in await disputes_at(nation, found)} == {"NV-126"}
    assert await count(nation.service.engine, forwarded_record) == 0


async def test_a_certificate_revoked_from_before_the_signing_is_disputed(nation: Nation) -> None:
    world = nation.world
    school = world.school("03")
    listed = await world.http.get("/api/v1/certificates", headers=world.as_(school.code))
    for item in listed.json()["items"]:
        answer = await world.http.post(
            f"/api/v1/certificates/{item['certificate_id']}/revoke",
            json={"reason_code": "keyCompromise", "effective_at": SIGNED.replace(day=1).isoformat()},
            headers=world.as_(world.authority_of(school)),
        )
        assert answer.status_code == 200, answer.text
    found = await seal_upstream(world)
    held = await nation.forward()
    assert held.state is ForwardingState.DISPUTED
    assert {code for _, code in await disputes_at(nation, found)} == {"KS-048"}


async def test_the_ministrys_trust_list_decides_which_authorities_are_believed(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    async with transaction(nation.service.engine) as connection:
        await connection.execute(update(trust_anchor).values(withdrawn_at=nation.clock()))
    assert (await nation.forward()).state is ForwardingState.DISPUTED
    assert {code for _, code in await disputes_at(nation, found)} == {"KS-039"}
    async with transaction(nation.service.engine) as connection:
        await trust(connection, nation.world)
    await begin_again(nation, found)
    assert (await nation.forward()).state is ForwardingState.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("octets", "code"),
    [(b"not framed", "NV-129"), (b"", "NV-129")],
)
async def test_a_part_that_is_none_is_refused(nation: Nation, octets: bytes, code: str) -> None:
    found = await seal_upstream(nation.world)
    await nation.forward(transport=Meddling(inner=nation.transport, change=lambda _, sent: sent))
    async with nation.ministry() as ministry:
        with pytest.raises(RefusalError) as caught:
            await ministry.send_transcripts(found.id, octets)
    assert caught.value.code == code


async def test_parts_and_packages_share_the_limits_of_what_is_unpacked(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    address = f"/api/v1/forwardings/{found.id.hex}/transcripts"
    head: dict[str, Any] = nation.as_("so-66")
    for media, body, code in (
        ("application/gzip", b"no gzip", "DD-021"),
        ("application/json", b"{}", "DD-902"),
    ):
        answer = await nation.http.post(address, content=body, headers={**head, "Content-Type": media})
        assert answer.json()["code"] == code
