"""The account that PostgreSQL runs as: ours, or an existing unprivileged one where we are root."""

import os
import pwd
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.postgres.refusal import PostgresUnavailableError

PREFERRED_USERS: Final = ("postgres", "nobody")

# PostgreSQL's programs see nothing of the service's environment: it holds secrets, and PG* variables mislead.
ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of the operating system, and whether becoming it takes a switch."""

    name: str
    uid: int
    gid: int
    is_switch: bool

    def run(
        self, command: Sequence[str | Path], *, cwd: Path | str = "/", pass_fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as this account to its end; OSError where it may not even be started."""
        return subprocess.run(  # noqa: S603 - no shell, and every word of the command is ours
            [str(word) for word in command],
            cwd=cwd,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            pass_fds=pass_fds,
            user=self.uid if self.is_switch else None,
            group=self.gid if self.is_switch else None,
            extra_groups=[] if self.is_switch else None,
        )

    def may_run(self, program: Path) -> bool:
        """Whether this account can start the program, libraries and all; tried, not guessed from modes."""
        try:
            return self.run([program, "--version"]).returncode == 0
        except OSError:
            return False

    def may_write(self, folder: Path) -> bool:
        """Whether this account can reach the folder and write in it; tried, not guessed from modes."""
        return self.run(["/bin/sh", "-c", 'cd "$1" && test -w .', "sh", folder]).returncode == 0

    def may_read(self, folder: Path) -> bool:
        """Whether this account can reach the folder and read in it; tried, not guessed from modes."""
        return self.run(["/bin/sh", "-c", 'cd "$1" && test -r .', "sh", folder]).returncode == 0

    def take(self, path: Path) -> None:
        """Make this account the owner of a file or folder of ours."""
        if self.is_switch:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def check_switch(self) -> None:
        """Refuse with ``cannot-switch-user`` where the system does not let us become this account."""
        try:
            self.run(["/bin/sh", "-c", ":"])
        except (OSError, subprocess.SubprocessError) as error:
            raise PostgresUnavailableError("cannot-switch-user", user=self.name, reason=str(error)) from error


def choose_account(pg_user: str | None, *, owner_uid: int | None, path: Path) -> Account:
    """Choose who runs PostgreSQL; whoever owns existing data goes on owning it.

    Not root: ourselves, and nobody else. Root: the named account, else the owner of the data, else the first
    of PREFERRED_USERS that exists; accounts are never created. Refuses with ``unknown-user``,
    ``user-is-root``, ``no-unprivileged-user``, ``wrong-owner`` or ``cannot-switch-user``.

    Args:
        pg_user: the account the operator named, if any.
        owner_uid: who owns the data that exists already, if any does.
        path: where that data is, for the refusal.
    """
    account = _as_root(pg_user, owner_uid) if os.geteuid() == 0 else _as_ourselves(pg_user)
    if account.uid == 0:
        raise PostgresUnavailableError("user-is-root", user=account.name)
    if owner_uid is not None and owner_uid != account.uid:
        owner = _name_of(owner_uid)
        raise PostgresUnavailableError("wrong-owner", path=str(path), owner=owner, user=account.name)
    if account.is_switch:
        account.check_switch()
    return account


def _as_ourselves(pg_user: str | None) -> Account:
    uid = os.geteuid()
    name = _name_of(uid)
    if pg_user not in (None, name):
        raise PostgresUnavailableError("cannot-switch-user", user=str(pg_user), reason=f"euid {uid}")
    return Account(name=name, uid=uid, gid=os.getegid(), is_switch=False)


def _as_root(pg_user: str | None, owner_uid: int | None) -> Account:
    if pg_user is None and owner_uid is not None:
        entry = _entry_of(owner_uid)
        return Account(
            name=_name_of(owner_uid),
            uid=owner_uid,
            gid=entry.pw_gid if entry else owner_uid,
            is_switch=True,
        )
    tried = PREFERRED_USERS if pg_user is None else (pg_user,)
    found = next((entry for entry in map(_entry_named, tried) if entry), None)
    if found is None and pg_user is not None:
        raise PostgresUnavailableError("unknown-user", user=pg_user)
    if found is None:
        raise PostgresUnavailableError("no-unprivileged-user", tried=", ".join(tried))
    return Account(name=found.pw_name, uid=found.pw_uid, gid=found.pw_gid, is_switch=True)


def _entry_of(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None


def _entry_named(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _name_of(uid: int) -> str:
    """Give the account's name; an account without a name (common in containers) is called by its number."""
    entry = _entry_of(uid)
    return entry.pw_name if entry else str(uid)
