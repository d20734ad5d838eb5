"""School software under bad conditions: sends until it is acknowledged, asks until it is answered."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from app.demo.credentials import Login
from bench.soak.cargo import Cargo
from bench.soak.ledger import Entry, Ledger

LONGEST_PAUSE_SECONDS: Final = 1.0
MOST_PENDING: Final = 8
SHARE_REPEATED: Final = 0.05


@dataclass(kw_only=True)
class Sender:
    """One client with a connection of its own; it writes everything into the ledger.

    It repeats a package under the same id for as long as it has no answer, and waits as it is told to.
    """

    http: httpx.AsyncClient
    login: Login
    ledger: Ledger
    random: Random
    pace_seconds: float
    next_cargo: Callable[[], Awaitable[Cargo]]
    _token: str | None = None
    _pending: deque[Entry] = field(default_factory=deque)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop, then wait for what is not answered yet."""
        while not stop.is_set():
            entry = self.ledger.open(await self.next_cargo())
            await self._send(entry)
            self._pending.append(entry)
            await self._look()
            while len(self._pending) > MOST_PENDING:
                await self._look()
            await asyncio.sleep(self.random.uniform(0, 2 * self.pace_seconds))
        while self._pending:
            await self._look()

    async def _send(self, entry: Entry) -> None:
        package = entry.cargo.package
        while True:
            asked_at = time.monotonic()
            entry.sends += 1
            answer = await self._ask(
                "POST",
                "/api/v1/packages",
                params=package.outer_fields,
                content=package.gzipped,
                headers={"Content-Type": "application/gzip"},
            )
            if answer is not None:
                await self.ledger.acknowledged(entry, answer, asked_at=asked_at)
                if self.random.random() >= SHARE_REPEATED:
                    return

    async def _look(self) -> None:
        """Ask for the oldest answer that is missing."""
        entry = self._pending[0]
        reply = await self._ask("GET", f"/api/v1/packages/{entry.cargo.package.package_id}")
        if reply is not None and reply["status"] == "answered":
            self._pending.popleft()
            self.ledger.answered(entry, reply)
        else:
            await asyncio.sleep(0.1)

    async def _ask(self, method: str, path: str, **content: Any) -> dict[str, Any] | None:
        """Give the answer's body; None where none came and the same is to be asked again."""
        try:
            response = await self._request(method, path, **content)
        except httpx.TransportError:
            self.ledger.statuses["no answer"] += 1
            await asyncio.sleep(self.random.uniform(0.05, 0.3))
            return None
        self.ledger.statuses[str(response.status_code)] += 1
        if response.is_success:
            body: dict[str, Any] = response.json()
            return body
        await self._take_refusal(method, path, response)
        return None

    async def _request(self, method: str, path: str, **content: Any) -> httpx.Response:
        if self._token is None:
            asked = await self.http.post(
                "/oauth2/token",
                data={"grant_type": "client_credentials"},
                auth=httpx.BasicAuth(self.login.name, self.login.secret),
            )
            if not asked.is_success:
                return asked
            self._token = str(asked.json()["access_token"])
        headers = {**content.pop("headers", {}), "Authorization": f"Bearer {self._token}"}
        return await self.http.request(method, path, headers=headers, **content)

    async def _take_refusal(self, method: str, path: str, response: httpx.Response) -> None:
        """The clock moves, so a token may end early: it is asked for anew. Who is down says so."""
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._token = None
            return
        wait = response.headers.get("retry-after", "")
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or not wait.isdecimal():
            self.ledger.wrongs.append(f"{method} {path}: {response.status_code} {response.text[:300]}")
        await asyncio.sleep(min(float(wait or 1), LONGEST_PAUSE_SECONDS))
