"""``python -m bench http``: from the HTTP request to the committed answer, held against the engine alone.

Everything runs on this machine's cores together: client, API, workers, PostgreSQL with fsync on. What counts
is the share of the engine's own rate, measured right before and after on the same packages and cores.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx
from rich.console import Console
from rich.table import Table

from app.client.packaging import Package, pack
from app.demo.province import Province, School, build_province
from app.demo.transcripts import compose_school, package_of
from bench.contenders import ours
from bench.documents import (
    LOWER_SECONDARY,
    RECEIVED_AT,
    SHAPES,
    SIGNED_AT,
    Load,
    Shape,
    build_load,
    sign_all,
)
from bench.machine import machine
from bench.station import Layout, Running, Station

SIZES: Final = (40, 500)
SHARE: Final = 0.7
SENDERS: Final = 4
WARM: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is measured together: documents of one shape in packages of one size."""

    shape: Shape
    size: int
    loads: Sequence[Load]

    @property
    def transcripts(self) -> int:
        """How many transcripts all packages hold."""
        return sum(load.transcripts for load in self.loads)

    @property
    def packages(self) -> list[Package]:
        """What is sent."""
        return [load.package for load in self.loads]


def build_cells(
    province: Province, school: School, shapes: Sequence[Shape], sizes: Sequence[int]
) -> list[Cell]:
    """Sign every pupil's transcript in each shape, and pack them in each size."""
    composed = compose_school(province, school, signed_at=SIGNED_AT)
    cells = []
    for shape in shapes:
        signed = sign_all(province, school, shape, composed)
        whole = build_load(province, school, shape, signed[: min(sizes)])
        for size in sizes:
            loads = []
            for number in range(0, len(signed) - size + 1, size):
                part = signed[number : number + size]
                packed = pack(
                    package_of(
                        province,
                        school,
                        part,
                        created_at=RECEIVED_AT,
                        purpose=f"{shape.name} {size} {number}",
                    )
                )
                origin = replace(whole.origin, package_id=UUID(packed.package_id))
                loads.append(replace(whole, package=packed, transcripts=len(part), origin=origin))
            cells.append(Cell(shape=shape, size=size, loads=loads))
    return cells


def engine_rate(cell: Cell, processes: int) -> tuple[float, float]:
    """Judge in so many processes, each its share, without a database.

    Gives transcripts a second, and the processor microseconds that one took.
    """
    fork = multiprocessing.get_context("fork")
    started, taken = fork.Barrier(processes + 1), fork.Queue()
    running = [
        fork.Process(target=_judge, args=(cell.loads[number::processes], started, taken))
        for number in range(processes)
    ]
    for process in running:
        process.start()
    started.wait()
    begun = time.perf_counter()
    used = [taken.get() for _ in running]
    seconds = time.perf_counter() - begun
    for process in running:
        process.join()
    if any(process.exitcode for process in running):
        raise RuntimeError("the engine did not find every transcript good")
    return cell.transcripts / seconds, sum(used) * 1e6 / cell.transcripts


def _judge(loads: Sequence[Load], started: Any, taken: Any) -> None:
    ours(loads[0])  # caches filled, schemas compiled
    started.wait()
    begun = time.process_time()
    good = [ours(load) == load.transcripts for load in loads]
    taken.put(time.process_time() - begun)
    if not all(good):
        raise SystemExit(1)


async def send_all(running: Running, client_id: str, packages: Sequence[Package]) -> None:
    """Send packages as fast as a few senders can."""
    waiting = list(packages)
    token = await running.token(client_id)

    async def send() -> None:
        async with httpx.AsyncClient(base_url=running.address, timeout=60) as http:
            while waiting:
                await post(http, token, waiting.pop(0))

    async with asyncio.TaskGroup() as group:
        for _ in range(SENDERS):
            group.create_task(send())


async def post(http: httpx.AsyncClient, token: str, package: Package) -> httpx.Response:
    """Send one package; anything but an acknowledgement ends the measurement."""
    answer = await http.post(
        "/api/v1/packages",
        params=package.outer_fields,
        content=package.gzipped,
        headers={"Content-Type": "application/gzip", "Authorization": f"Bearer {token}"},
    )
    if answer.status_code not in {httpx.codes.ACCEPTED, httpx.codes.OK}:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:500]}")
    return answer


async def end_to_end(
    running: Running, client_id: str, packages: Sequence[Package], size: int
) -> dict[str, Any]:
    """Send everything at once and wait for the last committed answer; the first two packages warm it up."""
    warm, rest = packages[:WARM], packages[WARM:]
    await send_all(running, client_id, warm)
    await running.until_answered(len(warm))
    before, begun = running.processor_seconds(), time.perf_counter()
    await send_all(running, client_id, rest)
    await running.until_answered(len(packages))
    seconds = time.perf_counter() - begun
    after = running.processor_seconds()
    if await running.accepted() != len(packages) * size:
        raise RuntimeError("not every transcript was recorded")
    transcripts = len(rest) * size
    return {
        "transcripts": transcripts,
        "seconds": round(seconds, 2),
        "rate": round(transcripts / seconds, 1),
        "processor_us": {part: round((after[part] - before[part]) * 1e6 / transcripts) for part in after},
    }


