"""One server at a time in a cluster: its processes hold the lock until the last of them is gone.

The server inherits the lock and its processes inherit it from the server. So what a killed run left behind
is waited for, and a postmaster.pid whose number now belongs to some other program (normal in containers) is
known to be stale.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.postgres.address import ServerAddress, read_postmaster_file
from app.postgres.folder_lock import release, try_lock
from app.postgres.location import Location, current_root
from app.postgres.refusal import PostgresUnavailableError, refused_write

LEFTOVER_SECONDS: Final = 60.0

_POLL_SECONDS: Final = 0.02


def claim_server(location: Location, is_given_up: Callable[[], bool]) -> int:
    """Wait until no process of an earlier server is left, and give the lock to hand on.

    Refuses with ``leftover-processes`` after a minute or when
    given up, and with ``foreign-server`` where an operator's own server runs on the data.
    """
    began = time.monotonic()
    while (lock := try_lock(location.server_lock)) is None:
        if is_given_up() or time.monotonic() - began > LEFTOVER_SECONDS:
            raise PostgresUnavailableError(
                "leftover-processes", path=str(location.data), seconds=int(time.monotonic() - began)
            )
        time.sleep(_POLL_SECONDS)
    left = read_postmaster_file(location.data)
    if left is not None and _is_postgres_of(left.pid, location.data):
        release(lock)
        raise PostgresUnavailableError("foreign-server", path=str(location.data), pid=left.pid)
    return lock


def clear_leftovers(location: Location, socket_folder: Path) -> None:
    """Remove the files by which a killed server would seem to live; only for who holds the server lock."""
    for path in (location.data / "postmaster.pid", *socket_folder.glob(".s.PGSQL.*")):
        path.unlink(missing_ok=True)


def running_server(data_dir: Path) -> ServerAddress | None:
    """Give the address of the server another process runs on this data folder; None where none is ready."""
    try:
        root = current_root(data_dir)
        lock = try_lock(root / "server.lock") if (root / "server.lock").exists() else None
        if lock is not None:
            release(lock)
            return None
        told = read_postmaster_file(root / "server" / "data")
        if told is None or not told.is_ready or told.socket_folder is None:
            return None
        return ServerAddress(
            socket_folder=told.socket_folder, password=(root / "password").read_text("utf-8")
        )
    except PermissionError as error:
        raise refused_write(data_dir, error) from error


def _is_postgres_of(pid: int, data: Path) -> bool:
    """Whether this process is a PostgreSQL that works in this data (Linux; elsewhere PostgreSQL judges).

    Root without CAP_SYS_PTRACE may not see where a process works; the command line is open to all.
    """
    process = Path(f"/proc/{pid}")
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        if Path(os.fsdecode(words[0])).name != "postgres":
            return False
        return os.fsencode(data) in words or (process / "cwd").samefile(data)
    except OSError:
        return False
