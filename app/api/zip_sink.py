"""What an archive is written to while it is sent."""

import io
from typing import Any


class ZipSink(io.RawIOBase):
    """Keeps what was not sent yet: an archive of any size takes the memory of its largest file."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting = bytearray()

    def writable(self) -> bool:
        """Say that it may be written to."""
        return True

    def write(self, octets: Any) -> int:
        """Keep what is written until it is drained."""
        part = bytes(octets)
        self._waiting += part
        return len(part)

    def drain(self) -> bytes:
        """Give what was written since the last time."""
        part = bytes(self._waiting)
        self._waiting.clear()
        return part