async def door(running: Running, client_id: str, packages: Sequence[Package], pause: float) -> dict[str, Any]:
    """Send a package every so many seconds, whatever became of the others; give how long the door took."""
    token = await running.token(client_id)
    taken: list[float] = []
    async with httpx.AsyncClient(base_url=running.address, timeout=60) as http:
        begun = time.perf_counter()

        async def at_its_moment(number: int, package: Package) -> None:
            await asyncio.sleep(max(0.0, begun + number * pause - time.perf_counter()))
            moment = time.perf_counter()
            await post(http, token, package)
            taken.append((time.perf_counter() - moment) * 1000)

        async with asyncio.TaskGroup() as group:
            for number, package in enumerate(packages):
                group.create_task(at_its_moment(number, package))
    ordered = sorted(taken)
    return {
        "requests": len(ordered),
        "packages_per_second": round(1 / pause, 2),
        "p50_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
        "max_ms": round(ordered[-1], 1),
    }


async def whole(running: Running, client_id: str, cell: Cell) -> dict[str, Any]:
    """Measure the rate on some packages, then the door at a share of that rate on the others."""
    packages = cell.packages
    drained = packages[: WARM + max(1, len(packages) // 2 - WARM)]
    measured = await end_to_end(running, client_id, drained, cell.size)
    pause = cell.size / (measured["rate"] * SHARE)
    measured["door"] = await door(running, client_id, packages[len(drained) :], pause)
    await running.until_answered(len(packages))
    return {**measured, "worker_peak_bytes": max(running.peak_bytes())}


def measure(
    station: Station, school: School, province: Province, cell: Cell, layout: Layout
) -> dict[str, Any]:
    """Measure one cell: the engine alone, the whole service, the engine again.

    The share is given twice: of the rates by the clock, and by processor time, which other work on the
    machine disturbs less.
    """
    client_id = next(item.client_id for item in province.software if school.code in item.schools)
    cores = layout.workers * layout.threads
    before = engine_rate(cell, cores)
    with station.running("measured", layout) as running:
        measured = asyncio.run(whole(running, client_id, cell))
    after = engine_rate(cell, cores)
    engine, engine_us = ((one + other) / 2 for one, other in zip(before, after, strict=True))
    return {
        "shape": cell.shape.name,
        "package": cell.size,
        "bytes": cell.loads[0].transcript_bytes,
        "signatures": cell.loads[0].signatures,
        "engine_rate": round(engine, 1),
        "engine_us": round(engine_us),
        **measured,
        "share_of_engine": round(measured["rate"] / engine, 3),
        "share_by_processor": round(engine_us / sum(measured["processor_us"].values()), 3),
    }


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Show the figures."""
    shown = Table(
        "shape", "package", "engine /s", "whole /s", "share", "CPU", "engine µs", "worker", "API", "PG",
        "p50 ms", "p99", "MB",
    )  # fmt: skip
    for row in rows:
        split, latency = row["processor_us"], row["door"]
        shown.add_row(
            row["shape"],
            str(row["package"]),
            f"{row['engine_rate']:,.0f}",
            f"{row['rate']:,.0f}",
            f"{row['share_of_engine']:.0%}",
            f"{row['share_by_processor']:.0%}",
            f"{row['engine_us']:,}",
            *(f"{split[part]:,}" for part in ("workers", "API", "PostgreSQL")),
            f"{latency['p50_ms']:.0f}",
            f"{latency['p99_ms']:.0f}",
            f"{row['worker_peak_bytes'] / 1e6:,.0f}",
        )
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; ``--output`` also writes JSON."""
    parser = argparse.ArgumentParser(prog="bench http", description=__doc__)
    parser.add_argument("--transcripts", type=int, default=4000, help="in each cell")
    parser.add_argument("--size", type=int, action="append", help=f"of packages; default {SIZES}")
    parser.add_argument("--shape", action="append", choices=[shape.name for shape in SHAPES])
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    parser.add_argument("--folder", type=Path, help="where the database lies; default: temporary files")
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    asked = parser.parse_args(arguments)
    shapes = [shape for shape in SHAPES if asked.shape is None or shape.name in asked.shape]
    province = build_province(at=SIGNED_AT, school_year="2025-2026", pupils_per_school=asked.transcripts)
    school = next(item for item in province.schools if item.level == LOWER_SECONDARY and item.is_public)
    console = Console()
    layout = Layout(workers=asked.workers, threads=asked.threads)
    rows = []
    with Station(province, asked.folder) as station:
        for shape in shapes:
            for cell in build_cells(province, school, [shape], asked.size or SIZES):
                console.print(f"{shape.name}, packages of {cell.size} …")
                rows.append(measure(station, school, province, cell, layout))
    console.print(table(rows))
    if asked.output:
        figures = {"machine": machine(), "workers": asked.workers, "threads": asked.threads, "rows": rows}
        asked.output.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
