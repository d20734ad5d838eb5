"""How to reach the embedded PostgreSQL: its socket folder, owner and password, as URLs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

OWNER: Final = "hocba_owner"
PORT: Final = 5432


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """A server on a unix socket, reached as its superuser; the password is not shown in a repr."""

    socket_folder: Path
    password: str = field(repr=False)
    user: str = OWNER
    port: int = PORT

    def dsn(self, database: str = "hocba") -> str:
        """Give a libpq-style URL, as asyncpg takes it."""
        return f"postgresql://{self._rest(database)}"

    def sqlalchemy_url(self, database: str = "hocba") -> str:
        """Give the same as a SQLAlchemy URL for the asyncpg driver."""
        return f"postgresql+asyncpg://{self._rest(database)}"

    def _rest(self, database: str) -> str:
        login = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        folder = quote(str(self.socket_folder), safe="/")
        return f"{login}@/{quote(database, safe='')}?host={folder}&port={self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostmasterFile:
    """What a server writes about itself into postmaster.pid."""

    pid: int
    socket_folder: Path | None
    is_ready: bool


def read_postmaster_file(data: Path) -> PostmasterFile | None:
    """Read postmaster.pid of a data folder; None where it is absent or only half written.

    Line 1 is the process, line 5 the socket folder, line 8 the status (ready, starting, stopping).
    """
    try:
        lines = (data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].strip().isdecimal():
        return None
    lines += [""] * (8 - len(lines))
    return PostmasterFile(
        pid=int(lines[0]),
        socket_folder=Path(lines[4].strip()) if lines[4].strip() else None,
        is_ready=lines[7].strip() == "ready",
    )
