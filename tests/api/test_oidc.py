"""Officers who sign in at an external provider: a real one, on this machine."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio
from joserfc import jws
from joserfc.jwk import ECKey

from app.api.deps import ServiceState
from app.api.oidc import RETRY_AFTER, OpenIdProvider
from app.errors import DomainError
from app.main import create_app
from tests.api.conftest import Api, refusal

AUDIENCE = "hocba-console"
BACK = "http://console.test/back"


@contextmanager
def running_provider() -> Iterator[str]:
    """Run the provider as a program of its own and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("oidc-provider-mock")
    process = subprocess.Popen(
        [program, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with suppress(httpx.TransportError):
                httpx.get(f"{address}/.well-known/openid-configuration")
                break
            time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with running_provider() as address:
        yield address


async def id_token(provider: str, subject: str, *, audience: str = AUDIENCE) -> str:
    """Sign in at the provider the way a browser does, and give the token it issues."""
    asked = {"client_id": audience, "redirect_uri": BACK, "response_type": "code", "scope": "openid"}
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{provider}/oauth2/authorize", params=asked, data={"sub": subject})
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
        tokens = await http.post(f"{provider}/oauth2/token", data=grant, auth=(audience, "secret"))
    token: str = tokens.json()["id_token"]
    return token


@pytest_asyncio.fixture(loop_scope="session")
async def http(api: Api, provider: str) -> AsyncIterator[httpx.AsyncClient]:
    api.clock.now = datetime.now(UTC) + timedelta(seconds=1)  # noqa: TID251 - the provider has its own clock
    service: ServiceState = replace(
        api.service,
        authenticator=replace(
            api.service.authenticator, oidc=OpenIdProvider(issuer=provider, audience=AUDIENCE)
        ),
    )
    transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as opened:
        yield opened


async def get(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.get("/api/v1/certificates", headers={"Authorization": f"Bearer {token}"})


async def test_the_account_with_the_subject_is_who_calls(
    http: httpx.AsyncClient, provider: str, api: Api
) -> None:
    token = await id_token(provider, "sub-tanlap")
    assert (await get(http, token)).status_code == 200
    refused = await http.get("/api/v1/accounts", headers={"Authorization": f"Bearer {token}"})
    assert refusal(refused) == (403, "QH-003")
    own = await api.token("eakao")
    assert (await get(http, own)).status_code == 200


async def test_a_subject_without_an_account_is_nobody(http: httpx.AsyncClient, provider: str) -> None:
    assert refusal(await get(http, await id_token(provider, "sub-stranger"))) == (401, "QH-002")


async def test_a_token_for_another_audience_is_refused(http: httpx.AsyncClient, provider: str) -> None:
    token = await id_token(provider, "sub-tanlap", audience="another-application")
    assert refusal(await get(http, token)) == (401, "QH-002")


async def test_a_token_ends_with_its_time(http: httpx.AsyncClient, provider: str, api: Api) -> None:
    token = await id_token(provider, "sub-tanlap")
    api.clock.advance(timedelta(hours=2))
    assert refusal(await get(http, token)) == (401, "QH-002")


async def test_a_changed_token_is_refused(http: httpx.AsyncClient, provider: str) -> None:
    head, body, signature = (await id_token(provider, "sub-tanlap")).split(".")
    for token in (f"{head}.{body}.", f"{head}.{body[:-4]}.{signature}", f"{head}.{body}.AAAA", "a.b.c"):
        assert refusal(await get(http, token)) == (401, "QH-002")


async def test_another_providers_word_is_not_taken(http: httpx.AsyncClient) -> None:
    with running_provider() as stranger:
        token = await id_token(stranger, "sub-tanlap")
    assert refusal(await get(http, token)) == (401, "QH-002")


async def test_a_provider_that_does_not_answer_is_said_to_be_away(provider: str) -> None:
    token = await id_token(provider, "sub-tanlap")
    now = datetime.now(UTC)  # noqa: TID251 - the provider has its own clock
    for issuer in ("http://localhost:9", f"{provider}/nothing-here"):
        away = OpenIdProvider(issuer=issuer, audience=AUDIENCE)
        with pytest.raises(DomainError, match="QH-009"):
            await away.subject_of(token, now=now)


@asynccontextmanager
async def silent_server(port: int, *, hangs: bool) -> AsyncIterator[asyncio.Queue[None]]:
    """Take connections where a provider should be, answer nothing, and tell of each one."""
    asked: asyncio.Queue[None] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.put_nowait(None)
        if hangs:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", port)
    try:
        yield asked
    finally:
        server.close()


def strange_token() -> str:
    """Give a token under a key id that no provider has."""
    key = ECKey.generate_key("P-256")
    return jws.serialize_compact({"alg": "ES256", "kid": "strange"}, b"{}", key, algorithms=["ES256"])


async def test_whose_keys_are_known_does_not_wait_for_a_strangers() -> None:
    """Anybody may send a token with an unknown key id while the provider hangs: officers go on working."""
    now = datetime.now(UTC)  # noqa: TID251 - the provider has its own clock
    later = now + timedelta(minutes=2)
    with running_provider() as address:
        token = await id_token(address, "sub-tanlap")
        provider = OpenIdProvider(issuer=address, audience=AUDIENCE)
        assert await provider.subject_of(token, now=later) == "sub-tanlap"
    later += timedelta(minutes=2)
    async with silent_server(urlsplit(address).port or 0, hangs=True) as asked:
        stranger = asyncio.create_task(provider.subject_of(strange_token(), now=later))
        await asked.get()
        assert await provider.subject_of(token, now=later) == "sub-tanlap"
        assert not stranger.done()
        stranger.cancel()


async def test_a_provider_that_is_away_is_asked_by_one_of_those_who_wait() -> None:
    now = datetime.now(UTC)  # noqa: TID251 - the provider has its own clock
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    provider = OpenIdProvider(issuer=f"http://127.0.0.1:{port}", audience=AUDIENCE)
    async with silent_server(port, hangs=False) as asked:
        for at, times in ((now, 1), (now, 1), (now + RETRY_AFTER, 2)):
            with pytest.raises(DomainError, match="QH-009"):
                await provider.subject_of(strange_token(), now=at)
            assert asked.qsize() == times
