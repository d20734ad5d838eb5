"""Locks on a folder that the kernel drops by itself when their last holder dies."""

import fcntl
import os
from pathlib import Path
from typing import Final

# A worker process forked from us would inherit our locks and, outliving us, keep them for ever.
_HELD: Final[set[int]] = set()


def try_lock(path: Path) -> int | None:
    """Take the lock and give its descriptor; None where somebody holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    _HELD.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        release(descriptor)
        return None
    return descriptor


def release(descriptor: int) -> None:
    """Close our descriptor; the lock is free once everyone it was handed on to has closed it too."""
    _HELD.discard(descriptor)
    os.close(descriptor)


def _leave_to_parent() -> None:
    for descriptor in _HELD:
        os.close(descriptor)
    _HELD.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
