"""``hocba demo``: the demo province on a service of its own, once through, or to stay (``--serve``)."""

import asyncio
import contextlib
import json
import secrets
import signal
import socket
import tempfile
from collections.abc import Coroutine, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import uvloop
from rich.console import Console
from sqlalchemy import Executable, delete, insert, text

from app.actors import Role, System
from app.cli.operator import settings_with
from app.cli.running import Part, notice, open_database, refusals_told, running_service, service_url
from app.clock import system_clock
from app.db import open_engine, sandbox, transaction
from app.demo.credentials import Login
from app.demo.story import StoryClock, beginning, has_been_locked
from app.demo.walkthrough import play
from app.logs import configure_logs
from app.organisations.accounts import AccountDraft, create_account
from app.organisations.kinds import OrganisationKind
from app.organisations.passwords import hash_password
from app.organisations.tree import OrganisationDraft, create_organisation
from app.schema import upgrade_schema
from app.settings import Settings

CREDENTIALS: Final = "credentials.json"
UNFINISHED: Final = "demo.unfinished"
ADMINISTRATOR: Final = "quantri"
# The demo works with few packages and stops soon: periodic work is not waited for.
LEASE_SECONDS: Final = 3

commands = typer.Typer()


class DemoFolderError(Exception):
    """The folder holds something that is not a demo of ours."""


