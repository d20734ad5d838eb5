"""Keeping what was entrusted: back the embedded database up, restore it, take stock of any database."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.cli.operator import DataDir, settings_with
from app.cli.running import DATABASE, notice, open_database, prepare_schema, refusals_told, service_url
from app.cli.sender import load_jwks
from app.cli.terminal import ExitCode, Json, failures_told, say, show_json
from app.db import open_engine
from app.inventory import Stocktaking, Tally
from app.offload import Offload
from app.postgres import ServerAddress
from app.postgres.backup import copy_server, finish, forget_older
from app.postgres.binaries import find_binaries
from app.postgres.restoring import choose_backup, restored
from app.schema import current_revision, upgrade_schema
from app.settings import Settings

commands = typer.Typer()

THREADS: Final = 2
_NOW: Final = text("SELECT clock_timestamp()")
_SWITCH: Final = text("SELECT pg_switch_wal()")

Wal = Annotated[Path | None, typer.Option("--wal", help="Thư mục lưu WAL / folder of the archived log")]
Jwks = Annotated[
    str | None,
    typer.Option(help="Khóa công khai đã giữ riêng: tệp hoặc URL / keys kept elsewhere, a file or URL"),
]
ProgressFile = Annotated[
    Path | None,
    typer.Option("--progress", help="Tệp ghi tiến độ, để chạy tiếp / notes how far it is, to go on from"),
]


@commands.command("backup")
def backup_command(
    to: Annotated[Path, typer.Argument(help="Thư mục chứa các bản sao lưu / folder of backups")],
    data_dir: DataDir = None,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Chỉ giữ chừng này bản mới nhất / keep only the newest so many")
    ] = None,
) -> None:
    """Sao lưu CSDL nhúng trong khi dịch vụ chạy. / Back the embedded database up while the service runs."""
    settings = settings_with(data_dir=data_dir)
    if settings.database_url is not None:
        notice(
            "CSDL bên ngoài: dùng pg_basebackup và lưu WAL của máy chủ đó (docs/operations.md). / "
            "An external database: use its own pg_basebackup and archived log (docs/operations.md)."
        )
        raise typer.Exit(1)
    with refusals_told(), open_database(settings) as url:
        folder = _back_up(settings, url, to.absolute())
        removed: Sequence[Path] = ()
        if keep is not None:
            removed = forget_older(
                to.absolute(),
                keep=keep,
                archive=settings.wal_archive,
                binaries=find_binaries(settings.pg_bin),
            )
    for old in removed:
        say(f"Đã xóa bản cũ {old}", f"Removed the older {old}")
    say(
        f"✓ {folder}",
        f"The signing keys in {settings.keys} are not in it: keep a copy of them apart.",
        style="bold green",
    )


def _back_up(settings: Settings, url: str, to: Path) -> Path:
    """Take a base backup and hand on the log that ends it; gives its folder."""
    known = make_url(url)
    address = ServerAddress(
        socket_folder=Path(str(known.query["host"])),
        password=str(known.password),
        user=str(known.username),
        port=int(str(known.query["port"])),
    )
    began_at, revision = asyncio.run(_moment(url)), asyncio.run(current_revision(url))
    folder = to / f"{began_at:%Y%m%dT%H%M%SZ}"
    unfinished = copy_server(address, find_binaries(settings.pg_bin), folder)
    # From this moment on the backup is consistent; what comes later is in the log that follows.
    ended_at = asyncio.run(_moment(url, is_switching=settings.wal_archive is not None))
    finish(unfinished, folder, began_at=began_at, ended_at=ended_at, revision=revision or "")
    return folder


async def _moment(url: str, *, is_switching: bool = False) -> datetime:
    engine = open_engine(url, pool_size=1, as_service=False)
    try:
        async with engine.begin() as connection:
            moment: datetime = (await connection.execute(_NOW)).scalar_one()
            if is_switching:
                await connection.execute(_SWITCH)
            return moment
    finally:
        await engine.dispose()


@commands.command("restore")
def restore_command(
    source: Annotated[
        Path, typer.Argument(help="Bản sao lưu, hoặc thư mục chứa / a backup, or their folder")
    ],
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Thư mục dữ liệu mới / the new data folder")],
    at: Annotated[
        str | None,
        typer.Option(help="Tới thời điểm, có múi giờ / up to a moment, such as 2026-06-30T23:00:00+07:00"),
    ] = None,
    wal: Wal = None,
    jwks: Jwks = None,
    *,
    as_json: Json = False,
) -> None:
    """Khôi phục vào thư mục mới rồi kiểm kê. / Restore into a new folder, then take stock of everything."""
    settings = settings_with(data_dir=data_dir)
    moment = None if at is None else _moment_of(at)
    with failures_told(as_json=as_json):
        keys = None if jwks is None else load_jwks(jwks)["keys"]
    with refusals_told():
        backup = choose_backup(source, moment)
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        notice(f"{backup.folder} → {data_dir}")
        with restored(
            backup,
            data_dir.absolute() / "postgres",
            archive=wal or settings.wal_archive,
            at=moment,
            binaries=settings.pg_bin,
            pg_user=settings.pg_user,
            notice=notice,
        ) as server:
            url = server.sqlalchemy_url(DATABASE)
            asyncio.run(upgrade_schema(url))
            tally = _take_stock(url, None, keys)
    if not as_json:
        say(
            f"Đã khôi phục vào {data_dir}. Chép khóa ký cũ vào {settings.keys}; thiếu thì khóa mới được tạo.",
            f"Restored. Copy the old signing keys to {settings.keys}; else the service makes a new one.",
        )
    _tell(tally, as_json=as_json)


def _moment_of(written: str) -> datetime:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise typer.BadParameter("2026-06-30T23:00:00+07:00") from error
    if moment.tzinfo is None:
        raise typer.BadParameter("thiếu múi giờ / the offset is missing: 2026-06-30T23:00:00+07:00")
    return moment


@commands.command("verify-database")
def verify_database(
    data_dir: DataDir = None, jwks: Jwks = None, progress: ProgressFile = None, *, as_json: Json = False
) -> None:
    """Kiểm kê: mọi gói, học bạ, chữ ký, biên nhận, bản chốt. / Take stock: verify everything stored again."""
    settings = settings_with(data_dir=data_dir)
    with failures_told(as_json=as_json):
        keys = None if jwks is None else load_jwks(jwks)["keys"]
    with refusals_told(), open_database(settings) as owner_url:
        asyncio.run(prepare_schema(settings, owner_url))
        tally = _take_stock(service_url(settings, owner_url), progress, keys)
    _tell(tally, as_json=as_json)


def _take_stock(url: str, progress: Path | None, keys: Sequence[Mapping[str, Any]] | None) -> Tally:
    """Go through a database; a file of progress is gone on from, and gone at the end."""
    tally = Tally.read(progress.read_text("utf-8")) if progress is not None and progress.exists() else None

    def note(now: Tally) -> None:
        if progress is not None:
            unfinished = progress.with_name(progress.name + ".unfinished")
            unfinished.write_text(now.written(), "utf-8")
            unfinished.replace(progress)

    async def go_through() -> Tally:
        engine, offload = open_engine(url, pool_size=2), Offload(THREADS)
        try:
            return await Stocktaking(engine=engine, offload=offload, keys=keys).run(tally, note)
        finally:
            offload.close()
            await engine.dispose()

    done = asyncio.run(go_through())
    if progress is not None:
        progress.unlink(missing_ok=True)
    return done


def _tell(tally: Tally, *, as_json: bool) -> None:
    """Print what was seen and what differs; ends with 1 where anything does."""
    if as_json:
        show_json(
            {
                "is_sound": tally.is_sound,
                "seen": tally.seen,
                "differing": tally.differing,
                "flaws": [{"kind": flaw.kind, "subject": flaw.subject} for flaw in tally.flaws],
            }
        )
    else:
        say(", ".join(f"{name}: {number}" for name, number in tally.seen.items()))
        for flaw in tally.flaws:
            say(f"  ✗ {flaw.kind} {flaw.subject}", style="red")
        if tally.is_sound:
            say("✓ Mọi dữ liệu khớp", "Everything stored is what was signed for", style="bold green")
        else:
            number = sum(tally.differing.values())
            say(f"✗ {number} điểm sai lệch", f"{number} differences", style="bold red")
    if not tally.is_sound:
        raise typer.Exit(ExitCode.NOT_ACCEPTED)
