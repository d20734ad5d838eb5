import asyncio
import threading
import time
from collections.abc import Generator

import pytest

from app.offload import STRETCH, Offload


async def test_work_is_done_in_another_thread_and_its_result_comes_back() -> None:
    offload = Offload(1)
    assert await offload.run(threading.get_ident) != threading.get_ident()
    assert await offload.run(int, "ff", base=16) == 255
    offload.close()


async def test_a_fault_comes_back_too() -> None:
    offload = Offload(1)
    with pytest.raises(ZeroDivisionError):
        await offload.run(divmod, 1, 0)
    offload.close()


async def test_the_loop_goes_on_while_more_work_waits_than_there_are_threads() -> None:
    offload = Offload(2)
    the_loop_went_on = threading.Event()
    running = [asyncio.create_task(offload.run(the_loop_went_on.wait, 60)) for _ in range(4)]
    for _ in range(100):
        await asyncio.sleep(0)
    assert not any(task.done() for task in running)
    the_loop_went_on.set()
    assert all(await asyncio.gather(*running))  # none of them waited the minute out
    offload.close()


async def test_no_more_runs_at_once_than_there_are_threads() -> None:
    offload = Offload(2)
    lock, at_once, most = threading.Lock(), 0, 0

    def work() -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with lock:
            at_once -= 1

    await asyncio.gather(*(offload.run(work) for _ in range(8)))
    offload.close()
    assert most == 2


async def test_long_work_that_rests_lets_others_have_their_turn() -> None:
    """One thread, work of many stretches: what comes after it began is done before it has ended."""
    offload, order = Offload(1), list[str]()

    def long() -> Generator[None, None, str]:
        for _ in range(10 * STRETCH):
            yield
        order.append("long")
        return "result"

    running = asyncio.create_task(offload.run_in_turns(long()))
    await asyncio.sleep(0)
    await offload.run(order.append, "short")
    assert await running == "result"
    assert order == ["short", "long"]
    offload.close()


async def test_a_fault_of_long_work_comes_back_too() -> None:
    def breaks() -> Generator[None, None, None]:
        yield
        raise ZeroDivisionError

    offload = Offload(1)
    with pytest.raises(ZeroDivisionError):
        await offload.run_in_turns(breaks())
    offload.close()