@commands.command("demo")
def demo(
    *,
    serve: Annotated[
        bool, typer.Option("--serve", help="Chạy tiếp sau khi xong / stay up afterwards")
    ] = False,
    port: Annotated[int | None, typer.Option(help="Cổng / port")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Thư mục dữ liệu / data folder")] = None,
    pupils: Annotated[int, typer.Option(min=3, max=300, help="Học sinh mỗi trường / pupils a school")] = 9,
    school_year: Annotated[str | None, typer.Option(help="Năm học, ví dụ 2025-2026 / school year")] = None,
) -> None:
    """Dựng tỉnh mẫu (Đắk Lắk, 66) và đi hết một lượt / Build the demo province and walk through it."""
    configure_logs("warning", "console")
    with _folder(data_dir, serve=serve) as folder:
        chosen = port or (None if serve else free_port())
        settings = settings_with(data_dir=folder, port=chosen, lease_seconds=LEASE_SECONDS)
        year = school_year or latest_school_year(system_clock())
        if not has_been_locked(year, system_clock()):
            raise typer.BadParameter(f"{year} chưa đến mốc chốt 30/6 / has not been locked yet (30/6)")
        try:
            with refusals_told(), open_database(settings) as owner_url:
                uvloop.run(_run(settings, owner_url, serve=serve, pupils=pupils, school_year=year))
        except DemoFolderError as error:
            notice(str(error))
            raise typer.Exit(1) from error


@contextlib.contextmanager
def _folder(data_dir: Path | None, *, serve: bool) -> Iterator[Path]:
    """Give the demo's folder: the one named, the service's own to stay in, or one for this time only."""
    if data_dir is not None or serve:
        yield data_dir or Settings().data_dir
        return
    with tempfile.TemporaryDirectory(prefix="hocba-demo-") as folder:
        # PostgreSQL's account, which is another under root, has to pass through to its own folder inside.
        Path(folder).chmod(0o711)
        yield Path(folder)


def free_port() -> int:
    """Give a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def latest_school_year(now: datetime) -> str:
    """Give the last school year whose transcripts are locked (30/6): its whole story can be told."""
    this = f"{now.year - 1}-{now.year}"
    return this if has_been_locked(this, now) else f"{now.year - 2}-{now.year - 1}"


async def _run(settings: Settings, owner_url: str, *, serve: bool, pupils: int, school_year: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for word in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(word, stop.set)
    credentials = settings.data_dir / CREDENTIALS
    is_new = not credentials.exists()
    if is_new:
        await _clear(settings, owner_url)
    await upgrade_schema(owner_url)
    url = service_url(settings, owner_url)
    clock = StoryClock()
    if is_new:
        await _declare_sandbox(owner_url)
        clock.go(beginning(school_year))
    async with running_service(settings, url, Part.ALL, clock=clock):
        if is_new:
            playing = play(
                settings.address,
                settings.data_dir,
                await first_administrator(url, clock()),
                clock=clock,
                school_year=school_year,
                pupils=pupils,
                console=Console(highlight=False),
            )
            if not await _completed(playing, stop):
                return
            await _end_sandbox(owner_url)
            (settings.data_dir / UNFINISHED).unlink()
        elif serve:
            _readdress(credentials, settings.address)
        if serve:
            notice(f"hocba — {settings.address} — {credentials.absolute()}")
            await stop.wait()


async def _clear(settings: Settings, owner_url: str) -> None:
    """Make room for a demo: nothing to do in a new database; one that a demo left half made begins anew.

    A database with anything else in it is refused: a demo never touches what is not its own.
    """
    unfinished = settings.data_dir / UNFINISHED
    engine = open_engine(owner_url, pool_size=1, as_service=False)
    try:
        async with engine.begin() as connection:
            if unfinished.exists():
                await connection.execute(text("DROP SCHEMA public CASCADE"))
                await connection.execute(text("CREATE SCHEMA public"))
            elif (await connection.execute(text("SELECT to_regclass('public.organisation')"))).scalar_one():
                raise DemoFolderError(
                    f"Thư mục {settings.data_dir} đã có dữ liệu không phải của bản mẫu; chọn --data-dir khác."
                    f" / {settings.data_dir} holds data that is no demo's; choose another --data-dir."
                )
    finally:
        await engine.dispose()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished.touch()


async def _declare_sandbox(owner_url: str) -> None:
    """Let the story's time be the database's while it plays."""
    await _as_owner(owner_url, insert(sandbox))


async def _end_sandbox(owner_url: str) -> None:
    """From now on the database goes by its own clock, like any other."""
    await _as_owner(owner_url, delete(sandbox))


async def _as_owner(owner_url: str, statement: Executable) -> None:
    engine = open_engine(owner_url, pool_size=1, as_service=False)
    try:
        async with engine.begin() as connection:
            await connection.execute(statement)
    finally:
        await engine.dispose()


async def first_administrator(url: str, now: datetime) -> Login:
    """Make the ministry and the first account; everything else is then done over HTTP."""
    login = Login(name=ADMINISTRATOR, secret=secrets.token_urlsafe(12))
    actor = System(id="demo")
    engine = open_engine(url, pool_size=1)
    try:
        async with transaction(engine) as connection:
            ministry = OrganisationDraft(
                kind=OrganisationKind.MINISTRY,
                code="BGDDT",
                name="Bộ Giáo dục và Đào tạo",
                valid_from=date(2025, 7, 1),
            )
            await create_organisation(connection, ministry, now=now, actor=actor)
            account = AccountDraft(
                username=login.name,
                full_name="Quản trị hệ thống",
                role=Role.ADMINISTRATOR,
                organisation_code="BGDDT",
                password_hash=hash_password(login.secret),
            )
            await create_account(connection, account, now=now, actor=actor)
    finally:
        await engine.dispose()
    return login


async def _completed(playing: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Play to the end, unless somebody stops it first; gives whether it came to the end."""
    play_task, stop_task = asyncio.ensure_future(playing), asyncio.ensure_future(stop.wait())
    await asyncio.wait({play_task, stop_task}, return_when=asyncio.FIRST_COMPLETED)
    stop_task.cancel()
    if play_task.done():
        play_task.result()
        return True
    play_task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await play_task
    return False


def _readdress(credentials: Path, address: str) -> None:
    """Tell outside clients where the service listens this time."""
    content = json.loads(credentials.read_text("utf-8"))
    content |= {"base_url": address, "service_jwks": f"{address}/.well-known/jwks.json"}
    credentials.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")
