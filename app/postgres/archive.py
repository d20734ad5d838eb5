"""The archive of the log (WAL): with a base backup it gives back any moment since."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from app.postgres.account import Account
from app.postgres.binaries import Binaries
from app.postgres.refusal import PostgresUnavailableError, refused_write

LIBRARY: Final = "basic_archive"
# How much may be lost with the disk that the database is on.
LONGEST_SECONDS: Final = 60


def archiving(archive: Path, account: Account, binaries: Binaries) -> Mapping[str, str]:
    """Give the settings by which a server copies every finished file of its log into a folder, synced.

    The folder is made where it is missing, for PostgreSQL's account alone. Refuses with ``closed-archive``
    where that account cannot write there, with ``no-archive-library`` where the programs came without it.
    """
    if not binaries.has_library(LIBRARY):
        raise PostgresUnavailableError("no-archive-library", path=str(binaries.folder), library=LIBRARY)
    archive = archive.absolute()
    try:
        if not archive.exists():
            archive.mkdir(mode=0o700, parents=True)
            account.take(archive)
    except OSError as error:
        raise refused_write(archive, error) from error
    if not account.may_write(archive):
        raise PostgresUnavailableError("closed-archive", user=account.name, path=str(archive))
    return {
        "archive_mode": "on",
        "archive_library": LIBRARY,
        f"{LIBRARY}.archive_directory": str(archive),
        "archive_timeout": str(LONGEST_SECONDS),
    }


def recovering(archive: Path, account: Account, at: datetime | None) -> Mapping[str, str]:
    """Give the settings by which a server plays an archive, up to a moment or to its end, and then opens.

    Refuses with ``closed-archive`` where PostgreSQL's account cannot read it.
    """
    archive = archive.absolute()
    if not account.may_read(archive):
        raise PostgresUnavailableError("closed-archive", user=account.name, path=str(archive))
    folder = shlex.quote(str(archive).replace("%", "%%"))
    settings = {
        "restore_command": f"cp {folder}/%f %p",
        "recovery_target_action": "promote",
        "hot_standby": "off",  # ready shall mean: recovered
    }
    return settings if at is None else {**settings, "recovery_target_time": at.isoformat()}
