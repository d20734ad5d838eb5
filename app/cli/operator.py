"""What an operator runs on the machine: the service, its worker, the schema, the keys."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from app.actors import System
from app.audit import AuditTag, record_act
from app.cli.running import Part, open_database, refusals_told, serve, service_url
from app.cli.terminal import Json, say, show_json
from app.clock import system_clock
from app.db import open_engine, transaction
from app.jobs import Backlog, backlog, revive
from app.keys import add_key
from app.logs import configure_logs
from app.schedule import Task, list_tasks
from app.schema import current_revision, upgrade_schema
from app.settings import Settings

commands = typer.Typer()
db = typer.Typer(help="Lược đồ cơ sở dữ liệu / the database's schema", no_args_is_help=True)
keys = typer.Typer(help="Khóa ký của dịch vụ / the service's signing keys", no_args_is_help=True)
jobs = typer.Typer(help="Hàng đợi xử lý / the queue", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Thư mục dữ liệu / data folder")]


def settings_with(**given: object) -> Settings:
    """Read the settings; what the command line gives stands above the environment."""
    return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


@commands.command("serve")
def serve_command(
    role: Annotated[Part, typer.Option(help="all | api | worker")] = Part.ALL,
    host: Annotated[str | None, typer.Option(help="Địa chỉ lắng nghe / address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="Cổng / port")] = None,
    data_dir: DataDir = None,
) -> None:
    """Chạy dịch vụ (API và worker) cho tới khi bị dừng / Run the service until it is stopped."""
    _run(settings_with(host=host, port=port, data_dir=data_dir), role)


@commands.command("worker")
def worker_command(data_dir: DataDir = None) -> None:
    """Chỉ chạy worker / Run a worker alone, beside others."""
    _run(settings_with(data_dir=data_dir), Part.WORKER)


def _run(settings: Settings, part: Part) -> None:
    configure_logs(settings.log_level, settings.log_format)
    with refusals_told(), open_database(settings) as owner_url:
        uvloop.run(serve(settings, owner_url, part))


@db.command("upgrade")
def upgrade(data_dir: DataDir = None) -> None:
    """Đưa lược đồ lên bản mới nhất / Bring the schema to the newest revision."""
    settings = settings_with(data_dir=data_dir)
    with refusals_told(), open_database(settings) as owner_url:
        asyncio.run(upgrade_schema(owner_url))
        typer.echo(asyncio.run(current_revision(owner_url)))


@keys.command("rotate")
def rotate(data_dir: DataDir = None) -> None:
    """Tạo khóa ký mới, dùng từ lần khởi động sau / Make a new signing key, used from the next start on."""
    settings = settings_with(data_dir=data_dir)
    with refusals_told(), open_database(settings) as owner_url:
        settings.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        kid = add_key(settings.keys, system_clock())
        asyncio.run(_record_rotation(service_url(settings, owner_url), kid))
    typer.echo(kid)


async def _record_rotation(url: str, kid: str) -> None:
    engine = open_engine(url, pool_size=2)
    try:
        async with transaction(engine) as connection:
            await record_act(
                connection,
                now=system_clock(),
                actor=System(id="operator"),
                tag=AuditTag.KEY_ROTATED,
                subject=kid,
            )
    finally:
        await engine.dispose()


@jobs.command("list")
def list_jobs(data_dir: DataDir = None, *, as_json: Json = False) -> None:
    """Hàng đợi và việc định kỳ: lần chạy trước, lần tới / The queue, and periodic work: last and next run."""
    settings = settings_with(data_dir=data_dir)
    with refusals_told(), open_database(settings) as owner_url:
        waiting, tasks = asyncio.run(_overview(service_url(settings, owner_url)))
    if as_json:
        show_json({"queue": asdict(waiting), "periodic": [asdict(task) for task in tasks]})
        return
    say(
        f"{waiting.waiting} việc chờ, {waiting.leased} đang chạy, {waiting.stuck} bị dừng",
        f"{waiting.waiting} waiting, {waiting.leased} running, {waiting.stuck} given up",
    )
    for task in tasks:
        ended = "—" if task.ended_at is None else task.ended_at.isoformat(timespec="seconds")
        came = ", ".join(f"{name}: {count}" for name, count in (task.result or {}).items())
        say(
            f"{task.name}: lần trước {ended}, lần tới {task.next_at.isoformat(timespec='seconds')}",
            f"every {task.every}; last result: {came or '—'}",
        )


async def _overview(url: str) -> tuple[Backlog, Sequence[Task]]:
    engine = open_engine(url, pool_size=2)
    try:
        async with transaction(engine) as connection:
            return await backlog(connection), await list_tasks(connection)
    finally:
        await engine.dispose()


@jobs.command("retry")
def retry(data_dir: DataDir = None) -> None:
    """Chạy lại các việc bị dừng do lỗi / Try the jobs again that were given up."""
    settings = settings_with(data_dir=data_dir)
    with refusals_told(), open_database(settings) as owner_url:
        typer.echo(asyncio.run(_revive(service_url(settings, owner_url))))


async def _revive(url: str) -> int:
    engine = open_engine(url, pool_size=2)
    try:
        async with transaction(engine) as connection:
            return await revive(connection)
    finally:
        await engine.dispose()
