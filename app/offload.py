"""The one door through which heavy work (parsing, signatures, password hashing) leaves the event loop."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# Steps of long work that are done at a stretch before other work has its turn.
STRETCH: Final = 16


@dataclass(frozen=True, slots=True)
class _Ended(Generic[R]):
    """What work that rests has come to."""

    result: R


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

    async def run_in_turns(self, work: Generator[None, None, R]) -> R:
        """Run long work a stretch at a time: what came meanwhile has its turn in between."""
        while True:
            ended = await self.run(_advance, work)
            if ended is not None:
                return ended.result

    def close(self) -> None:
        """Let the running work end and free the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _advance(work: Generator[None, None, R]) -> _Ended[R] | None:
    try:
        for _ in range(STRETCH):
            next(work)
    except StopIteration as ended:
        return _Ended(ended.value)
    return None
