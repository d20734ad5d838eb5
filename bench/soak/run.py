"""One run: found a province, load and trouble the service, hold it to its word, let it seal the year."""

import asyncio
import contextlib
import os
import platform
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy import func, select

from app.cli.demonstration import first_administrator
from app.db import open_engine
from app.demo.credentials import Login
from app.demo.founding import enrol_certificates, found_province, open_http
from app.snapshots.scopes import SnapshotKind
from app.snapshots.tables import snapshot
from bench.soak.cargo import Cargo, Shipyard
from bench.soak.faults import Fault, Saboteur, Step, plan
from bench.soak.ledger import Ledger
from bench.soak.line import Line
from bench.soak.recallers import Recaller
from bench.soak.reckoning import Reckoning
from bench.soak.relay import open_relay
from bench.soak.senders import Sender
from bench.soak.stage import STARTS_AT, Stage, open_stage

DRAIN_SECONDS: Final = 180.0
RECALL_PACE_SECONDS: Final = 0.5
# Past all cut-offs of the school year: the schedulers have something to seal.
PAST_THE_CUT_OFFS: Final = timedelta(days=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long and how hard.

    Attributes:
        kills: how many SIGKILLs; the other faults come in proportion.
        gap_seconds: the mean pause between two faults, recovery apart.
        packages_a_second: what all senders together try to send.
        disk_bytes: of the disk that the database is on and that is filled.
        hold_seconds: how long a full disk stays full.
        keep: where to leave the processes' logs; None leaves nothing.
    """

    seed: int
    kills: int
    gap_seconds: float
    senders: int
    packages_a_second: float
    workers: int
    disk_bytes: int
    hold_seconds: float
    keep: Path | None = None


async def soak(options: Options) -> dict[str, Any]:
    """Do one run and give its figures; ``wrongs`` says which promises were broken."""
    random, ledger = Random(options.seed), Ledger()  # noqa: S311 - a plan is drawn from a seed
    shipyard = Shipyard(seed=options.seed)
    watch = _Watch()
    async with (
        open_stage(workers=options.workers, disk_bytes=options.disk_bytes, keep=options.keep) as stage,
        open_relay(stage.port) as relay,
    ):
        logins = await _found(stage, shipyard)
        stage.set_clock(timedelta())
        watch.lap("to found the province")
        saboteur = Saboteur(
            stage=stage, relay=relay, ledger=ledger, random=random, hold_seconds=options.hold_seconds
        )
        steps = plan(random, kills=options.kills, gap_seconds=options.gap_seconds)
        await _load(options, saboteur, steps, shipyard, logins)
        watch.lap("under load and faults")
        reckoning = await _reckon(stage, ledger, logins.school)
        watch.lap("to hold every entry against the service")
        await _seal(stage, saboteur)
        watch.lap("to seal the year")
        await reckoning.hold_database(stage.url)
        await reckoning.take_stock(stage.url)
        watch.lap("to take stock of the database")
        starts = {process.log.stem: process.starts for process in stage.parts}
    return {
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "seed": options.seed,
        "seconds": watch.laps,
        "faults": {fault: saboteur.done[fault] for fault in Fault} | {Fault.SWALLOW: relay.swallowed},
        "skipped": saboteur.skipped,
        "starts": starts,
        "answers by status": dict(sorted(ledger.statuses.items())),
        "counts": dict(reckoning.counts),
        "longest seconds until taken again": {
            fault: round(took, 1) for fault, took in saboteur.recoveries.items()
        },
        "longest seconds until answered": round(max(ledger.waits, default=0.0), 1),
        "wrongs": ledger.wrongs + reckoning.wrongs,
    }


@dataclass(kw_only=True)
class _Watch:
    laps: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.monotonic)

    def lap(self, name: str) -> None:
        self.laps[name] = round(time.monotonic() - self._since, 1)
        self._since = time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Logins:
    """Of the software that sends for the school, and of the officer who decides for it."""

    school: Login
    officer: Login


async def _found(stage: Stage, shipyard: Shipyard) -> _Logins:
    """Found the province on the running service."""
    base_url, province = f"http://127.0.0.1:{stage.port}", shipyard.province
    administrator = await first_administrator(stage.url, STARTS_AT)
    async with open_http(base_url) as http:
        await _until_ready(http)
        founded = await found_province(http, administrator, province)
        await enrol_certificates(http, base_url, founded, province)
    software = next(item for item in province.software if shipyard.school.code in item.schools)
    officer = next(item for item in province.officers if item.organisation == shipyard.school.managed_by)
    return _Logins(school=founded.clients[software.client_id], officer=founded.officers[officer.username])


async def _until_ready(http: httpx.AsyncClient) -> None:
    while True:
        with contextlib.suppress(httpx.TransportError):
            if (await http.get("/readyz")).is_success:
                return
        await asyncio.sleep(0.1)


async def _load(
    options: Options, saboteur: Saboteur, steps: Sequence[Step], shipyard: Shipyard, logins: _Logins
) -> None:
    """Let clients send and recall while the plan is carried out, and then until everything is answered."""
    stop, turn, ledger = asyncio.Event(), asyncio.Lock(), saboteur.ledger
    ids = Random(options.seed + 1)  # noqa: S311 - the ids of a test's packages

    async def next_cargo() -> Cargo:
        async with turn:
            return await asyncio.to_thread(shipyard.next, UUID(int=ids.getrandbits(128), version=4))

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{saboteur.relay.port}", timeout=30) as http:

        def line(number: int, login: Login, *, is_officer: bool = False) -> Line:
            random = Random(options.seed + 2 + number)  # noqa: S311 - a test's choices
            return Line(http=http, login=login, ledger=ledger, random=random, is_officer=is_officer)

        senders = [line(number, logins.school) for number in range(options.senders)]
        recaller = Recaller(
            ledger=ledger,
            school=line(options.senders, logins.school),
            officer=line(options.senders + 1, logins.officer, is_officer=True),
            pace_seconds=RECALL_PACE_SECONDS,
        )
        pace = options.senders / options.packages_a_second
        working = [asyncio.create_task(recaller.run(stop))]
        working += [
            asyncio.create_task(
                Sender(
                    line=one, ledger=ledger, random=one.random, pace_seconds=pace, next_cargo=next_cargo
                ).run(stop)
            )
            for one in senders
        ]
        try:
            await saboteur.run(steps)
            stop.set()
            _, late = await asyncio.wait(working, timeout=DRAIN_SECONDS)
        finally:
            for task in working:
                task.cancel()
            ended = await asyncio.gather(*working, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
    if late:
        ledger.wrongs.append(f"{len(late)} clients without an answer for {DRAIN_SECONDS:.0f} s")


async def _reckon(stage: Stage, ledger: Ledger, login: Login) -> Reckoning:
    async with open_http(f"http://127.0.0.1:{stage.port}") as http:
        asked = await http.post(
            "/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=httpx.BasicAuth(login.name, login.secret),
        )
        token = asked.json()["access_token"]
        reckoning = Reckoning(ledger=ledger, http=http, headers={"Authorization": f"Bearer {token}"})
        await reckoning.hold_entries()
        await reckoning.hold_recalls()
    return reckoning


async def _seal(stage: Stage, saboteur: Saboteur) -> None:
    """Let the school year's cut-offs pass: all schedulers see it, and one of them is killed at it."""
    stage.set_clock(PAST_THE_CUT_OFFS)
    killed = stage.workers[0].send(signal.SIGKILL)
    saboteur.done[Fault.KILL_WORKER] += killed
    engine = open_engine(stage.url, pool_size=1)
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while True:
                async with engine.connect() as connection:
                    if await connection.scalar(select(func.count()).select_from(snapshot)) == len(
                        SnapshotKind
                    ):
                        return
                await asyncio.sleep(0.2)
    except TimeoutError:
        saboteur.ledger.wrongs.append(f"no snapshots {DRAIN_SECONDS:.0f} s after the cut-offs")
    finally:
        await engine.dispose()
