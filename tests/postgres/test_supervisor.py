"""The server starts, stops, restarts and recovers; nothing acknowledged is lost."""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from app.postgres import EmbeddedPostgres, PostgresUnavailableError, running_server, supervisor

Spawn = Callable[..., "subprocess.Popen[str]"]

SERVE = """
import sys
from pathlib import Path
from app.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start()
print(server.pid, server.log, flush=True)
sys.stdin.read()
server.stop()
"""


async def ask(server: EmbeddedPostgres, statement: str) -> object:
    connection = await asyncpg.connect(server.dsn("postgres"))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def wait_until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_first_start_restart_and_what_it_is_set_to(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg")
    with server:
        assert server.is_ready()
        await ask(server, "CREATE TABLE kept AS SELECT 'giữ' AS word")
        assert (server.folder / "password").stat().st_mode & 0o777 == 0o600
        assert server.address.socket_folder.stat().st_mode & 0o777 == 0o700
        settings = {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "max_connections": "100",
            "track_commit_timestamp": "on",
            "shared_preload_libraries": "pg_stat_statements",
            "password_encryption": "scram-sha-256",
        }
        for name, value in settings.items():
            assert await ask(server, f"SHOW {name}") == value, name
        assert (
            await ask(server, "SELECT datlocprovider::text || datlocale FROM pg_database LIMIT 1")
            == "bC.UTF-8"
        )
        assert await ask(server, "SELECT upper('đắk lắk')") == "ĐẮK LẮK"
    assert not server.is_ready()
    assert server.pid is None
    assert "database system is shut down" in server.log.read_text()
    with server:
        assert await ask(server, "SELECT word FROM kept") == "giữ"


async def test_only_who_has_the_password_comes_in(postgres: EmbeddedPostgres) -> None:
    wrong = postgres.dsn("postgres").replace(postgres.address.password, "wrong")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(wrong)


async def test_values_and_statements_stay_out_of_the_log(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    await connection.execute(
        "CREATE TEMP TABLE pupil (number text PRIMARY KEY CHECK (number <> '066000000001'))"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("INSERT INTO pupil VALUES ('066000000001')")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await connection.execute("SELECT 'x066000000001'::int")
    await connection.close()
    assert "066000000001" not in postgres.log.read_text()


async def test_a_killed_server_comes_back_with_every_acknowledged_row(open_folder: Path) -> None:
    told: list[str] = []
    with EmbeddedPostgres(open_folder / "pg", notice=told.append) as server:
        first = server.pid
        assert first is not None
        connection = await asyncpg.connect(server.dsn("postgres"))
        await connection.execute("CREATE TABLE t (n int)")
        acknowledged = 0
        while not connection.is_closed():
            try:
                await connection.execute("INSERT INTO t VALUES ($1)", acknowledged)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
                break
            acknowledged += 1
            if acknowledged == 200:
                os.kill(first, signal.SIGKILL)
        wait_until(lambda: server.pid not in (None, first) and server.is_ready())
        assert await ask(server, "SELECT count(*) FROM t") in (acknowledged, acknowledged + 1)
        assert acknowledged >= 200
    assert len(told) == 1
    assert "exit -9" in told[0]


async def test_it_comes_back_again_and_again(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        for _ in range(3):
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda pid=pid: server.pid != pid and server.is_ready())  # type: ignore[misc]  # mypy: bound lambda
        assert await ask(server, "SELECT 1") == 1


def test_the_server_sees_nothing_of_our_environment(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOCBA_SECRET", "secret")
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=1MB")
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        environment = Path(f"/proc/{server.pid}/environ").read_bytes()
    assert b"TZ=UTC" in environment
    assert b"HOCBA" not in environment
    assert b"PGOPTIONS" not in environment


def test_started_from_a_thread_that_ends_it_stays(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    pid = server.pid
    time.sleep(0.3)
    assert server.is_ready()
    assert server.pid == pid
    server.stop()


@pytest.mark.skipif(not Path("/proc").exists(), reason="the kernel's message to children is Linux's")
def test_when_its_program_is_killed_the_server_shuts_down_cleanly(open_folder: Path, spawn: Spawn) -> None:
    program = spawn(SERVE, open_folder / "pg")
    assert program.stdout is not None
    pid, log = program.stdout.readline().split()
    program.kill()
    wait_until(lambda: not is_alive(int(pid)))
    assert Path(log).read_text().rstrip().endswith("database system is shut down")


def test_a_program_that_ends_without_stopping_takes_the_server_along(open_folder: Path, spawn: Spawn) -> None:
    program = spawn(SERVE.replace("server.stop()", "sys.exit(3)"), open_folder / "pg")
    assert program.stdout is not None
    pid, log = program.stdout.readline().split()
    program.communicate(timeout=20)
    assert program.returncode == 3
    assert not is_alive(int(pid))
    assert Path(log).read_text().rstrip().endswith("database system is shut down")


def test_the_next_program_waits_for_the_killed_ones_server(open_folder: Path, spawn: Spawn) -> None:
    program = spawn(SERVE, open_folder / "pg")
    assert program.stdout is not None
    program.stdout.readline()
    program.kill()
    program.wait()
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        assert server.is_ready()


def test_a_fork_that_outlives_a_killed_program_blocks_nothing(open_folder: Path, spawn: Spawn) -> None:
    forking = SERVE.replace(
        "sys.stdin.read()", "import os, time\nif os.fork() == 0: time.sleep(30)\nsys.stdin.read()"
    )
    program = spawn(forking.replace("flush=True)", "flush=True)\nsys.stdin.readline()"), open_folder / "pg")
    assert program.stdout is not None
    assert program.stdin is not None
    program.stdout.readline()
    program.stdin.write("fork\n")
    program.stdin.flush()
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
    wait_until(lambda: bool(children.read_text().split()))
    orphans = [int(word) for word in children.read_text().split()]
    program.kill()
    program.wait()
    try:
        with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
            assert server.is_ready()
    finally:
        for orphan in orphans:
            os.kill(orphan, signal.SIGKILL)


def test_a_second_instance_is_refused_and_may_ask_for_the_address(open_folder: Path, spawn: Spawn) -> None:
    assert running_server(open_folder) is None
    folder = open_folder / "pg"
    program = spawn(SERVE, folder)
    assert program.stdout is not None
    program.stdout.readline()
    with pytest.raises(PostgresUnavailableError) as caught:
        EmbeddedPostgres(folder).start()
    assert caught.value.cause == "second-instance"
    address = running_server(folder)
    assert address is not None
    assert (address.socket_folder / ".s.PGSQL.5432").is_socket()
    program.communicate(timeout=20)
    assert running_server(folder) is None


def test_starting_twice_is_a_mistake_of_the_caller(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    with pytest.raises(RuntimeError):
        server.dsn()
    with server:
        with pytest.raises(RuntimeError):
            server.start()
        assert server.is_ready()
    server.stop()


def test_a_stale_postmaster_file_with_a_living_pid_is_seen_through(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    with server:
        account = server._started_location().account
        file = server.folder / "server" / "data" / "postmaster.pid"
        lines = file.read_text().splitlines()
        lock = server.address.socket_folder / ".s.PGSQL.5432.lock"
        lock_lines = lock.read_text().splitlines()
    sleeper = subprocess.Popen(["sleep", "60"], user=account.uid if account.is_switch else None)
    try:
        for path, content in ((file, lines), (lock, lock_lines)):
            path.parent.mkdir(mode=0o700, exist_ok=True)
            account.take(path.parent)
            path.write_text("\n".join([str(sleeper.pid), *content[1:]]) + "\n")
            account.take(path)
        assert running_server(open_folder / "pg") is None
        with server:
            assert server.is_ready()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_server_started_by_hand_is_left_alone(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    with server:
        location = server._started_location()
        command = server._command
    location.account.take(location.server)
    by_hand = subprocess.Popen(
        [*command, "-c", f"unix_socket_directories={location.server}"],
        user=location.account.uid if location.account.is_switch else None,
        stderr=subprocess.DEVNULL,
        cwd=location.server,
    )
    try:
        wait_until((location.data / "postmaster.pid").exists)
        with pytest.raises(PostgresUnavailableError) as caught:
            server.start()
        assert (caught.value.cause, caught.value.facts["pid"]) == ("foreign-server", by_hand.pid)
        assert by_hand.poll() is None
    finally:
        by_hand.send_signal(signal.SIGINT)
        by_hand.wait()


def test_a_setting_it_does_not_know_is_told_with_its_log(open_folder: Path) -> None:
    with pytest.raises(PostgresUnavailableError) as caught:
        EmbeddedPostgres(open_folder / "pg", durable=False, settings={"no_such_setting": "1"}).start()
    assert caught.value.cause == "died-at-start"
    assert "no_such_setting" in str(caught.value)
    with EmbeddedPostgres(open_folder / "pg", durable=False, settings={"work_mem": "8MB"}) as server:
        assert server.is_ready()


def test_too_short_a_time_is_said_and_nothing_is_left_running(open_folder: Path) -> None:
    with pytest.raises(PostgresUnavailableError) as caught:
        EmbeddedPostgres(open_folder / "pg", durable=False, start_seconds=0).start()
    assert caught.value.cause == "not-ready-in-time"
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server:
        assert server.is_ready()


async def test_a_long_recovery_is_waited_for_and_told(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_NOTICE_SECONDS", 0.05)
    told: list[str] = []
    server = EmbeddedPostgres(open_folder / "pg", durable=False, notice=told.append)
    with server:
        await ask(
            server, "CREATE TABLE big AS SELECT n, repeat('x', 500) AS x FROM generate_series(1, 150000) n"
        )
        await ask(server, "SELECT pg_switch_wal()")
        pid = server.pid
        assert pid is not None
        server._is_stopping.set()  # so that the restart is this test's own
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server.pid is None)
    told.clear()
    with server:
        assert await ask(server, "SELECT count(*) FROM big") == 150000
    assert told
    assert all("đang phục hồi" in line and "is recovering" in line for line in told)


def test_a_log_grown_large_is_put_aside(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_LARGEST_LOG_BYTES", 100)
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    with server:
        before = server.log.read_text()
    with server:
        pass
    assert server.log.with_suffix(".log.1").read_text().startswith(before)
    assert server.log.stat().st_mode & 0o777 == 0o600


async def test_stopping_does_not_wait_for_clients(open_folder: Path) -> None:
    server = EmbeddedPostgres(open_folder / "pg", durable=False)
    with server:
        connection = await asyncpg.connect(server.dsn("postgres"))
        await connection.execute("BEGIN; CREATE TABLE t (n int)")
        server.stop()
    connection.terminate()
    log = server.log.read_text()
    assert "received fast shutdown request" in log  # a smart one would wait for the client to leave
    assert "database system is shut down" in log


async def test_a_server_that_will_not_stop_is_told_more_firmly_but_not_killed(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.3)
    told: list[str] = []
    server = EmbeddedPostgres(open_folder / "pg", durable=False, notice=told.append)
    with server:
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        server.stop()
        assert ["has not shut down" in line for line in told] == [True]
        assert is_alive(pid)
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: not is_alive(pid))
    assert "received immediate shutdown request" in server.log.read_text()
    with server:
        assert server.is_ready()


def test_notices_go_to_the_log_unless_asked_otherwise(
    open_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedPostgres(open_folder / "pg", durable=False) as server, caplog.at_level(logging.WARNING):
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: server.pid != pid and server.is_ready())
    assert [record.name for record in caplog.records if "restarted" in record.message] == [
        "app.postgres.supervisor"
    ]
