"""Starting and stopping: the database, the HTTP server and the worker of one process."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum

import typer
import uvicorn

from app.api.deps import ServiceState
from app.cli.connection import BoundedConnection, ConnectionLimits
from app.cli.external import ExternalDatabaseError, check_external
from app.clock import Clock, system_clock
from app.main import create_app, create_worker, open_service
from app.postgres import EmbeddedPostgres, PostgresUnavailableError, running_server
from app.postgres.databases import ensure_database
from app.postgres.refusal import refused_write
from app.schema import current_revision, head_revision, upgrade_schema
from app.settings import Settings

DATABASE = "hocba"
BACKLOG = 2048
# How far a process that only judges steps back (nice(2)): who waits at the door goes first.
NICENESS = 5


class Part(StrEnum):
    """What a process does."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


class SchemaError(Exception):
    """The database's schema is not the one this program needs."""


def notice(text: str) -> None:
    """Tell the operator something on the way."""
    typer.echo(text, err=True)


@contextmanager
def refusals_told(code: int = 1) -> Iterator[None]:
    """Turn what keeps a command from its database into a message and an exit code."""
    try:
        yield
    except (PostgresUnavailableError, ExternalDatabaseError, SchemaError, OSError) as error:
        notice(str(error))
        raise typer.Exit(code) from error


@contextmanager
def open_database(settings: Settings) -> Iterator[str]:
    """Give the address of the database, as its owner.

    It is the one that HOCBA_DATABASE_URL names; else the embedded one, started here and stopped at the end,
    unless another process runs it already on the same data folder. Refuses with ExternalDatabaseError or
    PostgresUnavailableError what cannot be used.
    """
    if settings.database_url is not None:
        url = (settings.migration_url or settings.database_url).get_secret_value()
        asyncio.run(check_external(url, as_service=False))
        yield url
        return
    folder = settings.data_dir / "postgres"
    try:
        running = running_server(folder) if folder.exists() else None
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise refused_write(settings.data_dir, error) from error
    if running is not None:
        yield running.sqlalchemy_url(DATABASE)
        return
    server = EmbeddedPostgres(
        folder,
        binaries=settings.pg_bin,
        pg_user=settings.pg_user,
        wal_archive=settings.wal_archive,
        notice=notice,
    )
    with server:
        asyncio.run(ensure_database(server.dsn("postgres"), DATABASE))
        yield server.sqlalchemy_url(DATABASE)


def service_url(settings: Settings, owner_url: str) -> str:
    """Give the address that the service itself uses: its own where one is set."""
    return owner_url if settings.database_url is None else settings.database_url.get_secret_value()


async def prepare_schema(settings: Settings, owner_url: str) -> None:
    """Bring the embedded database up to date; an external one is only checked, its owner decides when."""
    if settings.database_url is None:
        await upgrade_schema(owner_url)
        return
    found, needed = await current_revision(owner_url), head_revision()
    if found != needed:
        raise SchemaError(
            f"Lược đồ CSDL đang ở bản {found or '-'}, cần {needed}: chạy `hocba db upgrade` / "
            f"The schema is at {found or 'none'}, {needed} is needed: run `hocba db upgrade`"
        )
    await check_external(service_url(settings, owner_url), as_service=True)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the process's signals stop all its parts together."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def running_service(
    settings: Settings, url: str, part: Part, *, clock: Clock = system_clock
) -> AsyncIterator[ServiceState]:
    """Run the asked parts while the block lasts; then stop taking, finish what was begun, and close."""
    listening = _listen(settings) if part is not Part.WORKER else None
    async with open_service(settings, url, clock=clock) as service, asyncio.TaskGroup() as group:
        worker = create_worker(service) if part is not Part.API else None
        server = _Server(_uvicorn(settings, service)) if part is not Part.WORKER else None
        if worker:
            group.create_task(worker.run())
        if server and listening:
            group.create_task(server.serve(sockets=[listening]))
        try:
            yield service
        finally:
            if server:
                server.should_exit = True
            if worker:
                worker.stop()


def _listen(settings: Settings) -> socket.socket:
    """Take the address first: whoever connects from now on is answered once the service is up.

    OSError says that it cannot be had, and what to do.
    """
    place = f"{settings.host}:{settings.port}"
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise OSError(
            f"Không lắng nghe được ở {place} ({why}): chọn --host hoặc --port khác. / "
            f"Cannot listen on {place} ({why}): choose another --host or --port."
        ) from error


def _uvicorn(settings: Settings, service: ServiceState) -> uvicorn.Config:
    class Connection(BoundedConnection):
        limits = ConnectionLimits(
            connections=settings.max_connections,
            head_bytes=settings.max_head_bytes,
            head_seconds=settings.head_seconds,
            # The application tells of a slow body first, with the request's id.
            body_seconds=settings.body_seconds + 5,
        )

    return uvicorn.Config(
        create_app(service),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        http=Connection,
        ws="none",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_keep_alive=settings.idle_seconds,
        timeout_graceful_shutdown=30,
    )


async def serve(settings: Settings, owner_url: str, part: Part, *, clock: Clock = system_clock) -> None:
    """Run until SIGINT or SIGTERM; another clock than the system's is for sandboxes (``open_service``)."""
    await prepare_schema(settings, owner_url)
    if part is Part.WORKER:
        os.nice(NICENESS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for word in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(word, stop.set)
    async with running_service(settings, service_url(settings, owner_url), part, clock=clock):
        notice(f"hocba ({part}) — {settings.address if part is not Part.WORKER else 'worker'}")
        await stop.wait()
