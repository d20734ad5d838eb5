"""Who runs PostgreSQL: never root, never an account made for it, and as an ordinary user we ourselves."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import app
from app.postgres import PostgresUnavailableError, account
from app.postgres.account import choose_account
from app.postgres.binaries import find_binaries, runnable_binaries

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another account")
only_others = pytest.mark.skipif(os.geteuid() == 0, reason="root may become any account")

# Run by an interpreter that may be the system's: the room needs nothing but the standard library.
AS_AN_ORDINARY_USER = """
import os, signal, sys, time
from pathlib import Path
from app.postgres import EmbeddedPostgres, PostgresUnavailableError, running_server
home, programs = map(Path, sys.argv[1:3])
with EmbeddedPostgres(home / "pg", binaries=programs) as server:
    assert server.is_ready()
    assert server.folder == home / "pg"
    assert (home / "pg").stat().st_mode & 0o777 == 0o700
    assert Path(f"/proc/{server.pid}").stat().st_uid == os.geteuid() != 0
    assert running_server(home / "pg") == server.address
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    while server.pid == pid or not server.is_ready():
        time.sleep(0.02)
causes = []
(home / "closed").mkdir(mode=0o500)
for folder, user in ((home / "closed", None), (home / "closed" / "pg", None), (home / "pg", "root")):
    try:
        EmbeddedPostgres(folder, binaries=programs, pg_user=user).start()
    except PostgresUnavailableError as refusal:
        causes.append(refusal.cause)
print(*causes)
"""


def refusal_of(pg_user: str | None, owner_uid: int | None = None) -> PostgresUnavailableError:
    with pytest.raises(PostgresUnavailableError) as caught:
        choose_account(pg_user, owner_uid=owner_uid, path=Path("/data"))
    return caught.value


@only_root
def test_root_takes_the_first_account_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "PREFERRED_USERS", ("no-such-account", "nobody", "daemon"))
    chosen = choose_account(None, owner_uid=None, path=Path("/data"))
    assert (chosen.name, chosen.uid, chosen.is_switch) == ("nobody", pwd.getpwnam("nobody").pw_uid, True)


@only_root
def test_root_without_such_an_account_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "PREFERRED_USERS", ("no-such-account",))
    assert refusal_of(None).cause == "no-unprivileged-user"


@only_root
def test_root_is_told_of_accounts_that_will_not_do() -> None:
    assert refusal_of("no-such-account").cause == "unknown-user"
    assert refusal_of("root").cause == "user-is-root"
    assert refusal_of(None, owner_uid=0).cause == "user-is-root"
    assert refusal_of("daemon", owner_uid=pwd.getpwnam("nobody").pw_uid).cause == "wrong-owner"


@only_root
def test_data_of_an_account_without_a_name_goes_on_being_run_by_it() -> None:
    chosen = choose_account(None, owner_uid=54321, path=Path("/data"))
    assert (chosen.name, chosen.uid, chosen.gid) == ("54321", 54321, 54321)


@only_others
def test_others_run_it_themselves_or_not_at_all() -> None:
    chosen = choose_account(None, owner_uid=None, path=Path("/data"))
    assert (chosen.uid, chosen.is_switch) == (os.geteuid(), False)
    assert refusal_of("no-such-account").cause == "cannot-switch-user"
    assert refusal_of(None, owner_uid=0).cause == "wrong-owner"


def test_the_programs_see_nothing_of_our_environment(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOCBA_SECRET", "secret")
    chosen = choose_account(None, owner_uid=None, path=open_folder)
    told = chosen.run(["/bin/sh", "-c", "set"]).stdout
    assert "TZ=" in told
    assert "secret" not in told


@only_root
def test_an_ordinary_user_in_a_home_others_cannot_read(open_folder: Path) -> None:
    nobody = choose_account("nobody", owner_uid=None, path=open_folder)
    python = next((p for p in (sys.executable, "/usr/bin/python3") if nobody.may_run(Path(p))), None)
    if python is None:
        pytest.skip("nobody may run no Python here")
    if subprocess.run(
        [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False
    ).returncode:
        pytest.skip("the Python that nobody may run is too old")
    code = open_folder / "code" / "app"
    shutil.copytree(Path(app.__file__).parent / "postgres", code / "postgres")
    (code / "__init__.py").touch()
    subprocess.run(["chmod", "-R", "go+rX", code.parent], check=True)
    programs = runnable_binaries(find_binaries(), nobody, open_folder)
    home = open_folder / "home"
    home.mkdir(mode=0o700)
    nobody.take(home)
    result = subprocess.run(
        [python, "-W", "error", "-c", AS_AN_ORDINARY_USER, home, programs.folder],
        env={"PYTHONPATH": str(code.parent), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        user=nobody.uid,
        group=nobody.gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.stderr.count("\n") <= 1, result.stderr
    assert result.stdout.split() == ["not-writable", "not-writable", "cannot-switch-user"], result.stderr
