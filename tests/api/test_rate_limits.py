"""How often callers may call: counted apart, told on every answer, served as enforced."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select

from app import jobs
from app.api.rate_limits import MAX_CALLERS, Calls, RateLimits, address_key, call_rates, with_jitter
from app.audit import AuditTag, audit_event
from app.db import transaction
from app.jobs import Lane
from app.main import create_app, open_service
from app.settings import Settings
from tests.api.conftest import Api, HandedClock, refusal
from tests.builders.province import NOW, PASSWORD, build_province

# A hundredth of everything: 6 packages, 10 calls of a client, 2 of an officer, 2 of an address, 1 token.
HUNDREDTH = 0.01


@pytest_asyncio.fixture(loop_scope="session")
async def tight(database_url: str, tmp_path: Path, password_hash: str) -> AsyncIterator[Api]:
    clock = HandedClock()
    settings = Settings(data_dir=tmp_path, database_pool=4, rate_multiplier=HUNDREDTH)
    async with open_service(settings, database_url, clock=clock) as service:
        async with transaction(service.engine) as connection:
            province = await build_province(connection, password_hash)
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as http:
            yield Api(http, service, province, clock)


def standing(answer: httpx.Response) -> tuple[int, int, int]:
    """Give limit, remaining, reset."""
    limit, remaining, reset = (
        int(answer.headers[f"ratelimit-{part}"]) for part in ("limit", "remaining", "reset")
    )
    return limit, remaining, reset


async def test_a_caller_sees_the_end_coming_waits_as_told_and_goes_on(tight: Api) -> None:
    await tight.token("vendor")
    for remaining in range(9, -1, -1):
        answer = await tight.call("vendor", "GET", "/api/v1/packages")
        assert (answer.status_code, standing(answer)) == (200, (10, remaining, 10 - remaining))
    refused = await tight.call("vendor", "GET", "/api/v1/packages")
    assert refusal(refused) == (429, "HT-010")
    assert standing(refused) == (10, 0, 10)
    told = int(refused.headers["retry-after"])
    assert 1 <= told <= 3
    assert refused.json()["facts"] == {"calls": "client", "limit": 10, "retry_after": told}
    tight.clock.advance(timedelta(seconds=told))
    assert (await tight.call("vendor", "GET", "/api/v1/packages")).status_code == 200


async def test_sending_has_an_allowance_of_its_own(tight: Api) -> None:
    await tight.token("vendor")
    for _ in range(11):
        asked = await tight.call("vendor", "GET", "/api/v1/packages")
    assert refusal(asked) == (429, "HT-010")
    sent = await tight.call("vendor", "POST", "/api/v1/packages", json={})
    assert (sent.status_code, standing(sent)[:2]) == (422, (6, 5))


async def test_one_caller_takes_nothing_from_another(tight: Api) -> None:
    await tight.token("tanlap")
    tight.clock.advance(timedelta(minutes=1))
    await tight.token("quantri")
    answers = [await tight.call("tanlap", "GET", "/api/v1/certificates") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert (await tight.call("quantri", "GET", "/api/v1/accounts")).status_code == 200


async def test_calls_without_a_valid_token_never_cost_those_that_have_one(tight: Api) -> None:
    """They are counted by address; a school behind the same address still gets through."""
    await tight.token("vendor")
    codes = [
        refusal(await tight.http.get("/api/v1/packages", headers={"Authorization": "Bearer x"}))
        for _ in range(3)
    ]
    assert codes == [(401, "QH-002"), (429, "HT-010"), (429, "HT-010")]
    assert (await tight.call("vendor", "GET", "/api/v1/packages")).status_code == 200


async def test_public_reads_and_unknown_addresses_are_counted_by_address(tight: Api) -> None:
    unknown = await tight.http.get("/api/v1/nothing")
    assert (refusal(unknown), standing(unknown)[:2]) == ((404, "DD-904"), (2, 1))
    assert (await tight.http.get("/healthz")).status_code == 200
    assert refusal(await tight.http.get("/api/v1/formats")) == (429, "HT-010")


async def test_asking_for_tokens_is_counted_by_address(tight: Api) -> None:
    await tight.token("vendor")
    answer = await tight.http.post("/oauth2/token", data={"grant_type": "client_credentials"})
    assert refusal(answer) == (429, "HT-010")
    assert answer.json()["facts"]["calls"] == "token"


async def test_a_client_may_be_given_more(tight: Api) -> None:
    """The administrator's word is data and holds from the next call on."""
    await tight.token("vendor")
    tight.clock.advance(timedelta(minutes=1))
    row = tight.province.clients["vendor"].client_id.hex
    changed = await tight.call("quantri", "PATCH", f"/api/v1/clients/{row}", json={"rate_multiplier": 50})
    assert (changed.status_code, changed.json()["rate_multiplier"]) == (200, 50)
    assert changed.json()["is_active"] is True
    answer = await tight.call("vendor", "GET", "/api/v1/packages")
    assert standing(answer)[0] == 500
    async with transaction(tight.service.engine) as connection:
        rows = (await connection.execute(select(audit_event).where(audit_event.c.subject == row))).all()
    assert (AuditTag.CLIENT_CHANGED, {"rate_multiplier": 50}) in [(row.tag, row.facts) for row in rows]


@pytest.mark.parametrize("multiplier", [0, -1, 1001, "x"])
async def test_a_multiplier_out_of_bounds_is_refused(api: Api, multiplier: object) -> None:
    row = api.province.clients["vendor"].client_id.hex
    answer = await api.call(
        "quantri", "PATCH", f"/api/v1/clients/{row}", json={"rate_multiplier": multiplier}
    )
    assert refusal(answer) == (422, "DD-901")


