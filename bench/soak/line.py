"""How anybody calls the service under bad conditions: signs in anew, waits as told, notes every answer."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import httpx

from app.demo.credentials import Login
from bench.soak.ledger import Ledger

LONGEST_PAUSE_SECONDS: Final = 1.0


@dataclass(kw_only=True)
class Line:
    """One caller's line to the service.

    Attributes:
        is_officer: signs in with a password; else as school software does (RFC 6749, client credentials).
    """

    http: httpx.AsyncClient
    login: Login
    ledger: Ledger
    random: Random
    is_officer: bool = False
    _token: str | None = None

    async def ask(
        self, method: str, path: str, *, expected: Collection[str] = (), **content: Any
    ) -> dict[str, Any] | None:
        """Give the answer's body; None where none came and the same is to be asked again.

        Args:
            method: of HTTP.
            path: with the leading slash.
            expected: codes of refusals that are given like answers; any other is a wrong in the ledger.
            content: handed on to httpx.
        """
        try:
            response = await self._request(method, path, **content)
        except httpx.TransportError:
            self.ledger.statuses["no answer"] += 1
            await asyncio.sleep(self.random.uniform(0.05, 0.3))
            return None
        self.ledger.statuses[str(response.status_code)] += 1
        if response.is_success or _code(response) in expected:
            body: dict[str, Any] = response.json()
            return body
        await self._take_refusal(method, path, response)
        return None

    async def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        if self._token is None:
            asked = await self._sign_in()
            if not asked.is_success:
                return asked
            self._token = str(asked.json()["access_token"])
        headers = {**content.pop("headers", {}), "Authorization": f"Bearer {self._token}"}
        return await self.http.request(method, path, headers=headers, **content)

    async def _sign_in(self) -> httpx.Response:
        if self.is_officer:
            return await self.http.post(
                "/api/v1/sessions", json={"username": self.login.name, "password": self.login.secret}
            )
        return await self.http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=httpx.BasicAuth(self.login.name, self.login.secret),
        )

    async def _take_refusal(self, method: str, path: str, response: httpx.Response) -> None:
        """The clock moves, so a token may end early: it is asked for anew. Who is down says so."""
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._token = None
            return
        wait = response.headers.get("retry-after", "")
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or not wait.isdecimal():
            self.ledger.wrongs.append(f"{method} {path}: {response.status_code} {response.text[:300]}")
        await asyncio.sleep(min(float(wait or 1), LONGEST_PAUSE_SECONDS))


def _code(response: httpx.Response) -> str | None:
    """Read a problem document's code (RFC 9457)."""
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    code = response.json().get("code")
    return code if isinstance(code, str) else None
