"""EmbeddedPostgres: starts our own PostgreSQL, keeps it running, shuts it down cleanly."""

import atexit
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from app.postgres import launcher
from app.postgres.account import ENVIRONMENT
from app.postgres.address import ServerAddress, read_postmaster_file
from app.postgres.archive import archiving
from app.postgres.binaries import Binaries, find_binaries, runnable_binaries
from app.postgres.cluster import NOT_DURABLE, SETTINGS, ensure_cluster, server_command
from app.postgres.folder_lock import release, try_lock
from app.postgres.location import Location, choose_socket_folder, locate, open_data_folder
from app.postgres.refusal import PostgresUnavailableError, refused_write
from app.postgres.server_lock import claim_server, clear_leftovers

STOP_SECONDS: Final = 60.0

_POLL_SECONDS: Final = 0.02
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0
_STEADY_SECONDS: Final = 60.0
_NOTICE_SECONDS: Final = 5.0
_LARGEST_LOG_BYTES: Final = 16 * 1024 * 1024

_logger = logging.getLogger(__name__)


class EmbeddedPostgres:
    """A PostgreSQL of our own in a folder of our own, reached by a unix socket only.

    A thread of its own starts the server, waits for its end and starts it again when it dies, so it does not
    matter from which thread ``start`` and ``stop`` are called; both block (from asyncio: to_thread).
    When this process dies, however it dies, the kernel (Linux) tells the server to shut down cleanly.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        binaries: Path | None = None,
        pg_user: str | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        wal_archive: Path | None = None,
        start_seconds: float = 1800,
        notice: Callable[[str], None] = _logger.warning,
    ) -> None:
        """Say how it shall run; nothing is touched before ``start``.

        Args:
            data_dir: a folder for the cluster, its password, log and locks; created where it is missing.
            binaries: the folder with postgres and initdb; else the package's, else the system's newest.
            pg_user: as root, the existing unprivileged account to run as; else the first of postgres, nobody.
            durable: False gives up safety against a crash of the machine for speed; for tests.
            settings: PostgreSQL settings on top of ours.
            wal_archive: a folder that the log is copied to as it is written, to restore any moment from.
            start_seconds: how long recovery after a crash may take before ``start`` gives up.
            notice: told, in Vietnamese and English, what takes long or went wrong and was repaired.
        """
        self._data_dir = data_dir
        self._binaries = binaries
        self._pg_user = pg_user
        self._is_durable = durable
        self._settings = {**SETTINGS, **({} if durable else NOT_DURABLE), **(settings or {})}
        self._wal_archive = wal_archive
        self._start_seconds = start_seconds
        self._notice = notice
        self._process_id = 0
        self._instance_lock: int | None = None
        self._location: Location | None = None
        self._socket_folder: Path | None = None
        self._command: list[str] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._keeper: threading.Thread | None = None
        self._is_stopping = threading.Event()
        self._has_been_ready = threading.Event()
        self._refusal: PostgresUnavailableError | None = None

    def start(self) -> None:
        """Create the cluster if there is none, start the server and wait until it takes connections.

        Refuses with PostgresUnavailableError, having undone what it began; the causes are in refusals.toml.
        """
        if self._keeper is not None:
            raise RuntimeError("already started")
        open_data_folder(self._data_dir)
        try:
            self._instance_lock = try_lock(self._data_dir / "instance.lock")
        except OSError as error:
            raise refused_write(self._data_dir / "instance.lock", error) from error
        if self._instance_lock is None:
            raise PostgresUnavailableError("second-instance", path=str(self._data_dir))
        self._process_id = os.getpid()
        self._is_stopping.clear()
        self._has_been_ready.clear()
        self._refusal = None
        try:
            self._prepare()
            atexit.register(self.stop)
            self._keeper = threading.Thread(target=self._keep, name="postgres-keeper", daemon=True)
            self._keeper.start()
            self._await_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Shut the server down and wait: fast (SIGINT), after a minute at once (SIGQUIT), never SIGKILL.

        Harmless where nothing runs, and in a process forked from the one that started the server.
        """
        if self._process_id != os.getpid():
            return
        self._is_stopping.set()
        if self._keeper is not None:
            for word in (signal.SIGINT, signal.SIGQUIT):
                if self._end_keeper(word):
                    break
            else:
                self._notice("PostgreSQL chưa chịu tắt / PostgreSQL has not shut down yet")
        self._keeper = None
        atexit.unregister(self.stop)
        if self._socket_folder is not None:
            with contextlib.suppress(OSError):
                self._socket_folder.rmdir()
            self._socket_folder = None
        if self._instance_lock is not None:
            release(self._instance_lock)
            self._instance_lock = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def is_ready(self) -> bool:
        """Whether the server that we started takes connections now (False while it is being restarted)."""
        location, pid = self._location, self.pid
        if location is None or pid is None:
            return False
        told = read_postmaster_file(location.data)
        # A file of an earlier server may still lie there: only what our own child wrote counts.
        return told is not None and told.is_ready and told.pid == pid

    @property
    def pid(self) -> int | None:
        """The postmaster's process id; None where nothing runs."""
        child = self._child
        return child.pid if child is not None and child.returncode is None else None

    @property
    def folder(self) -> Path:
        """Where the cluster and its log really lie: the data folder, or what its pointer file names."""
        return self._started_location().root

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._started_location().log

    @property
    def address(self) -> ServerAddress:
        """How to reach the server; known once it was started, and the same after a restart."""
        location, socket_folder = self._started_location(), self._socket_folder
        if socket_folder is None:
            raise RuntimeError("not started")
        return ServerAddress(socket_folder=socket_folder, password=location.password.read_text("utf-8"))

    def dsn(self, database: str = "hocba") -> str:
        """Give the URL asyncpg takes."""
        return self.address.dsn(database)

    def sqlalchemy_url(self, database: str = "hocba") -> str:
        """Give the URL SQLAlchemy takes."""
        return self.address.sqlalchemy_url(database)

    def _started_location(self) -> Location:
        if self._location is None:
            raise RuntimeError("not started")
        return self._location

    def _prepare(self) -> None:
        """Everything before the server itself: programs, folders, account, cluster, socket folder, log."""
        found: Binaries = find_binaries(self._binaries)
        location = self._location = locate(self._data_dir, self._pg_user, self._notice)
        binaries = runnable_binaries(found, location.account, location.root)
        lock = claim_server(location, self._is_stopping.is_set)
        try:
            ensure_cluster(location, binaries, lock=lock, is_durable=self._is_durable)
        finally:
            release(lock)
        self._socket_folder = choose_socket_folder(location)
        settings = self._settings
        if self._wal_archive is not None:
            settings = {**settings, **archiving(self._wal_archive, location.account, binaries)}
        self._command = server_command(location, binaries, self._socket_folder, settings)
        if location.log.exists() and location.log.stat().st_size > _LARGEST_LOG_BYTES:
            shutil.move(location.log, location.log.with_suffix(".log.1"))
        location.log.touch(mode=0o600)

    def _await_ready(self) -> None:
        """Wait until the server says so, telling from time to time that recovery takes its time."""
        began = told = time.monotonic()
        while not self.is_ready():
            keeper = self._keeper
            if keeper is None or not keeper.is_alive():
                raise self._refusal or self._refused("died-at-start")
            now = time.monotonic()
            if now - began > self._start_seconds:
                raise self._refused("not-ready-in-time", seconds=int(self._start_seconds))
            if now - told > _NOTICE_SECONDS:
                told = now
                self._notice(
                    f"PostgreSQL đang phục hồi ({now - began:.0f} giây) / is recovering ({now - began:.0f} s)"
                )
            time.sleep(_POLL_SECONDS)
        self._has_been_ready.set()

    def _refused(self, cause: str, **facts: int) -> PostgresUnavailableError:
        log = self._started_location().log
        lines = log.read_text("utf-8", "replace").splitlines()[-5:]
        return PostgresUnavailableError(cause, path=str(log), log=" | ".join(lines), **facts)

    def _keep(self) -> None:
        """Run the server until it shall stop, starting it again, ever more patiently, when it dies.

        The kernel's message to the server fires when the thread that started it ends; this one ends last.
        """
        pause = _FIRST_PAUSE_SECONDS
        while not self._is_stopping.is_set():
            began = time.monotonic()
            try:
                self._child = self._launch()
                ended = f"exit {self._child.wait()}"
            except PostgresUnavailableError as refusal:
                self._refusal = refusal
                ended = str(refusal)
            if self._is_stopping.is_set() or not self._has_been_ready.is_set():
                return
            pause = _FIRST_PAUSE_SECONDS if time.monotonic() - began > _STEADY_SECONDS else pause * 2
            pause = min(pause, _LONGEST_PAUSE_SECONDS)
            self._notice(f"PostgreSQL tắt đột ngột, đang khởi động lại / died, is being restarted ({ended})")
            self._is_stopping.wait(pause)

    def _launch(self) -> subprocess.Popen[bytes]:
        """Start the server as our child, in a session of its own, holding the server lock."""
        location = self._started_location()
        lock = claim_server(location, self._is_stopping.is_set)
        account, socket_folder = location.account, self.address.socket_folder
        uid = account.uid if account.is_switch else -1
        become = [sys.executable, "-I", "-S", launcher.__file__, *map(str, (os.getpid(), uid, account.gid))]
        try:
            clear_leftovers(location, socket_folder)
            with location.log.open("ab") as log:
                return subprocess.Popen(  # noqa: S603 - no shell, and every word of the command is ours
                    [*become, *self._command],
                    cwd=location.server,
                    env=ENVIRONMENT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(lock,),
                )
        except OSError as error:
            raise PostgresUnavailableError(
                "cannot-launch", path=str(location.log), reason=str(error)
            ) from error
        finally:
            release(lock)

    def _end_keeper(self, word: signal.Signals) -> bool:
        """Send the server a signal, once, and wait a minute; whether the keeper, so the server, has ended."""
        keeper, told = self._keeper, None
        deadline = time.monotonic() + STOP_SECONDS
        while keeper is not None and keeper.is_alive() and time.monotonic() < deadline:
            child = self._child
            if child is not None and child is not told:
                child.send_signal(word)
                told = child
            keeper.join(_POLL_SECONDS)
        return keeper is None or not keeper.is_alive()
