"""Base backups of a running server, and what is known of those that were taken.

A backup is a folder: ``data`` (what pg_basebackup gave, with its manifest), ``password`` (the owner's) and
``backup.json``. It is whole or absent: it is made under another name and renamed at the end.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from app.postgres.account import ENVIRONMENT
from app.postgres.address import ServerAddress
from app.postgres.binaries import Binaries
from app.postgres.refusal import PostgresUnavailableError, refused_write

FORMAT: Final = 1
_UNFINISHED: Final = ".unfinished"
_START: Final = re.compile(r"^START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A base backup: restoring it gives the moment ``ended_at``, or with archived log any later one.

    Attributes:
        began_at: by the server's clock, as is ``ended_at``; both aware.
        revision: of the schema, for whoever wonders which program it belongs to.
    """

    folder: Path
    began_at: datetime
    ended_at: datetime
    major: int
    revision: str

    @property
    def data(self) -> Path:
        """The cluster's files."""
        return self.folder / "data"

    @property
    def password(self) -> Path:
        """The owner's password, without which the restored server lets nobody in."""
        return self.folder / "password"

    @property
    def first_log(self) -> str:
        """The name of the first file of the log that a restoration needs."""
        found = _START.search((self.data / "backup_label").read_text("ascii"))
        if found is None:
            raise PostgresUnavailableError("damaged-backup", path=str(self.folder), reason="backup_label")
        return found[1]


def copy_server(address: ServerAddress, binaries: Binaries, folder: Path) -> Path:
    """Copy a running server into a new folder, which ``finish`` makes a backup of; gives where it is made.

    Refuses with ``not-writable`` or ``disk-full`` where the folder cannot be made, with ``backup-failed``
    and PostgreSQL's own words where the copy breaks off; what was begun is removed.
    """
    unfinished = folder.with_name(folder.name + _UNFINISHED)
    try:
        if unfinished.exists():
            shutil.rmtree(unfinished)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.mkdir(mode=0o700)
        _write_private(unfinished / "password", address.password)
    except OSError as error:
        raise refused_write(folder, error) from error
    with tempfile.TemporaryDirectory(prefix="hocba-") as private:
        passwords = Path(private) / "pgpass"
        _write_private(passwords, f"*:*:*:*:{address.password}")
        done = subprocess.run(  # noqa: S603 - no shell, and every word of the command is ours
            [
                binaries.folder / "pg_basebackup",
                f"--pgdata={unfinished / 'data'}",
                f"--host={address.socket_folder}",
                f"--port={address.port}",
                f"--username={address.user}",
                "--no-password",
                "--checkpoint=fast",
                "--wal-method=stream",
                "--manifest-checksums=SHA256",
            ],
            env={**ENVIRONMENT, "PGPASSFILE": str(passwords)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode != 0:
        shutil.rmtree(unfinished)
        reason = " ".join(done.stderr.split())[-1000:]
        raise PostgresUnavailableError("backup-failed", path=str(folder), reason=reason)
    return unfinished


def finish(
    unfinished: Path, folder: Path, *, began_at: datetime, ended_at: datetime, revision: str
) -> Backup:
    """Write down what the copy is, and give it its name."""
    major = int((unfinished / "data" / "PG_VERSION").read_text("ascii"))
    backup = Backup(folder=folder, began_at=began_at, ended_at=ended_at, major=major, revision=revision)
    facts = {name: value for name, value in asdict(backup).items() if name != "folder"}
    _write_private(
        unfinished / "backup.json", json.dumps({"format": FORMAT, **facts}, default=_iso, indent=2)
    )
    unfinished.rename(folder)
    _sync(folder.parent)
    return backup


def read_backup(folder: Path) -> Backup:
    """Read what a folder says of itself; refuses with ``damaged-backup`` what is no backup."""
    try:
        body = json.loads((folder / "backup.json").read_text("utf-8"))
        made_as, backup = body["format"], _described(folder, body)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PostgresUnavailableError("damaged-backup", path=str(folder), reason=str(error)) from error
    if made_as != FORMAT:
        raise PostgresUnavailableError("damaged-backup", path=str(folder), reason=f"format {made_as}")
    return backup


def _described(folder: Path, body: Mapping[str, str]) -> Backup:
    return Backup(
        folder=folder,
        began_at=datetime.fromisoformat(body["began_at"]),
        ended_at=datetime.fromisoformat(body["ended_at"]),
        major=int(body["major"]),
        revision=str(body["revision"]),
    )


def list_backups(place: Path) -> Sequence[Backup]:
    """Give the backups of a folder, oldest first; the folder may be one itself."""
    if (place / "backup.json").exists():
        return [read_backup(place)]
    folders = [
        path.parent for path in place.glob("*/backup.json") if not path.parent.name.endswith(_UNFINISHED)
    ]
    return sorted((read_backup(folder) for folder in folders), key=lambda backup: backup.ended_at)


def check_backup(backup: Backup, binaries: Binaries) -> None:
    """Hold every file of a backup against the manifest's SHA-256 (pg_verifybackup).

    Refuses with ``wrong-major`` what other programs made, with ``damaged-backup`` what differs or is missing.
    """
    if backup.major != binaries.major:
        raise PostgresUnavailableError(
            "wrong-major", path=str(backup.folder), found=backup.major, ours=binaries.major
        )
    done = subprocess.run(  # noqa: S603 - no shell, and every word of the command is ours
        [binaries.folder / "pg_verifybackup", "--quiet", backup.data],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())[:1000]
        raise PostgresUnavailableError("damaged-backup", path=str(backup.folder), reason=reason)
    if not backup.password.exists():
        raise PostgresUnavailableError("lost-password", path=str(backup.password))


def forget_older(place: Path, *, keep: int, archive: Path | None, binaries: Binaries) -> Sequence[Path]:
    """Remove all backups but the newest ``keep``, and the archived log that none of those needs."""
    backups = list_backups(place)
    removed = [backup.folder for backup in backups[:-keep]]
    for folder in removed:
        # Without its description it is no backup any more, should this break off.
        (folder / "backup.json").unlink()
        shutil.rmtree(folder)
    if archive is not None:
        oldest = backups[-keep:][0]
        subprocess.run(  # noqa: S603 - no shell, and every word of the command is ours
            [binaries.folder / "pg_archivecleanup", archive, oldest.first_log], env=ENVIRONMENT, check=True
        )
    return removed


def _iso(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
