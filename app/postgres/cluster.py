"""A cluster's birth and settings: initdb made whole by a rename, the version check, the server's options."""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from app.postgres.address import OWNER, PORT
from app.postgres.binaries import Binaries
from app.postgres.location import Location
from app.postgres.refusal import PostgresUnavailableError, refused_write

SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "max_connections": "100",
        "shared_buffers": "256MB",
        "max_wal_size": "2GB",
        "track_commit_timestamp": "on",
        # Pupils' data must not reach the log: no failed statements, no row contents, no errors of clients.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "logging_collector": "off",
        "log_destination": "stderr",
    }
)

# For tests only: what is acknowledged may be lost with the machine.
NOT_DURABLE: Final[Mapping[str, str]] = MappingProxyType(
    {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
)

_BUILTIN_LOCALES_SINCE: Final = 17


def ensure_cluster(location: Location, binaries: Binaries, *, lock: int, is_durable: bool) -> None:
    """Create the cluster if there is none; refuse one of another major version.

    What a broken-off creation left is removed first. The server lock is handed on to initdb, so that one
    whose starter was killed is waited for, too. Refuses with ``wrong-major``, ``lost-password``,
    ``disk-full``, ``not-writable`` or ``initdb-failed``.
    """
    if location.unfinished_data.exists():
        shutil.rmtree(location.unfinished_data)
    if not location.data.exists():
        _create(location, binaries, lock=lock, is_durable=is_durable)
        return
    version = location.data / "PG_VERSION"
    found = version.read_text("utf-8").strip() if version.exists() else "?"
    if found != str(binaries.major):
        raise PostgresUnavailableError(
            "wrong-major", path=str(location.data), found=found, ours=binaries.major
        )
    if not location.password.exists():
        raise PostgresUnavailableError("lost-password", path=str(location.password))


def server_command(
    location: Location, binaries: Binaries, socket_folder: Path, settings: Mapping[str, str]
) -> list[str]:
    """Give the command that runs the server in the foreground."""
    options = {**settings, "unix_socket_directories": _quoted(socket_folder)}
    if binaries.has_library("pg_stat_statements"):
        options.setdefault("shared_preload_libraries", "pg_stat_statements")
    words = [str(binaries.postgres), "-D", str(location.data)]
    for name, value in options.items():
        words += ["-c", f"{name}={value}"]
    return words


def _quoted(folder: Path) -> str:
    """Quote a folder as one element of a list of folders, which commas would part."""
    return '"' + str(folder).replace('"', '""') + '"'


def _create(location: Location, binaries: Binaries, *, lock: int, is_durable: bool) -> None:
    password = secrets.token_urlsafe(32)
    password_copy = location.server / "password.init"
    try:
        _write_private(location.password, password)
        # initdb runs as PostgreSQL's account, which may not read what is ours.
        _write_private(password_copy, password)
        location.account.take(password_copy)
        result = location.account.run(
            [
                binaries.initdb,
                *([] if is_durable else ["--no-sync"]),
                *_initdb_options(location.unfinished_data, password_copy, binaries.major),
            ],
            cwd=location.server,
            pass_fds=(lock,),
        )
        password_copy.unlink()
    except OSError as error:
        raise refused_write(location.root, error) from error
    if result.returncode != 0:
        raise _creation_refused(location, result.stderr)
    location.unfinished_data.rename(location.data)
    _sync_folder(location.server)


def _initdb_options(target: Path, password: Path, major: int) -> list[str]:
    """Scram, UTF-8, checksums, and an order of letters that is the same on every machine."""
    locale = ["--locale-provider=builtin"] if major >= _BUILTIN_LOCALES_SINCE else []
    return [
        "-D",
        str(target),
        f"--username={OWNER}",
        "--auth=scram-sha-256",
        f"--pwfile={password}",
        "--encoding=UTF8",
        *locale,
        "--locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    ]


def _creation_refused(location: Location, said: str) -> PostgresUnavailableError:
    path = str(location.server)
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return PostgresUnavailableError("disk-full", path=path)
    return PostgresUnavailableError("initdb-failed", path=path, reason=" ".join(said.split())[-1000:])


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
