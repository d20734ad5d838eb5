"""Asking for a forwarding: once, by the department, of what is owed; and how it is tried again."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from app.actors import System
from app.client.session import Patience
from app.db import transaction
from app.errors import DomainError
from app.forwarding.life import ForwardingState
from app.forwarding.requesting import request_forwarding
from app.forwarding.sending import FIRST_DELAY, LONGEST_DELAY, delay_after, forward_due
from app.forwarding.tables import forwarding_event
from app.jobs import job
from app.snapshots.reading import list_snapshots
from app.snapshots.scopes import Scope, SnapshotKind
from app.snapshots.sealing import Sealer, seal
from tests.builders.tiers import MINUTE, Nation, begin_again, seal_upstream


async def no_rest(_: float) -> None:
    return


async def test_asking_again_gives_the_same_forwarding(nation: Nation) -> None:
    world = nation.world
    found = await seal_upstream(world)
    async with transaction(world.service.engine) as connection:
        ask = {"now": world.clock(), "actor": System()}
        first = await request_forwarding(connection, found, is_again=False, **ask)  # type: ignore[arg-type]
        for is_again in (False, True):
            again = await request_forwarding(connection, found, is_again=is_again, **ask)  # type: ignore[arg-type]
            assert again == first
        kinds = (await connection.execute(select(job.c.kind))).scalars().all()
        assert kinds.count("forward snapshots") == 1
        events = (await connection.execute(select(forwarding_event.c.target))).scalars().all()
    assert (first.state, first.round, list(events)) == (ForwardingState.PENDING, 1, ["pending"])


async def test_the_schools_own_lock_stays_at_home(nation: Nation) -> None:
    world = nation.world
    found = await seal_upstream(world)
    bench = world.service.bench
    sealer = Sealer(engine=bench.engine, clock=bench.clock, keys=bench.keys, offload=bench.offload)
    await seal(sealer, Scope(province="66", school_year=2025, kind=SnapshotKind.SCHOOL_CONFIRMED))
    async with transaction(world.service.engine) as connection:
        (home,) = await list_snapshots(connection, "66", kind=SnapshotKind.SCHOOL_CONFIRMED, limit=2)
        with pytest.raises(DomainError) as caught:
            await request_forwarding(connection, home, is_again=False, now=world.clock(), actor=System())
    assert caught.value.code == "TH-080"
    assert await forward_due(nation.forwarder()) == {"acknowledged": 1}  # that one, by itself
    assert (await nation.forwarding(found)).state is ForwardingState.ACKNOWLEDGED


async def test_without_a_ministry_nothing_is_forwarded_and_the_officer_is_told(nation: Nation) -> None:
    world = nation.world
    found = await seal_upstream(world)
    assert await forward_due(nation.forwarder(upstream=None)) == {}
    for path, method, code in (
        ("forward", "POST", "QH-126"),
        ("forwarding", "GET", "QH-005"),
        ("forwarding/disputes", "GET", "QH-005"),
    ):
        answer = await world.http.request(
            method, f"/api/v1/snapshots/{found.id.hex}/{path}", headers=world.as_("canbo.sogddt")
        )
        assert answer.json()["code"] == code


async def test_an_officer_may_keep_the_first_word(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    assert await forward_due(nation.forwarder(is_automatic=False)) == {}
    async with transaction(nation.world.service.engine) as connection:
        await request_forwarding(connection, found, is_again=False, now=nation.clock(), actor=System())
    assert await forward_due(nation.forwarder(is_automatic=False)) == {"acknowledged": 1}


async def test_a_ministry_that_is_away_is_asked_again_later_and_the_operator_sees_why(nation: Nation) -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("away", request=request)

    await seal_upstream(nation.world)
    broken: dict[str, Any] = {
        "transport": httpx.MockTransport(away),
        "patience": Patience(attempts=2, sleep=no_rest),
    }
    assert await forward_due(nation.forwarder(**broken)) == {"failed": 1}
    held = await nation.forwarding()
    assert (held.state, held.attempts) == (ForwardingState.SENDING, 1)
    assert held.last_error is not None
    assert "http://bo.test" in held.last_error
    assert held.next_try_at == nation.clock() + FIRST_DELAY
    assert await forward_due(nation.forwarder()) == {}  # not before that
    nation.clock.now = held.next_try_at + MINUTE
    assert await forward_due(nation.forwarder()) == {"acknowledged": 1}


async def test_an_answer_that_is_not_the_ministrys_is_not_believed(nation: Nation) -> None:
    """A proxy that answers in the ministry's stead, with a page of its own."""
    await seal_upstream(nation.world)

    def page(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/oauth2/token":
            return httpx.Response(200, json={"access_token": "x", "expires_in": 600})
        return httpx.Response(200, text="<html>Đăng nhập</html>")

    broken: dict[str, Any] = {
        "transport": httpx.MockTransport(page),
        "patience": Patience(attempts=1, sleep=no_rest),
    }
    assert await forward_due(nation.forwarder(**broken)) == {"failed": 1}
    assert "HOCBA_UPSTREAM_URL" in str((await nation.forwarding()).last_error)


def test_delays_grow_to_an_hour() -> None:
    delays = [delay_after(attempts) for attempts in range(40)]
    assert delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
    assert delays == sorted(delays)
    assert max(delays) == LONGEST_DELAY == timedelta(hours=1)


async def test_a_disputed_forwarding_rests_until_somebody_begins_again(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    assert (await nation.forward()).state is ForwardingState.ACKNOWLEDGED
    await begin_again(nation, found)  # of one that was acknowledged there is nothing to begin
    assert (await nation.forwarding()).round == 1
    assert await forward_due(nation.forwarder()) == {}
