"""A line between two instances that a test holds in its hand: it counts, it cuts, it calls when it did."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

CHUNK = 4096


@dataclass(kw_only=True)
class Relay:
    """A TCP relay to ``target``; at each of ``marks`` (octets sent on, ascending) it cuts every connection.

    ``at_mark`` is called with the number of the mark, after the cut.
    """

    target: int
    marks: list[int]
    at_mark: Callable[[int], Awaitable[None]]
    port: int = 0
    sent: int = 0
    cuts: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection both ways until either side ends it, or it is cut."""
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        self._open |= {writer, upstream[1]}
        await asyncio.gather(
            self._carry(reader, upstream[1], is_counted=True),
            self._carry(upstream[0], writer, is_counted=False),
        )
        self._open -= {writer, upstream[1]}

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_counted: bool
    ) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while octets := await reader.read(CHUNK):
                if is_counted and self.cuts < len(self.marks):
                    left = self.marks[self.cuts] - self.sent
                    if len(octets) >= left:
                        writer.write(octets[:left])
                        await writer.drain()
                        self.sent += left
                        self._cut()
                        return
                self.sent += len(octets) * is_counted
                writer.write(octets)
                await writer.drain()
        writer.close()

    def abort(self) -> None:
        """Cut every connection that is open."""
        for writer in self._open:
            writer.transport.abort()

    def _cut(self) -> None:
        self.abort()
        task = asyncio.ensure_future(self.at_mark(self.cuts))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.cuts += 1


@asynccontextmanager
async def relaying(
    target: int, marks: list[int], at_mark: Callable[[int], Awaitable[None]]
) -> AsyncIterator[Relay]:
    """Relay to a port of this machine."""
    relay = Relay(target=target, marks=marks, at_mark=at_mark)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        relay.abort()
