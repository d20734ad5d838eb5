import asyncio
import threading
import time

import pytest

from app.offload import Offload


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
    running = [asyncio.create_task(offload.run(time.sleep, 0.2)) for _ in range(4)]
    longest, last = 0.0, time.monotonic()
    while not all(task.done() for task in running):
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    offload.close()
    assert longest < 0.15


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
