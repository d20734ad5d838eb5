"""A small disk of the fault test's own, which can be filled to the last block."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SPARE_BYTES: Final = 32 * 1024


class NoDiskError(Exception):
    """This machine does not let us mount a disk: says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallDisk:
    """A file system in a file; ``folder`` is where it is mounted."""

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Take all space that is left, but for less than a package needs."""
        left = os.statvfs(self.folder)
        size = left.f_bavail * left.f_frsize - SPARE_BYTES
        if size > 0:
            with self._filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    """Mount an ext4 of that many bytes while the block lasts; NoDiskError where that is not possible.

    Not a tmpfs: what is synced shall go through a file system and its journal.
    """
    if os.geteuid() != 0:
        raise NoDiskError("mounting a small disk takes root")
    image, mounted = folder / "disk.img", folder / "disk"
    mounted.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    _run("mkfs.ext4", "-q", "-m", "0", str(image))
    _run("mount", "-o", "loop", str(image), str(mounted))
    try:
        yield SmallDisk(folder=mounted)
    finally:
        _run("umount", "--lazy", str(mounted))
        image.unlink()


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - every word is ours
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
        raise NoDiskError(f"{command[0]}: {said}") from error
