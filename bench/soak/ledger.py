"""The clients' own book: what they sent, what they were told, and whatever must never be."""

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from bench.soak.cargo import Cargo


@dataclass(kw_only=True)
class Entry:
    """One package in a client's book."""

    cargo: Cargo
    sends: int = 0
    acknowledgements: set[str] = field(default_factory=set)
    acknowledged_at: float | None = None
    reply: dict[str, Any] | None = None


@dataclass(kw_only=True)
class Ledger:
    """All entries, and what happened on the way.

    Attributes:
        wrongs: what must never happen, in words; empty at the end of a good run.
        waits: seconds from an acknowledgement to when its sender saw the answer.
        recorded: the look-up codes that were newly recorded and nobody has asked to recall yet.
        recalls: each request for a record's recall with what was decided, once that is acknowledged.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    recorded: deque[UUID] = field(default_factory=deque)
    recalls: dict[UUID, tuple[str, str]] = field(default_factory=dict)
    _taken: asyncio.Condition = field(default_factory=asyncio.Condition)
    _latest_request: float = 0.0

    def open(self, cargo: Cargo) -> Entry:
        """Begin an entry, before anything is sent."""
        entry = self.entries[cargo.package.package_id] = Entry(cargo=cargo)
        return entry

    async def acknowledged(self, entry: Entry, body: dict[str, Any], *, asked_at: float) -> None:
        """Note an acknowledgement, asked for at a moment (monotonic)."""
        if body["sha256"] != entry.cargo.package.digest:
            self.wrongs.append(f"{body['package_id']}: acknowledged with another digest")
        entry.acknowledgements.add(body["acknowledgement"])
        entry.acknowledged_at = entry.acknowledged_at or time.monotonic()
        async with self._taken:
            self._latest_request = max(self._latest_request, asked_at)
            self._taken.notify_all()

    def answered(self, entry: Entry, reply: dict[str, Any]) -> None:
        """Note the answer to a package."""
        entry.reply = reply
        self.recorded += [
            entry.cargo.record_ids[item["position"] - 1]
            for item in reply["items"]
            if item["outcome"] == "accepted" and not item["already_recorded"]
        ]
        assert entry.acknowledged_at is not None
        self.waits.append(time.monotonic() - entry.acknowledged_at)

    async def until_taken(self, since: float) -> float:
        """Wait until a package that was sent after a moment is acknowledged; gives the seconds it took."""
        async with self._taken:
            await self._taken.wait_for(lambda: self._latest_request > since)
        return time.monotonic() - since
