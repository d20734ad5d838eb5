"""A whole service to be measured: durable PostgreSQL, API and workers as processes of their own, a province.

Everything lies in one folder, on whatever disk that is; what is committed is on it (fsync on).
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import asyncpg
import httpx

from app.cli.demonstration import first_administrator, free_port
from app.cli.running import Part, running_service
from app.clock import system_clock
from app.demo.founding import Founded, enrol_certificates, extend_deadlines, found_province, open_http
from app.demo.province import Province
from app.logs import configure_logs
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.schema import upgrade_schema
from app.settings import Settings

TEMPLATE: Final = "founded"
TICKS: Final = os.sysconf("SC_CLK_TCK")
PATIENCE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the service is run: so many worker processes, each with threads, and what else is set."""

    workers: int = 2
    threads: int = 1
    settings: Mapping[str, str] | None = None


class Station:
    """PostgreSQL with a founded province in it, to be copied for every measurement."""

    def __init__(self, province: Province, folder: Path | None = None) -> None:
        self._province = province
        self._home = Path(tempfile.mkdtemp(prefix="hocba-bench-", dir=folder))
        self._home.chmod(0o711)
        self.postgres = EmbeddedPostgres(self._home / "postgres", durable=True)
        self.founded: Founded

    def __enter__(self) -> Self:
        configure_logs("error", "console")
        self.postgres.start()
        asyncio.run(self._found())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.postgres.stop()
        shutil.rmtree(self.postgres.folder, ignore_errors=True)
        shutil.rmtree(self._home, ignore_errors=True)

    async def _found(self) -> None:
        """Found the province over HTTP, certificates approved, every school let in whatever day it is."""
        await create_database(self.postgres.dsn("postgres"), TEMPLATE)
        url = self.postgres.sqlalchemy_url(TEMPLATE)
        await upgrade_schema(url)
        settings = Settings(data_dir=self._home, port=free_port(), rate_multiplier=1000)
        administrator = await first_administrator(url, system_clock())
        async with running_service(settings, url, Part.API), open_http(settings.address) as http:
            self.founded = await found_province(http, administrator, self._province)
            await extend_deadlines(
                http, self.founded, self._province, until=system_clock() + timedelta(days=30)
            )
            await enrol_certificates(http, settings.address, self.founded, self._province)

    @contextlib.contextmanager
    def running(self, name: str, layout: Layout) -> Iterator["Running"]:
        """Run the service's processes on a fresh copy of the founded database, and drop it afterwards."""
        asyncio.run(create_database(self.postgres.dsn("postgres"), name, template=TEMPLATE))
        running = Running(self, name, layout)
        try:
            running.start()
            yield running
        finally:
            running.stop()
            asyncio.run(drop_database(self.postgres.dsn("postgres"), name))

    @property
    def keys(self) -> Path:
        """Where the service's signing keys are."""
        return self._home / "keys"


class Running:
    """API and workers of one measurement, as an operator starts them."""

    def __init__(self, station: Station, database: str, layout: Layout) -> None:
        self._station = station
        self._layout = layout
        self._port = free_port()
        self.dsn = station.postgres.dsn(database)
        self.url = station.postgres.sqlalchemy_url(database)
        self.api: subprocess.Popen[bytes]
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the processes and wait until the API is ready."""
        self.api = self._spawn("serve", "--role", "api", "--port", str(self._port))
        self.workers = [self._spawn("worker") for _ in range(self._layout.workers)]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{self.address}/readyz").status_code == httpx.codes.OK:
                    return
            time.sleep(0.1)
        raise RuntimeError("the service did not come up")

    def _spawn(self, *words: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "HOCBA_DATABASE_URL": self.url,
            "HOCBA_KEY_DIR": str(self._station.keys),
            "HOCBA_DATA_DIR": str(self._station.keys.parent),
            "HOCBA_LOG_LEVEL": "warning",
            "HOCBA_RATE_MULTIPLIER": "1000",
            "HOCBA_WORKER_THREADS": str(self._layout.threads),
            **(self._layout.settings or {}),
        }
        return subprocess.Popen(  # noqa: S603 - our own program, with words of ours
            [sys.executable, "-m", "app", *words], env=environment, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        """Stop the processes as an operator does."""
        processes = [*self.workers, self.api]
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(PATIENCE)

    async def token(self, client_id: str) -> str:
        """Give an access token of a client."""
        login = self._station.founded.clients[client_id]
        async with httpx.AsyncClient(base_url=self.address) as http:
            answer = await http.post(
                "/oauth2/token", data={"grant_type": "client_credentials"}, auth=(login.name, login.secret)
            )
        token: str = answer.json()["access_token"]
        return token

    async def until_answered(self, packages: int, *, seconds: float = 600) -> None:
        """Wait until so many packages have their committed answer."""
        connection = await asyncpg.connect(self.dsn)
        try:
            deadline = time.monotonic() + seconds
            query = "SELECT count(*) FROM package_progress WHERE state = 'answered'"
            while await connection.fetchval(query) < packages:
                if time.monotonic() > deadline:
                    raise RuntimeError("the packages were not answered in time")
                await asyncio.sleep(0.05)
        finally:
            await connection.close()

    async def accepted(self) -> int:
        """Count the records."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return int(await connection.fetchval("SELECT count(*) FROM record_claim"))
        finally:
            await connection.close()

    def processor_seconds(self) -> Mapping[str, float]:
        """Give the processor time used so far, by part."""
        return {
            "API": _processor_seconds(self.api.pid),
            "workers": sum(_processor_seconds(worker.pid) for worker in self.workers),
            "PostgreSQL": postgres_seconds(self._station.postgres),
        }

    def peak_bytes(self) -> Sequence[int]:
        """Give the high water of each worker's resident memory."""
        return [_high_water(worker.pid) for worker in self.workers]

    def worker_bytes(self) -> Sequence[int]:
        """Give each worker's resident memory now."""
        return [_memory(worker.pid, "VmRSS") for worker in self.workers]

    def api_bytes(self) -> tuple[int, int]:
        """Give the API's resident memory: now, and its high water."""
        return _memory(self.api.pid, "VmRSS"), _high_water(self.api.pid)


def _processor_seconds(pid: int) -> float:
    """Read a process's user and system time, that of ended children included (proc(5), stat 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(") ")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS


def postgres_seconds(postgres: EmbeddedPostgres) -> float:
    """Give the processor time that a PostgreSQL has used so far, with all its processes."""
    parent = postgres.pid
    if parent is None:
        raise RuntimeError("PostgreSQL does not run")
    total = _single_thread_seconds(parent)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if int(path.read_text("utf-8").rpartition(") ")[2].split()[1]) == parent:
                total += _single_thread_seconds(int(path.parent.name))
    return total


def _single_thread_seconds(pid: int) -> float:
    """Read what a process of one thread has used, to the nanosecond, and its ended children in ticks."""
    nanoseconds = int(Path(f"/proc/{pid}/schedstat").read_text("utf-8").split()[0])
    ended = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(") ")[2].split()[13:15]
    return nanoseconds / 1e9 + sum(map(int, ended)) / TICKS


def _high_water(pid: int) -> int:
    return _memory(pid, "VmHWM")


def _memory(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{name} is not told")
