"""The ministry's recount and answer: what is missing, what stands otherwise, what a later seal adds."""

import pytest

from app.client.session import RefusalError
from app.db import transaction
from app.forwarding.composing import opening_of, registration_part
from app.forwarding.life import ArrivalState, ForwardingState
from app.forwarding.ministry import Ministry
from app.forwarding.tables import forwarded_claim, forwarded_record, forwarding_answer
from app.forwarding.wire import write_lines
from app.snapshots.manifest import Line
from app.snapshots.reading import SnapshotView, manifest_pages
from app.snapshots.scopes import SnapshotKind
from tests.builders.tiers import FINAL_CUT_OFF, MINUTE, Nation, count, seal_upstream


async def told(nation: Nation, ministry: Ministry, found: SnapshotView) -> None:
    """Open, tell registrations and manifest; no transcript is sent."""
    service = nation.world.service
    await ministry.open(found.statement, await opening_of(service.engine, service.keys, found, 1))
    async with transaction(service.engine) as connection:
        part = await registration_part(connection, found.id, 1, 0)
    await ministry.tell_registrations(found.id, 0, part)
    async for lines in manifest_pages(service.engine, found.id):
        await ministry.send_lines(found.id, 0, write_lines(lines))


async def test_what_was_never_sent_is_disputed_and_the_rest_is_counted(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    async with nation.ministry() as ministry:
        await told(nation, ministry, found)
        missing = await ministry.missing(found.id, None)
        assert missing == [line.record_id for line in await lines_of(nation, found)]
        assert await ministry.missing(found.id, missing[0]) == missing[1:]
        assert (await ministry.close(found.id)).state is ArrivalState.CLOSING
        assert (await ministry.close(found.id)).state is ArrivalState.CLOSING
        with pytest.raises(RefusalError) as caught:
            await ministry.send_transcripts(found.id, b"x")
        assert caught.value.code in {"TH-081", "NV-129"}
        await nation.work()
        standing = await ministry.standing(found.id)
        assert standing.state is ArrivalState.DISPUTED
        codes = [dispute.code async for page in ministry.disputes(found.id, 1) for dispute in page]
        assert codes == ["NV-120"] * found.size
    assert await count(nation.service.engine, forwarding_answer) == 1


async def lines_of(nation: Nation, found: SnapshotView) -> list[Line]:
    engine = nation.world.service.engine
    return [line async for page in manifest_pages(engine, found.id) for line in page]


async def test_parts_that_are_missing_or_changed_keep_it_open(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    service = nation.world.service
    async with nation.ministry() as ministry:
        await ministry.open(found.statement, await opening_of(service.engine, service.keys, found, 1))
        with pytest.raises(RefusalError) as caught:
            await ministry.close(found.id)
        assert (caught.value.status, caught.value.code) == (409, "NV-130")
        lines = write_lines(await lines_of(nation, found))
        async with transaction(service.engine) as connection:
            token = await registration_part(connection, found.id, 1, 0)
        for wrong in (
            ministry.send_lines(found.id, 0, lines.replace(b'"late":false', b'"late":true', 1)),
            ministry.send_lines(found.id, 1, lines),
            ministry.tell_registrations(found.id, 0, token[:-1] + ("A" if token[-1] != "A" else "B")),
        ):
            with pytest.raises(RefusalError) as caught:
                await wrong
            assert (caught.value.status, caught.value.code) == (422, "NV-128")
        for _ in range(2):  # each part is taken once, however often it comes
            await ministry.send_lines(found.id, 0, lines)
            await ministry.tell_registrations(found.id, 0, token)
        standing = await ministry.standing(found.id)
        assert (standing.registrations, standing.manifest) == ([], [])
    assert (await nation.forward()).state is ForwardingState.ACKNOWLEDGED


async def test_a_later_snapshot_sends_only_what_is_new(nation: Nation) -> None:
    world = nation.world
    confirmed = await seal_upstream(world)
    assert (await nation.forward()).sent == confirmed.size
    school = world.school("04")
    world.clock.now = FINAL_CUT_OFF - MINUTE
    await world.enrol(school)
    answer = await world.send(school, world.package(school))
    final = await seal_upstream(world, SnapshotKind.UPSTREAM_FINAL)
    held = await nation.forward()
    assert held.claims is not None
    assert (held.state, held.claims["held"]) == (ForwardingState.ACKNOWLEDGED, final.size)
    assert held.sent == final.size - confirmed.size >= answer["accepted"]
    assert await count(nation.service.engine, forwarded_record) == final.size
    assert await count(nation.service.engine, forwarded_claim) == final.size


async def test_a_code_that_stands_for_another_provinces_transcript_is_disputed(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    taken = (await lines_of(nation, found))[0]
    async with transaction(nation.service.engine) as connection:
        await connection.execute(
            forwarded_claim.insert().values(
                record_id=taken.record_id, province_code="37", school_year=2025,
                content_sha256=bytes(32), xml_sha256=bytes(32),
            )
        )  # fmt: skip
    held = await nation.forward()
    assert (held.state, held.sent) == (ForwardingState.DISPUTED, found.size - 1)
    async with nation.ministry() as ministry:
        disputes = [one async for page in ministry.disputes(found.id, 1) for one in page]
    assert [(one.subject, one.code) for one in disputes] == [(taken.record_id.hex, "TR-080")]
