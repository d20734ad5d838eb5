"""Become PostgreSQL: run by path as a small program of its own, it turns into the server it is given.

It first gives up its identity and then asks the kernel (Linux) for SIGINT, PostgreSQL's fast shutdown, when
the thread that started it dies: the other order would not hold, for changing identity forgets the request.
Doing this in a fresh interpreter rather than between fork and exec is safe beside threads.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def become(parent_pid: int, uid: int, gid: int, command: list[str]) -> None:
    """Turn this process into the command; a negative uid keeps the identity."""
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGINT), 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the starting process is gone")
    # The interpreter ignores these two; programs that the server starts in turn expect the default.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 - no shell is what is wanted


if __name__ == "__main__":
    become(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
