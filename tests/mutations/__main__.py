"""Takes defences out, one at a time, in a copy of the source, and shows that a test turns red for each.

``python -m tests.mutations`` prints the table that docs/security.md keeps. It is no part of the suite: it
takes some minutes.
"""

import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_COPIED: Final = ("app", "tests", "migrations", "pyproject.toml")
_SECONDS: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Defence:
    """One defence, how it is taken out, and the test that has to turn red.

    Attributes:
        file: where it stands.
        old: its source, found there exactly once.
        new: what stands there without it.
    """

    name: str
    file: str
    old: str
    new: str
    test: str


def defences() -> list[Defence]:
    """Read the table."""
    rows = tomllib.loads(Path(__file__).with_name("defences.toml").read_text("utf-8"))["defence"]
    return [Defence(**row) for row in rows]


def copy_of(root: Path, folder: Path) -> None:
    """Copy what the tests need."""
    for name in _COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)


def is_red(folder: Path, test: str) -> bool:
    """Run one test in the copy; red is a failed assertion, not a test that cannot be run."""
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", "--show-capture=no", test]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS)
    if done.returncode not in {0, 1}:
        raise RuntimeError(f"{test} could not be run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 1


def try_out(defence: Defence, folder: Path) -> bool:
    """Take one defence out, run its test, and put it back; says whether the test turned red."""
    path = folder / defence.file
    source = path.read_text("utf-8")
    if source.count(defence.old) != 1:
        raise RuntimeError(f"{defence.name}: its source is not found once in {defence.file}")
    path.write_text(source.replace(defence.old, defence.new), "utf-8")
    try:
        return is_red(folder, defence.test)
    finally:
        path.write_text(source, "utf-8")


def main() -> int:
    """Try every defence, or those whose name holds a word of the command line."""
    wanted = [d for d in defences() if all(word in d.name for word in sys.argv[1:])]
    survived = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        copy_of(ROOT, folder)
        for test in sorted({defence.test for defence in wanted}):
            if is_red(folder, test):
                raise RuntimeError(f"{test} is red with every defence in place")
        for defence in wanted:
            is_caught = try_out(defence, folder)
            survived += not is_caught
            sys.stdout.write(
                f"| {defence.name} | {'red' if is_caught else 'NOT NOTICED'} | `{defence.test}` |\n"
            )
            sys.stdout.flush()
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
