"""The service behind a real socket, and a client that says whatever octets it is given."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.cli.running import Part, running_service
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.settings import Settings

HEAD_BYTES: Final = 8192


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Wire:
    """The server's port, and what it says to octets."""

    port: int

    async def say(self, *parts: bytes, pause: float = 0.0, patience: float = 10.0) -> list[Answer]:
        """Send parts one after another and give every answer until the server closes or falls silent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(pause)
            heard = bytearray()
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(patience):
                    while chunk := await reader.read(65536):
                        heard += chunk
            return list(_answers(bytes(heard)))
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def _answers(octets: bytes) -> Iterator[Answer]:
    while octets:
        head, _, rest = octets.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split(" ")[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if status == 100:
            octets = rest
            continue
        length = int(headers["content-length"])
        body, octets = rest[:length], rest[length:]
        yield Answer(status, headers, json.loads(body) if "json" in headers["content-type"] else body)


def request(method: str = "GET", path: str = "/healthz", body: bytes = b"", /, **headers: str) -> bytes:
    """Give the octets of a request; an underscore in a header's name stands for a hyphen."""
    lines = [f"{method} {path} HTTP/1.1", "Host: hocba.test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@contextlib.asynccontextmanager
async def serving(
    postgres: EmbeddedPostgres, template_database: str, folder: Path, *, name: str = "wire", **more: Any
) -> AsyncIterator[Wire]:
    """Run the service as an operator does, with short patience."""
    await create_database(postgres.dsn("postgres"), name, template=template_database)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(
        data_dir=folder,
        port=port,
        max_head_bytes=HEAD_BYTES,
        head_seconds=1,
        body_seconds=1,
        idle_seconds=1,
        max_connections=20,
        database_pool=3,
        **more,
    )
    async with running_service(settings, postgres.sqlalchemy_url(name), Part.API):
        yield Wire(port)
    await drop_database(postgres.dsn("postgres"), name)
