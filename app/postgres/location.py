"""Where the cluster lies: in the caller's folder, or elsewhere if PostgreSQL's account cannot go there."""

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.postgres.account import Account, choose_account
from app.postgres.address import PORT
from app.postgres.refusal import PostgresUnavailableError, refused_write

STATE_FOLDER: Final = Path("/var/lib")
LONGEST_SOCKET_PATH: Final = 107

_POINTER: Final = "location"

# In a URL's list of hosts anything else may be read as a separator by some client.
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9/._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """The folders and files of one cluster; ``root`` stays ours, ``server`` is PostgreSQL's account's."""

    root: Path
    account: Account

    @property
    def server(self) -> Path:
        """The folder that PostgreSQL's account owns; nobody else may enter it."""
        return self.root / "server"

    @property
    def data(self) -> Path:
        """The cluster itself (PGDATA)."""
        return self.server / "data"

    @property
    def unfinished_data(self) -> Path:
        """The cluster while it is being made; renamed when it is whole."""
        return self.server / "data.init"

    @property
    def password(self) -> Path:
        """The owner's password, mode 0600."""
        return self.root / "password"

    @property
    def log(self) -> Path:
        """What the server says; no statements and no values are in it."""
        return self.root / "server.log"

    @property
    def server_lock(self) -> Path:
        """Held by every process of a running server."""
        return self.root / "server.lock"


def open_data_folder(data_dir: Path) -> None:
    """Create the caller's folder if need be; refuses with ``not-writable``.

    As root the folder of ours may be passed through, though not listed, so that PostgreSQL's account gets
    to its own; folders that exist keep their modes.
    """
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
        if not data_dir.exists():
            data_dir.mkdir(mode=0o700)
            data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        probe = data_dir / f".probe-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise refused_write(data_dir, error) from error


def locate(data_dir: Path, pg_user: str | None, notice: Callable[[str], None]) -> Location:
    """Find or make the cluster's folders and choose the account that owns them.

    Where PostgreSQL's account cannot reach the caller's folder, a folder under /var/lib/hocba (else under the
    temporary folder) is made, and a pointer file in the caller's folder names it. No folder that existed is
    opened to anyone. Refuses with ``lost-location``, ``closed-folder``, ``not-writable`` and the causes of
    choose_account.
    """
    root = current_root(data_dir)
    server = root / "server"
    if server.exists():
        account = choose_account(pg_user, owner_uid=server.stat().st_uid, path=server)
        if not account.may_write(server):
            raise PostgresUnavailableError("closed-folder", user=account.name, path=str(server))
        return Location(root=root, account=account)
    account = choose_account(pg_user, owner_uid=None, path=server)
    if _make_server_folder(server, account):
        return Location(root=root, account=account)
    root = _elsewhere(data_dir, account)
    (data_dir / _POINTER).write_text(f"{root}\n", "utf-8")
    notice(f"Dữ liệu PostgreSQL nằm ở {root} / PostgreSQL's data lies in {root} ({account.name})")
    _tell_of_abandoned(root, notice)
    return Location(root=root, account=account)


def current_root(data_dir: Path) -> Path:
    """Give the folder the cluster is in, following the pointer file; refuses with ``lost-location``."""
    pointer = data_dir / _POINTER
    try:
        root = Path(pointer.read_text("utf-8").strip())
    except FileNotFoundError:
        return data_dir.resolve()
    if not (root / "server").is_dir():
        raise PostgresUnavailableError("lost-location", path=str(pointer), location=str(root))
    return root


def choose_socket_folder(location: Location) -> Path:
    """Give a folder, 0700, for the socket: beside the data, or a short one where that path is long or odd.

    The system keeps socket paths in 108 bytes, the last of them zero. Refuses with ``socket-path-too-long``.
    """
    beside = location.server / "run"
    if _is_socket_folder(beside):
        beside.mkdir(mode=0o700, exist_ok=True)
        location.account.take(beside)
        return beside
    for parent in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # noqa: S108 - the folder made in it is random and 0700
        try:
            short = Path(tempfile.mkdtemp(prefix="hocba-", dir=parent))
        except OSError:
            continue
        location.account.take(short)
        if _is_socket_folder(short) and location.account.may_write(short):
            return short
        short.rmdir()
    raise PostgresUnavailableError(
        "socket-path-too-long", path=str(beside / f".s.PGSQL.{PORT}"), length=_socket_path_length(beside)
    )


def _is_socket_folder(folder: Path) -> bool:
    is_short = _socket_path_length(folder) <= LONGEST_SOCKET_PATH
    return is_short and _PLAIN_PATH.fullmatch(str(folder)) is not None


def _socket_path_length(folder: Path) -> int:
    return len(os.fsencode(folder / f".s.PGSQL.{PORT}"))


def _make_server_folder(server: Path, account: Account) -> bool:
    """Make PostgreSQL's own folder; False, leaving nothing behind, where its account cannot get there."""
    try:
        server.mkdir(mode=0o700)
        account.take(server)
    except OSError as error:
        raise refused_write(server, error) from error
    if account.may_write(server):
        return True
    server.rmdir()
    return False


def _elsewhere(data_dir: Path, account: Account) -> Path:
    """Make a folder of our own where the account can go; its name tells which data folder it serves."""
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    name = f"hocba-{digest}-{secrets.token_hex(4)}"
    state = STATE_FOLDER / "hocba"
    with contextlib.suppress(OSError):
        if not state.exists():
            state.mkdir()
            state.chmod(0o755)
    for parent in (state, Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - the name cannot be guessed
        root = parent / name
        try:
            root.mkdir(mode=0o700)
            root.chmod(0o711)
        except OSError:
            continue
        if _make_server_folder(root / "server", account):
            return root
        root.rmdir()
    raise PostgresUnavailableError("closed-folder", user=account.name, path=str(data_dir))


def _tell_of_abandoned(root: Path, notice: Callable[[str], None]) -> None:
    """Tell of databases made for the same data folder before, which its deletion left behind."""
    digest = root.name.rpartition("-")[0]
    for other in root.parent.glob(f"{digest}-*"):
        if other != root:
            notice(
                f"Còn dữ liệu cũ, xóa nếu không cần / An older database is left, delete if unneeded: {other}"
            )
