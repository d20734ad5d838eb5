"""What is done to the service, when, and how long it takes until it takes packages again."""

import asyncio
import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from random import Random
from typing import Final

from bench.soak.ledger import Ledger
from bench.soak.relay import Relay
from bench.soak.stage import LEASE_SECONDS, Stage

RECOVERY_SECONDS: Final = 120.0
LONGEST_SHIFT: Final = timedelta(hours=20)


class Fault(StrEnum):
    """One way to trouble the service."""

    KILL_API = "SIGKILL the API"
    KILL_WORKER = "SIGKILL a worker"
    KILL_POSTGRES = "SIGKILL the whole PostgreSQL"
    KILL_BACKEND = "SIGKILL one process of PostgreSQL"
    SWALLOW = "cut between commit and answer"
    FREEZE_WORKER = "stop a worker beyond its lease"
    FILL_DISK = "fill the disk"
    MOVE_CLOCK = "move the clock"


KILLS: Final = (Fault.KILL_API, Fault.KILL_WORKER, Fault.KILL_POSTGRES, Fault.KILL_BACKEND)
# How many of the others there are for a hundred kills.
OTHERS: Final = {Fault.SWALLOW: 50, Fault.FREEZE_WORKER: 8, Fault.FILL_DISK: 8, Fault.MOVE_CLOCK: 25}
SHARE_IMPATIENT: Final = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One fault of a plan: how long after the last, and whether recovery is awaited before the next."""

    fault: Fault
    after_seconds: float
    is_patient: bool


def plan(random: Random, *, kills: int, gap_seconds: float) -> Sequence[Step]:
    """Draw a plan: the kinds of kills in equal parts, at least one of everything else."""
    faults = [KILLS[number % len(KILLS)] for number in range(kills)]
    for fault, share in OTHERS.items():
        faults += [fault] * max(1, kills * share // 100)
    random.shuffle(faults)
    return [
        Step(
            fault=fault,
            after_seconds=random.uniform(0.1, 1.9) * gap_seconds,
            is_patient=random.random() >= SHARE_IMPATIENT,
        )
        for fault in faults
    ]


@dataclass(kw_only=True)
class Saboteur:
    """Carries a plan out.

    Attributes:
        done: how often each fault was really done.
        recoveries: the longest seconds from a fault's end to the next acknowledgement, by fault.
        skipped: faults that this machine does not allow, with the reason.
    """

    stage: Stage
    relay: Relay
    ledger: Ledger
    random: Random
    hold_seconds: float
    done: Counter[Fault] = field(default_factory=Counter)
    recoveries: dict[Fault, float] = field(default_factory=dict)
    skipped: dict[Fault, str] = field(default_factory=dict)

    async def run(self, steps: Sequence[Step]) -> None:
        """Do one after another; a service that does not come back is a wrong in the ledger."""
        async with asyncio.TaskGroup() as group:
            for step in steps:
                await asyncio.sleep(step.after_seconds)
                if step.fault is Fault.FREEZE_WORKER:
                    group.create_task(self._freeze())
                    continue
                await self._do(step.fault)
                if step.is_patient:
                    await self._recover(step.fault)
        await self._recover(steps[-1].fault)

    async def _do(self, fault: Fault) -> None:
        match fault:
            case Fault.KILL_API:
                await self._hit(fault, lambda: self.stage.api.send(signal.SIGKILL))
            case Fault.KILL_WORKER:
                worker = self.random.choice(self.stage.workers)
                await self._hit(fault, lambda: worker.send(signal.SIGKILL))
            case Fault.KILL_POSTGRES:
                await self._hit(fault, lambda: _kill(self.stage.server_processes()))
            case Fault.KILL_BACKEND:
                await self._hit(fault, lambda: _kill(self._one_of(self.stage.server_processes()[1:])))
            case Fault.SWALLOW:
                self.relay.to_swallow += self.random.randint(1, 3)
            case Fault.MOVE_CLOCK:
                self.stage.set_clock(LONGEST_SHIFT * self.random.uniform(-1, 1))
                self.done[fault] += 1
            case _:
                await self._fill()

    async def _hit(self, fault: Fault, shot: Callable[[], bool]) -> None:
        """Shoot until something was there to be hit: it may be down already, for an earlier fault."""
        while not shot():  # noqa: ASYNC110 - no event tells that a process is there again
            await asyncio.sleep(0.05)
        self.done[fault] += 1

    def _one_of(self, processes: Sequence[int]) -> Sequence[int]:
        return self.random.sample(processes, 1) if processes else ()

    async def _freeze(self) -> None:
        """Stop a worker until others have taken its work over, then let it go on as if nothing had been."""
        worker = self.random.choice(self.stage.workers)
        await self._hit(Fault.FREEZE_WORKER, lambda: worker.send(signal.SIGSTOP))
        await asyncio.sleep(LEASE_SECONDS + 1)
        worker.send(signal.SIGCONT)

    async def _fill(self) -> None:
        disk = self.stage.disk
        if disk is None:
            self.skipped[Fault.FILL_DISK] = self.stage.no_disk
            return
        await asyncio.to_thread(disk.fill)
        self.done[Fault.FILL_DISK] += 1
        try:
            await asyncio.sleep(self.hold_seconds)
        finally:
            disk.free()

    async def _recover(self, fault: Fault) -> None:
        try:
            async with asyncio.timeout(RECOVERY_SECONDS):
                took = await self.ledger.until_taken(time.monotonic())
        except TimeoutError:
            self.ledger.wrongs.append(f"nothing was taken for {RECOVERY_SECONDS:.0f} s after: {fault}")
            return
        self.recoveries[fault] = max(took, self.recoveries.get(fault, 0.0))


def _kill(processes: Sequence[int]) -> bool:
    hit = False
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            hit = True
    return hit
