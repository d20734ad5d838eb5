"""``python -m bench overload``: ten times what can be judged, for minutes; what becomes of it is counted.

One client floods with packages of 40 and 500, each at its moment whatever became of the others; another sends
one package of 40 at a time and waits for its answer. The documents are really signed and recur under new
package ids, so that most are answered as repeats after having been judged in full.
"""

import argparse
import asyncio
import contextlib
import gzip
import json
import statistics
import struct
import time
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import httpx
from rich.console import Console
from rich.table import Table

from app.client.packaging import Package
from app.demo.province import Province, School, build_province
from bench.documents import SHAPES, SIGNED_AT
from bench.http import build_cells
from bench.machine import machine
from bench.station import Layout, Running, Station

SIZES: Final = (40, 500)
QUEUE_BYTES: Final = 8 * 1024 * 1024
LAYOUT: Final = Layout(workers=2, threads=1, settings={"HOCBA_MAX_QUEUE_BYTES": str(QUEUE_BYTES)})
SAMPLE_SECONDS: Final = 2.0
# Before a client that was told to come back after the end tries anything again.
RESTS_SECONDS: Final = 1.0
PATIENT: Final = 20
MAY_COME_BACK: Final = frozenset({httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE})
_GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class Stamp:
    """A package that is sent under ever new ids: its head is written anew, the rest stays compressed."""

    def __init__(self, package: Package, transcripts: int) -> None:
        self.transcripts = transcripts
        self._fields = package.outer_fields
        self._id = package.package_id.encode()
        xml = gzip.decompress(package.gzipped)
        end = xml.index(self._id) + len(self._id)
        self._head, self._rest = xml[:end], xml[end:]
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._packed_rest = packer.compress(self._rest) + packer.flush()

    def draw(self) -> tuple[str, dict[str, str], bytes]:
        """Give a new id, the fields beside the package, and its gzip."""
        drawn = uuid4().hex
        head = self._head.replace(self._id, drawn.encode())
        packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed_head = packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH)
        check = zlib.crc32(self._rest, zlib.crc32(head))
        tail = struct.pack("<II", check, len(head) + len(self._rest))
        return (
            drawn,
            {**self._fields, "package_id": drawn},
            _GZIP_HEAD + packed_head + self._packed_rest + tail,
        )


@dataclass
class Tally:
    """What one client saw.

    Attributes:
        told: what Retry-After said, in seconds.
        kept: of those who came back when told, who was taken then.
        answered: seconds from sending to the committed answer, where that was waited for.
    """

    offered: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    taken: list[str] = field(default_factory=list)
    door_ms: list[float] = field(default_factory=list)
    refused_ms: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    kept: list[bool] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)


class Sender:
    """One client's software; some of its packages that are refused come back when told."""

    def __init__(self, http: httpx.AsyncClient, token: str, until: float) -> None:
        self.tally = Tally()
        self._http = http
        self._headers = {"Content-Type": "application/gzip", "Authorization": f"Bearer {token}"}
        self._until = until
        self._patient = 0

    async def send(self, stamp: Stamp, *, comes_back: bool) -> str | None:
        """Send a package; gives its id once it was taken."""
        package_id, fields, packed = stamp.draw()
        self.tally.offered += 1
        wait = await self._post(package_id, fields, packed)
        while wait and (comes_back or self._patient < PATIENT) and time.perf_counter() + wait < self._until:
            self._patient += 1
            await asyncio.sleep(wait)
            wait = await self._post(package_id, fields, packed)
            self._patient -= 1
            self.tally.kept.append(wait == 0)
        return package_id if wait == 0 else None

    async def _post(self, package_id: str, fields: dict[str, str], packed: bytes) -> float | None:
        """Send once: 0 where it was taken, else the seconds told; None where it shall not come back."""
        begun = time.perf_counter()
        try:
            answer = await self._http.post(
                "/api/v1/packages", params=fields, content=packed, headers=self._headers
            )
        except httpx.TransportError as error:
            self.tally.statuses[type(error).__name__] += 1
            return None
        milliseconds = (time.perf_counter() - begun) * 1000
        if answer.is_success:
            self.tally.statuses[str(answer.status_code)] += 1
            self.tally.door_ms.append(milliseconds)
            self.tally.taken.append(package_id)
            return 0.0
        self.tally.statuses[f"{answer.status_code} {answer.json().get('code')}"] += 1
        self.tally.refused_ms.append(milliseconds)
        if answer.status_code not in MAY_COME_BACK:
            return None
        told = float(answer.headers["retry-after"])
        self.tally.told.append(told)
        return told

    async def flood(self, stamps: Sequence[Stamp], rate: float) -> None:
        """Send one after another at so many transcripts a second, whatever becomes of them."""
        due = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            while due < self._until:
                for stamp in stamps:
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                    group.create_task(self.send(stamp, comes_back=False))
                    due += stamp.transcripts / rate

    async def one_at_a_time(self, stamp: Stamp, dsn: str) -> None:
        """Send a package, wait for its answer, send the next; note how long each took."""
        connection = await asyncpg.connect(dsn)
        query = "SELECT state FROM package_progress WHERE package_id = $1"
        try:
            while time.perf_counter() < self._until:
                begun = time.perf_counter()
                sent = await self.send(stamp, comes_back=True)
                if sent is None:
                    await asyncio.sleep(RESTS_SECONDS)
                    continue
                while await connection.fetchval(query, UUID(sent)) != "answered":  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.05)
                self.tally.answered.append(time.perf_counter() - begun)
        finally:
            await connection.close()


