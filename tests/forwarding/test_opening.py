"""The ministry's door: whose snapshot, signed by which key, in which round; everything else is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from joserfc import jws

from app.actors import System
from app.api.tokens import TokenKind, TokenSubject
from app.client.session import RefusalError
from app.db import transaction
from app.forwarding.composing import opening_of
from app.forwarding.life import ForwardingState
from app.forwarding.ministry import Ministry
from app.forwarding.provinces import add_keys, withdraw_key
from app.forwarding.tables import arrival
from app.forwarding.wire import digest, opening_claims, sign_opening
from app.keys import open_key_ring
from app.organisations.clients import create_client
from app.snapshots.reading import SnapshotView
from tests.builders.tiers import Nation, begin_again, count, seal_upstream


async def composed(nation: Nation, found: SnapshotView) -> str:
    service = nation.world.service
    return await opening_of(service.engine, service.keys, found, 1)


async def refusal(ministry: Ministry, statement: str, opening: str) -> tuple[int, str]:
    with pytest.raises(RefusalError) as caught:
        await ministry.open(statement, opening)
    return caught.value.status, caught.value.code


async def test_another_departments_client_forwards_nothing_of_ours(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    opening = await composed(nation, found)
    async with nation.ministry("37") as stranger:
        assert await refusal(stranger, found.statement, opening) == (403, "QH-123")
        async with transaction(nation.service.engine) as connection:  # even if its keys were ours
            keys = nation.world.service.keys.public()
            await add_keys(connection, "37", keys, now=nation.clock(), actor=System())
        assert await refusal(stranger, found.statement, opening) == (403, "QH-122")
    assert await count(nation.service.engine, arrival) == 0
    held = await nation.forward()
    assert held.state is ForwardingState.ACKNOWLEDGED
    async with nation.ministry("37") as stranger:
        for ask in (stranger.standing(found.id), stranger.missing(found.id, None), stranger.close(found.id)):
            with pytest.raises(RefusalError) as caught:
                await ask
            assert (caught.value.status, caught.value.code) == (404, "QH-005")


async def test_a_refused_forwarding_waits_for_its_operators(nation: Nation) -> None:
    """The province's key is not known: the forwarding says so, and a further round goes through."""
    found = await seal_upstream(nation.world)
    kid = str(nation.world.service.keys.active.kid)
    async with transaction(nation.service.engine) as connection:
        await withdraw_key(connection, "66", kid, now=nation.clock(), actor=System())
    held = await nation.forward()
    assert (held.state, "QH-123" in (held.last_error or "")) == (ForwardingState.REFUSED, True)
    assert (await nation.forward()).state is ForwardingState.REFUSED
    assert await count(nation.service.engine, arrival) == 0
    assert found.size


async def test_only_a_key_that_was_taken_down_is_believed(nation: Nation, tmp_path: Path) -> None:
    found = await seal_upstream(nation.world)
    opening = await composed(nation, found)
    stranger = open_key_ring(tmp_path / "stranger", nation.clock())
    forged = sign_opening(stranger, opening_claims(opening))
    async with nation.ministry() as ministry:
        assert await refusal(ministry, found.statement, forged) == (403, "QH-123")
        head, _, rest = found.statement.partition(".")
        bent = f"{head}.{'A' if rest[0] != 'A' else 'B'}{rest[1:]}"
        assert await refusal(ministry, bent, opening) == (403, "QH-123")


async def test_statement_and_opening_belong_together_and_are_taken_once(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    keys = nation.world.service.keys
    opening = await composed(nation, found)
    stated = opening_claims(opening)
    async with nation.ministry() as ministry:
        for wrong in (
            replace(stated, statement=digest(b"another")),
            replace(stated, snapshot_id=nation.world.accounts["bogddt"].id),
        ):
            answer = await refusal(ministry, found.statement, sign_opening(keys, wrong))
            assert answer == (422, "NV-127")
        later = sign_opening(keys, replace(stated, round=2))
        assert await refusal(ministry, found.statement, later) == (409, "TH-081")
        first = await ministry.open(found.statement, opening)
        assert await ministry.open(found.statement, opening) == first
        other = sign_opening(keys, replace(stated, manifest=()))
        assert await refusal(ministry, found.statement, other) == (409, "TR-081")
        assert (await ministry.open(found.statement, later)).round == 2  # a province that lost what it stated
        assert await refusal(ministry, found.statement, opening) == (409, "TH-081")


async def test_a_province_that_lost_what_it_stated_finds_its_way(nation: Nation) -> None:
    """Restored from a backup, it is some rounds behind: each further round is one step, then it goes on."""
    found = await seal_upstream(nation.world)
    keys = nation.world.service.keys
    stated = opening_claims(await composed(nation, found))
    async with nation.ministry() as ministry:
        await ministry.open(found.statement, sign_opening(keys, replace(stated, manifest=())))
        await ministry.open(found.statement, sign_opening(keys, replace(stated, round=2, manifest=())))
    for code in ("TR-081", "TR-081"):
        held = await nation.forward()
        assert (held.state, code in (held.last_error or "")) == (ForwardingState.REFUSED, True)
        await begin_again(nation, found)
    held = await nation.forward()
    assert (held.state, held.round, held.last_error) == (ForwardingState.ACKNOWLEDGED, 3, None)


async def test_a_second_snapshot_of_the_same_cut_off_is_refused(nation: Nation) -> None:
    """The service's own statement, with another id: what a province that sealed twice would send."""
    found = await seal_upstream(nation.world)
    keys = nation.world.service.keys
    opening = await composed(nation, found)
    claims = json.loads(jws.extract_compact(found.statement.encode()).payload)
    second = nation.world.accounts["bogddt"].id
    statement = keys.sign(json.dumps({**claims, "snapshot_id": second.hex}).encode(), kind="hocba-snapshot")
    stated = replace(opening_claims(opening), snapshot_id=second, statement=digest(statement.encode()))
    home = keys.sign(json.dumps({**claims, "kind": "SCHOOL_CONFIRMED"}).encode(), kind="hocba-snapshot")
    at_home = replace(opening_claims(opening), statement=digest(home.encode()))
    async with nation.ministry() as ministry:
        assert await refusal(ministry, home, sign_opening(keys, at_home)) == (409, "TH-080")
        await ministry.open(found.statement, opening)
        assert await refusal(ministry, statement, sign_opening(keys, stated)) == (409, "TR-081")


async def test_nobody_forwards_to_a_provinces_instance(nation: Nation) -> None:
    """The province's own instance runs the same code, and says that it is not the ministry's."""
    world = nation.world
    async with transaction(world.service.engine) as connection:
        client, _ = await create_client(
            connection, name="so-66", client_id="so-66", department_code="66", now=world.clock(),
            actor=System(),
        )  # fmt: skip
    world.accounts["so-66"] = TokenSubject(kind=TokenKind.CLIENT, id=client.id)
    answer = await world.http.post(
        "/api/v1/forwardings", json={"statement": "a.b.c", "opening": "a.b.c"}, headers=world.as_("so-66")
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "QH-121")
