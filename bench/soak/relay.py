"""What stands between the clients and the service: passes bytes on, swallows answers when it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

CHUNK: Final = 65536
# Requests that change something.
ACTS: Final = (b"POST /api/v1/packages?", b"POST /api/v1/recalls")


@dataclass(kw_only=True)
class Relay:
    """A relay of TCP connections to one port.

    The service commits before it answers: a connection cut at the first byte of an answer is cut between
    commit and answer.

    Attributes:
        port: where clients reach it.
        upstream: where the service listens.
        to_swallow: how many of the coming answers to what changes something are not passed on.
        swallowed: how many were not.
    """

    upstream: int
    port: int = 0
    to_swallow: int = 0
    swallowed: int = 0
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join a client's connection to the service until either side ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            inward = await asyncio.open_connection("127.0.0.1", self.upstream)
            pair = _Pair(relay=self, client=(reader, writer), service=inward)
            try:
                await pair.join()
            finally:
                inward[1].close()
        except OSError:
            pass  # the service is down: the client sees its connection end
        finally:
            writer.close()
            self._open.discard(task)

    async def close(self) -> None:
        """End what is still open."""
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


@dataclass(kw_only=True)
class _Pair:
    relay: Relay
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    service: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    is_act: bool = False

    async def join(self) -> None:
        ways = {asyncio.create_task(self._outward()), asyncio.create_task(self._inward())}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _inward(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self.client[0].read(CHUNK):
                if data.startswith(ACTS):
                    self.is_act = True
                self.service[1].write(data)
                await self.service[1].drain()

    async def _outward(self) -> None:
        with contextlib.suppress(OSError):
            while data := await self.service[0].read(CHUNK):
                if self.is_act and self.relay.to_swallow > 0:
                    self.relay.to_swallow -= 1
                    self.relay.swallowed += 1
                    return
                self.is_act = False
                self.client[1].write(data)
                await self.client[1].drain()


@asynccontextmanager
async def open_relay(upstream: int) -> AsyncIterator[Relay]:
    """Run a relay to a port of this machine while the block lasts."""
    relay = Relay(upstream=upstream)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        await relay.close()