async def watch(running: Running, until: float) -> list[dict[str, float]]:
    """Note memory and queue from time to time."""
    samples = []
    async with httpx.AsyncClient(base_url=running.address, timeout=60) as http:
        while time.perf_counter() < until:
            with contextlib.suppress(httpx.TransportError):  # too busy to tell: the next time
                lines = (await http.get("/metrics")).text.splitlines()
                seen = dict(line.rsplit(" ", 1) for line in lines if line.startswith("hocba_"))
                if "hocba_queue_bytes" in seen:
                    samples.append(
                        {
                            "API": running.api_bytes()[0],
                            "workers": sum(running.worker_bytes()),
                            "queue": float(seen["hocba_queue_bytes"]),
                            "oldest": float(seen["hocba_jobs_oldest_seconds"]),
                        }
                    )
            await asyncio.sleep(SAMPLE_SECONDS)
    return samples


async def sustainable(running: Running, token: str, stamps: Sequence[Stamp], seconds: float) -> float:
    """Give the transcripts a second that are judged when there is always something to judge."""
    until = time.perf_counter() + seconds
    async with httpx.AsyncClient(base_url=running.address, timeout=120) as http:
        sender, count = Sender(http, token, until), 0
        begun = time.perf_counter()

        async def keep_full() -> None:
            nonlocal count
            while time.perf_counter() < until:
                for stamp in stamps:
                    if await sender.send(stamp, comes_back=True):
                        count += stamp.transcripts
                    else:
                        await asyncio.sleep(RESTS_SECONDS)

        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(keep_full())
        await running.until_answered(len(sender.tally.taken))
    return count / (time.perf_counter() - begun)


async def reckon(running: Running, taken: Sequence[str]) -> dict[str, Any]:
    """Hold what was acknowledged against what the database has."""
    connection = await asyncpg.connect(running.dsn)
    try:
        done = await connection.fetch("SELECT package_id FROM package_progress WHERE state = 'answered'")
        incomplete = (
            "SELECT count(*) FROM package_progress JOIN LATERAL (SELECT count(*) AS items FROM item WHERE "
            "item.school_id = package_progress.school_id AND item.package_id = package_progress.package_id) "
            "AS counted ON true WHERE items <> total"
        )
        waits = (
            "SELECT percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY extract(epoch FROM "
            "answered_at - received_at)) FROM package JOIN package_progress USING (school_id, package_id)"
        )
        p50, p99, longest = await connection.fetchval(waits)
        return {
            "acknowledged": len(taken),
            "lost": len({UUID(package_id) for package_id in taken} - {row["package_id"] for row in done}),
            "incomplete": await connection.fetchval(incomplete),
            "answer_seconds": {"p50": round(p50, 1), "p99": round(p99, 1), "max": round(longest, 1)},
        }
    finally:
        await connection.close()


