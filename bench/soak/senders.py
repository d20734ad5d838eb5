"""School software under bad conditions: sends until it is acknowledged, asks until it is answered."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from bench.soak.cargo import Cargo
from bench.soak.ledger import Entry, Ledger
from bench.soak.line import Line

MOST_PENDING: Final = 8
SHARE_REPEATED: Final = 0.05


@dataclass(kw_only=True)
class Sender:
    """One client with a line of its own; it writes everything into the ledger.

    It repeats a package under the same id for as long as it has no answer, and waits as it is told to.
    """

    line: Line
    ledger: Ledger
    random: Random
    pace_seconds: float
    next_cargo: Callable[[], Awaitable[Cargo]]
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
            answer = await self.line.ask(
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
        reply = await self.line.ask("GET", f"/api/v1/packages/{entry.cargo.package.package_id}")
        if reply is not None and reply["status"] == "answered":
            self._pending.popleft()
            self.ledger.answered(entry, reply)
        else:
            await asyncio.sleep(0.1)
