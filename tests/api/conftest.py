"""The whole application on a fresh database with a small country in it, called over HTTP in-process."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from app.api.deps import ServiceState
from app.api.wrong_fields import UNLISTED
from app.db import transaction
from app.main import create_app, open_service
from app.organisations.passwords import hash_password
from app.settings import Settings
from tests.builders.province import NOW, PASSWORD, Province, build_province


@dataclass
class HandedClock:
    """A clock that a test moves."""

    now: datetime = field(default=NOW)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass(frozen=True)
class Api:
    """The application with its callers."""

    http: httpx.AsyncClient
    service: ServiceState
    province: Province
    clock: HandedClock
    tokens: dict[str, str] = field(default_factory=dict)

    async def token(self, caller: str) -> str:
        """Give a token of an officer or a client by name, obtained the way they would."""
        if caller not in self.tokens:
            if caller in self.province.officers:
                answer = await self.http.post(
                    "/api/v1/sessions", json={"username": caller, "password": PASSWORD}
                )
            else:
                answer = await self.http.post(
                    "/oauth2/token",
                    data={"grant_type": "client_credentials"},
                    auth=(caller, self.province.secrets[caller]),
                )
            assert answer.status_code == 200, answer.text
            self.tokens[caller] = answer.json()["access_token"]
        return self.tokens[caller]

    async def call(
        self, caller: str, method: str, path: str, *, json: object = None, **options: object
    ) -> httpx.Response:
        """Call as somebody."""
        headers = {"Authorization": f"Bearer {await self.token(caller)}"}
        return await self.http.request(method, path, json=json, headers=headers, **options)  # type: ignore[arg-type]


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Give status and code of a problem document, having looked at its form."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "title_en", "detail", "code", "reference"} <= set(body)
    assert "{" not in body["detail"] + body["detail_en"]
    if body["code"] == "DD-901":
        assert 0 < len(body["errors"]) <= body["facts"]["count"]
        for error in body["errors"]:
            assert set(error) == {"where", "why", "why_en"}
            assert error["why_en"]
            assert error["why"] != UNLISTED, error
    return answer.status_code, body["code"]


@pytest.fixture(scope="session")
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest_asyncio.fixture(loop_scope="session")
async def api(database_url: str, tmp_path: Path, password_hash: str) -> AsyncIterator[Api]:
    clock = HandedClock()
    settings = Settings(data_dir=tmp_path, database_pool=4)
    async with open_service(settings, database_url, clock=clock) as service:
        async with transaction(service.engine) as connection:
            province = await build_province(connection, password_hash)
        transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as http:
            yield Api(http, service, province, clock)