async def test_what_is_served_is_what_is_enforced(tight: Api) -> None:
    served = (await tight.http.get("/api/v1/limits")).json()["calls"]
    rates = tight.service.rates
    for calls in Calls:
        granted = 0
        while rates.take(calls, "somebody", NOW).is_granted:
            granted += 1
        assert (served[calls]["amount"], served[calls]["per"]) == (granted, rates.rates[calls].per)


def test_a_vendor_sends_for_a_thousand_schools_on_the_last_day() -> None:
    """50 packages a second for a minute, with pauses of a second in between."""
    limits, refused = RateLimits(call_rates(1)), 0
    for second in range(60):
        for turn in range(50):
            at = NOW + timedelta(seconds=second, milliseconds=turn)
            refused += not limits.take(Calls.PACKAGES, "vendor", at).is_granted
    assert refused == 0


def test_processes_share_what_is_allowed() -> None:
    share = RateLimits(call_rates(1), processes=4)
    assert share.take(Calls.PACKAGES, "vendor", NOW).limit == 150


def test_callers_are_remembered_within_bounds() -> None:
    limits = RateLimits(call_rates(HUNDREDTH))
    for _ in range(3):
        limits.take(Calls.ANONYMOUS, "kept", NOW)
    for number in range(MAX_CALLERS - 1):
        limits.take(Calls.ANONYMOUS, str(number), NOW)
    assert not limits.take(Calls.ANONYMOUS, "kept", NOW).is_granted
    for number in range(MAX_CALLERS):
        limits.take(Calls.ANONYMOUS, str(number), NOW)
    assert limits.take(Calls.ANONYMOUS, "kept", NOW).is_granted


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("not an address", "-"),
        (None, "-"),
    ],
)
def test_an_address_is_counted_with_its_household(address: str | None, key: str) -> None:
    assert address_key(address) == key


def test_those_refused_together_do_not_return_together() -> None:
    told = {with_jitter(40) for _ in range(300)}
    assert min(told) >= 40
    assert max(told) <= 51
    assert len(told) > 5


async def sign_in(api: Api, password: str, username: str = "tanlap") -> httpx.Response:
    return await api.http.post("/api/v1/sessions", json={"username": username, "password": password})


async def test_guessing_a_password_is_slowed_down_even_for_the_right_one(api: Api) -> None:
    for _ in range(5):
        assert refusal(await sign_in(api, "đoán mò")) == (401, "QH-006")
    waiting = await sign_in(api, PASSWORD)
    assert refusal(waiting) == (429, "HT-012")
    told = int(waiting.headers["retry-after"])
    assert 180 <= told <= 227
    assert (await sign_in(api, PASSWORD, "quantri")).status_code == 200
    api.clock.advance(timedelta(seconds=told))
    assert (await sign_in(api, PASSWORD)).status_code == 200
    async with transaction(api.service.engine) as connection:
        rows = (await connection.execute(select(audit_event).order_by(audit_event.c.at))).all()
    officer = api.province.officers["tanlap"].id
    refused = [row.facts for row in rows if (row.tag, row.actor_id) == (AuditTag.TOKEN_REFUSED, officer)]
    assert refused == [*[{}] * 5, {"code": "HT-012"}]


async def test_a_name_nobody_has_is_slowed_down_the_same(api: Api) -> None:
    answers = [await sign_in(api, "đoán mò", "khongcoai") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [*[401] * 5, 429]


async def test_signing_in_often_is_no_guessing(api: Api) -> None:
    for _ in range(8):
        assert (await sign_in(api, PASSWORD)).status_code == 200


async def test_a_new_password_ends_all_tokens_issued_before(api: Api) -> None:
    await api.token("tanlap")
    account = api.province.officers["tanlap"].account_id.hex
    api.clock.advance(timedelta(milliseconds=3))
    changed = await api.call(
        "quantri", "PATCH", f"/api/v1/accounts/{account}", json={"password": "một mật khẩu khác hẳn"}
    )
    assert changed.status_code == 200
    assert refusal(await api.call("tanlap", "GET", "/api/v1/certificates")) == (401, "QH-002")
    signed_in = await sign_in(api, "một mật khẩu khác hẳn")
    api.tokens["tanlap"] = signed_in.json()["access_token"]
    assert (await api.call("tanlap", "GET", "/api/v1/certificates")).status_code == 200


async def test_who_has_filled_its_share_of_the_queue_is_told_when_to_come_back(
    database_url: str, tmp_path: Path, password_hash: str
) -> None:
    """The bodies are no packages: whether there is room is asked before anything is read."""
    clock = HandedClock()
    settings = Settings(data_dir=tmp_path, database_pool=4, max_queue_bytes=1024)
    async with open_service(settings, database_url, clock=clock) as service:
        async with transaction(service.engine) as connection:
            province = await build_province(connection, password_hash)
            await jobs.enqueue(connection, "judge", lane=Lane(name="client:somebody"), size=500)
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as http:
            api = Api(http, service, province, clock)
            large = await api.call("vendor", "POST", "/api/v1/packages", json={"payload": "x" * 600})
            assert refusal(large) == (503, "HT-013")
            told = int(large.headers["retry-after"])
            assert 30 <= told <= 38
            assert large.json()["facts"] == {"retry_after": told}
            small = await api.call("vendor", "POST", "/api/v1/packages", json={})
            assert refusal(small) == (422, "DD-901")
            metrics = (await http.get("/metrics")).text
            assert "hocba_queue_bytes 500.0" in metrics
            assert "hocba_queue_bytes_per_second 0.0" in metrics