async def measure(
    running: Running,
    clients: Sequence[str],
    stamps: Sequence[Sequence[Stamp]],
    *,
    seconds: float,
    times: float,
) -> dict[str, Any]:
    """Find what can be judged, offer so many times as much, and count what became of it."""
    tokens = [await running.token(client) for client in clients]
    rate = await sustainable(running, tokens[0], stamps[0], min(20.0, seconds))
    before = await answered(running)
    until = time.perf_counter() + seconds
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=running.address, timeout=120, limits=limits) as http:
        loud, quiet = (Sender(http, token, until) for token in tokens)
        async with asyncio.TaskGroup() as group:
            group.create_task(loud.flood(stamps[0], rate * times))
            group.create_task(quiet.one_at_a_time(stamps[1][0], running.dsn))
            watching = group.create_task(watch(running, until))
    begun = time.perf_counter()
    taken = [*loud.tally.taken, *quiet.tally.taken]
    await running.until_answered(before + len(taken), seconds=1200)
    samples = watching.result()
    answers = loud.tally.statuses + quiet.tally.statuses
    return {
        "seconds": seconds,
        "sustainable_per_second": round(rate),
        "offered_packages": loud.tally.offered + quiet.tally.offered,
        "answers": dict(answers),
        "answers_500": sum(number for answer, number in answers.items() if answer.startswith("500")),
        "door_ms": spread(loud.tally.door_ms + quiet.tally.door_ms),
        "refusal_ms": spread(loud.tally.refused_ms),
        "retry_after_seconds": spread(loud.tally.told),
        "taken_when_told": share(loud.tally.kept),
        "quiet_client_seconds": spread(quiet.tally.answered),
        "drained_after_seconds": round(time.perf_counter() - begun, 1),
        **await reckon(running, taken),
        "queue_megabytes_max": round(max(sample["queue"] for sample in samples) / 1e6, 1),
        "oldest_seconds_max": round(max(sample["oldest"] for sample in samples), 1),
        "memory_megabytes_by_third": {
            part: thirds([s[part] for s in samples]) for part in ("API", "workers")
        },
    }


async def answered(running: Running) -> int:
    """Count the packages that have their answer."""
    connection = await asyncpg.connect(running.dsn)
    try:
        return int(
            await connection.fetchval("SELECT count(*) FROM package_progress WHERE state = 'answered'")
        )
    finally:
        await connection.close()


def share(kept: Sequence[bool]) -> float | None:
    """Give the share of true ones."""
    return round(sum(kept) / len(kept), 2) if kept else None


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Give median, 99th percentile and maximum."""
    if not values:
        return None
    ordered = sorted(values)
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return {"p50": round(statistics.median(ordered), 1), "p99": round(last, 1), "max": round(ordered[-1], 1)}


def thirds(values: Sequence[float]) -> list[int]:
    """Give the mean of each third of the time, in megabytes: flat is what does not grow."""
    size = max(1, len(values) // 3)
    pieces = [values[:size], values[size : 2 * size] or values, values[2 * size :] or values]
    return [round(statistics.mean(piece) / 1e6) for piece in pieces]


def table(figures: dict[str, Any]) -> Table:
    """Show the figures."""
    shown = Table("", "")
    for name, value in figures.items():
        shown.add_row(name, json.dumps(value, ensure_ascii=False))
    return shown


def stamps_of(province: Province, school: School, sizes: Sequence[int]) -> list[Stamp]:
    """Sign a school's transcripts with its seal; give one package of each size, half the load in each."""
    cells = build_cells(province, school, [SHAPES[0]], sizes)
    largest = max(sizes)
    return [Stamp(cell.loads[0].package, cell.size) for cell in cells for _ in range(largest // cell.size)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; ``--output`` also writes JSON."""
    parser = argparse.ArgumentParser(prog="bench overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--times", type=float, default=10, help="so many times what can be judged")
    parser.add_argument("--size", type=int, action="append", help=f"of packages; default {SIZES}")
    parser.add_argument("--folder", type=Path, help="where the database lies; default: temporary files")
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    asked = parser.parse_args(arguments)
    sizes = asked.size or SIZES
    province = build_province(at=SIGNED_AT, school_year="2025-2026", pupils_per_school=max(sizes))
    approved = [school for school in province.schools if school.seal_status == "approved"]
    schools = [
        next(s for s in approved if s.code in software.schools and s.level == "03")
        for software in province.software
    ]
    stamps = [stamps_of(province, schools[0], sizes), stamps_of(province, schools[1], [min(sizes)])]
    clients = [software.client_id for software in province.software]
    with Station(province, asked.folder) as station, station.running("overloaded", LAYOUT) as running:
        figures = asyncio.run(measure(running, clients, stamps, seconds=asked.seconds, times=asked.times))
    Console().print(table(figures))
    if asked.output:
        told = {"machine": machine(), "times": asked.times, "queue_bytes": QUEUE_BYTES, **figures}
        asked.output.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", "utf-8")
