"""The service as it really runs: PostgreSQL under our supervisor, API and workers as their own processes."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import insert

from app.clock import system_clock
from app.db import open_engine, sandbox
from app.postgres import EmbeddedPostgres
from app.postgres.databases import ensure_database
from app.schema import upgrade_schema
from bench.soak.disk import NoDiskError, SmallDisk, small_disk

STARTS_AT: Final = datetime(2026, 6, 10, 2, 0, tzinfo=UTC)
FOUNDED_BEFORE: Final = timedelta(days=1)
LEASE_SECONDS: Final = 3
DATABASE: Final = "hocba"
# Small enough that filling it is soon felt, large enough for what a run records.
WAL: Final = {"max_wal_size": "128MB", "min_wal_size": "80MB"}
_PAUSE_SECONDS: Final = 0.2


@dataclass(kw_only=True)
class Process:
    """One part of the service, started again whenever it dies, as an init system would."""

    command: list[str]
    environment: dict[str, str]
    log: Path
    starts: int = 0
    _running: asyncio.subprocess.Process | None = None
    _is_stopping: bool = False

    async def keep(self) -> None:
        """Run the process until ``stop``."""
        while not self._is_stopping:
            with self.log.open("ab") as log:
                self._running = await asyncio.create_subprocess_exec(
                    *self.command,
                    env=self.environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            self.starts += 1
            await self._running.wait()
            await asyncio.sleep(_PAUSE_SECONDS)

    def send(self, word: signal.Signals) -> bool:
        """Send a signal; says whether there was a process to send it to."""
        if self._running is None or self._running.returncode is not None:
            return False
        self._running.send_signal(word)
        return True

    def stop(self) -> None:
        """Let it end, for good."""
        self._is_stopping = True
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)


@dataclass(kw_only=True)
class Stage:
    """Everything a fault can be done to.

    Attributes:
        disk: the disk that the database is on, where it is one of our own; else ``no_disk`` says why not.
    """

    folder: Path
    port: int
    server: EmbeddedPostgres
    api: Process
    workers: list[Process]
    disk: SmallDisk | None
    no_disk: str
    _ahead: timedelta = field(default=timedelta())

    @property
    def url(self) -> str:
        """The database's address, as its owner."""
        return self.server.sqlalchemy_url(DATABASE)

    @property
    def parts(self) -> list[Process]:
        """The service's own processes."""
        return [self.api, *self.workers]

    def set_clock(self, shift: timedelta) -> None:
        """Let the service's time be that of the story's beginning, gone on since, and shifted by so much."""
        unfinished = self.clock_file.with_suffix(".unfinished")
        unfinished.write_text(str((self._ahead + shift).total_seconds()), "ascii")
        unfinished.replace(self.clock_file)

    @property
    def clock_file(self) -> Path:
        """Where the service's processes read how far their clock is ahead of the machine's."""
        return self.folder / "clock"

    def begin_time(self) -> None:
        """Set the story's beginning; the province is founded the day before, so that time may go back."""
        self._ahead = STARTS_AT - system_clock()
        self.set_clock(-FOUNDED_BEFORE)

    def server_processes(self) -> list[int]:
        """Give PostgreSQL's processes, the postmaster first; none while it is down."""
        postmaster = self.server.pid
        if postmaster is None:
            return []
        try:
            children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text("ascii")
        except OSError:
            return []
        return [postmaster, *map(int, children.split())]


@asynccontextmanager
async def open_stage(*, workers: int, disk_bytes: int, keep: Path | None = None) -> AsyncIterator[Stage]:
    """Put everything up in a folder for this time only; take it down and remove it at the end.

    The logs are copied to ``keep`` before, where it is given.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        disk, why = None, ""
        try:
            disk = stack.enter_context(small_disk(folder, disk_bytes))
        except NoDiskError as error:
            why = str(error)
        place = folder if disk is None else disk.folder
        server = EmbeddedPostgres(place / "postgres", settings=WAL, notice=_Notes(folder / "postgres.notes"))
        await asyncio.to_thread(server.start)
        stack.callback(server.stop)
        if disk is None and server.folder != place / "postgres":
            stack.callback(shutil.rmtree, server.folder, ignore_errors=True)
        await _prepare(server)
        stage = _furnish(folder, server, workers, disk, why)
        stage.begin_time()
        stack.callback(_keep_logs, stage, keep)
        async with asyncio.TaskGroup() as group:
            for process in stage.parts:
                group.create_task(process.keep())
            try:
                yield stage
            finally:
                for process in stage.parts:
                    process.stop()


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="hocba-soak-"))
    folder.chmod(0o711)  # PostgreSQL's account has to pass through to its own
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _prepare(server: EmbeddedPostgres) -> None:
    await ensure_database(server.dsn("postgres"), DATABASE)
    await upgrade_schema(server.sqlalchemy_url(DATABASE))
    engine = open_engine(server.sqlalchemy_url(DATABASE), pool_size=1, as_service=False)
    async with engine.begin() as connection:
        await connection.execute(insert(sandbox))
    await engine.dispose()


def _keep_logs(stage: Stage, keep: Path | None) -> None:
    if keep is None:
        return
    keep.mkdir(parents=True, exist_ok=True)
    for log in (*stage.folder.glob("*.log"), *stage.folder.glob("*.notes"), stage.server.log):
        if log.exists():
            shutil.copyfile(log, keep / log.name)


class _Notes:
    """Keeps what the supervisor tells, for whoever looks into a run."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, text: str) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(text + "\n")


def _furnish(
    folder: Path, server: EmbeddedPostgres, workers: int, disk: SmallDisk | None, no_disk: str
) -> Stage:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = {
        **os.environ,
        "HOCBA_DATABASE_URL": server.sqlalchemy_url(DATABASE),
        "HOCBA_DATA_DIR": str(folder),
        "HOCBA_LEASE_SECONDS": str(LEASE_SECONDS),
        "HOCBA_PORT": str(port),
        "HOCBA_RATE_MULTIPLIER": "1000000",
        "HOCBA_WORKER_THREADS": "1",
        "HOCBA_LOG_LEVEL": "warning",
    }

    def process(part: str, name: str) -> Process:
        command = [sys.executable, "-m", "bench.soak.part", part, str(folder / "clock")]
        return Process(command=command, environment=environment, log=folder / f"{name}.log")

    return Stage(
        folder=folder,
        port=port,
        server=server,
        api=process("api", "api"),
        workers=[process("worker", f"worker-{number}") for number in range(1, workers + 1)],
        disk=disk,
        no_disk=no_disk,
    )
