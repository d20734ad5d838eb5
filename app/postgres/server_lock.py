"""One server at a time in a cluster: its processes hold the lock until the last of them is gone.

The server inherits the lock and its processes inherit it from the server. So what a killed run left behind
is waited for, and a postmaster.pid whose number now belongs to some other program (normal in containers) is
known to be stale.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.postgres.address import ServerAddress, read_postmaster_file
from app.postgres.folder_lock import release, try_lock
from app.postgres.location import Location, current_root
from app.postgres.refusal import PostgresUnavailableError

LEFTOVER_SECONDS: Final = 60.0

_POLL_SECONDS: Final = 0.02


def claim_server(location: Location, is_given_up: Callable[[], bool]) -> int:
    """Wait until no process of an earlier server is left, and give the lock to hand on.

    Removes the postmaster.pid such a server left. Refuses with ``leftover-processes`` after a minute or when
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
    (location.data / "postmaster.pid").unlink(missing_ok=True)
    return lock


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
        raise PostgresUnavailableError("not-writable", path=str(data_dir), reason=str(error)) from error


def _is_postgres_of(pid: int, data: Path) -> bool:
    """Whether this process is a PostgreSQL started on this data (Linux; elsewhere PostgreSQL judges)."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return Path(words[0].decode("utf-8", "replace")).name == "postgres" and bytes(data) in words
