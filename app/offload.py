"""The one door through which heavy work (parsing, signatures, password hashing) leaves the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Offload:
    """A fixed number of threads; what does not fit waits its turn, the event loop never does.

    Threads serve because libxml2, OpenSSL and zlib release the interpreter's lock while they work.
    """

    def __init__(self, threads: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="offload")

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function that touches neither the loop nor a database connection; gives what it returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(function, *args, **kwargs))

    def close(self) -> None:
        """Let the running work end and free the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)
