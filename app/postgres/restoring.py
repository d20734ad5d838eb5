"""Restoring a backup into a new folder: checked first, played up to a moment, only then given its name."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from app.postgres.archive import recovering
from app.postgres.backup import Backup, check_backup, list_backups
from app.postgres.binaries import find_binaries
from app.postgres.location import Location, current_root, locate, open_data_folder
from app.postgres.refusal import PostgresUnavailableError, refused_write
from app.postgres.supervisor import EmbeddedPostgres

_NOT_REACHED: Final = "recovery ended before configured recovery target was reached"


def choose_backup(place: Path, at: datetime | None) -> Backup:
    """Give the newest backup of a folder, or the newest that had ended at a moment.

    Refuses with ``no-backup`` where there is none, ``too-early`` where all ended later.
    """
    backups = list_backups(place)
    if not backups:
        raise PostgresUnavailableError("no-backup", path=str(place))
    usable: Sequence[Backup] = [backup for backup in backups if at is None or backup.ended_at <= at]
    if not usable:
        first = backups[0].ended_at.isoformat(timespec="seconds")
        raise PostgresUnavailableError("too-early", path=str(place), first=first)
    return usable[-1]


@contextmanager
def restored(
    backup: Backup,
    data_dir: Path,
    *,
    archive: Path | None,
    at: datetime | None,
    binaries: Path | None = None,
    pg_user: str | None = None,
    notice: Callable[[str], None],
) -> Iterator[EmbeddedPostgres]:
    """Give a server on the restored data while the block lasts; afterwards the data lies in ``data_dir``.

    The backup itself is only read. What breaks off leaves nothing in ``data_dir``. Refuses with ``not-empty``
    a folder with something in it, ``no-archive`` a moment without an archive, ``not-reached`` a moment that
    the archive does not reach to, and the causes of ``check_backup`` and of starting a server.
    """
    if data_dir.exists() and any(data_dir.iterdir()):
        raise PostgresUnavailableError("not-empty", path=str(data_dir))
    if at is not None and archive is None:
        raise PostgresUnavailableError("no-archive", path=str(backup.folder))
    programs = find_binaries(binaries)
    check_backup(backup, programs)
    staging = data_dir.with_name(data_dir.name + ".restoring")
    _clear(staging)
    open_data_folder(staging)
    try:
        location = locate(staging, pg_user, notice)
        _copy(backup, location)
        settings = {}
        if archive is not None:
            settings = dict(recovering(archive, location.account, at))
            signal_file = location.data / "recovery.signal"
            signal_file.touch(mode=0o600)
            location.account.take(signal_file)
        server = EmbeddedPostgres(
            staging, binaries=binaries, pg_user=pg_user, settings=settings, notice=notice
        )
        with _told(location):
            server.start()
        try:
            yield server
        finally:
            server.stop()
    except BaseException:
        _clear(staging)
        raise
    if data_dir.exists():
        data_dir.rmdir()
    staging.rename(data_dir)


@contextmanager
def _told(location: Location) -> Iterator[None]:
    """Say of a server that ended because the log did so too early that it is this."""
    try:
        yield
    except PostgresUnavailableError as refusal:
        if location.log.exists() and _NOT_REACHED in location.log.read_text("utf-8", "replace"):
            raise PostgresUnavailableError("not-reached", path=str(location.data)) from refusal
        raise


def _copy(backup: Backup, location: Location) -> None:
    """Copy a backup's files to where a cluster lies, for PostgreSQL's account alone."""
    try:
        shutil.copytree(backup.data, location.data, symlinks=True)
        shutil.copyfile(backup.password, location.password)
        location.password.chmod(0o600)
        location.data.chmod(0o700)
        for path in (location.data, *location.data.rglob("*")):
            location.account.take(path)
    except OSError as error:
        raise refused_write(location.data, error) from error


def _clear(staging: Path) -> None:
    """Remove what an earlier restoration left, wherever its pointer says that it lies."""
    if not staging.exists():
        return
    try:
        root = current_root(staging)
    except PostgresUnavailableError:
        root = staging
    if root != staging.resolve():
        shutil.rmtree(root)
    shutil.rmtree(staging)
