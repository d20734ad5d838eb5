"""``python -m bench compliance``: what the compliance reports cost, and how it grows with the province.

One database grows from ten thousand pupils to a million; at each size the summary of the whole province is
made from the ground up (no tally kept), again with every tally kept, again after one school in a hundred has
changed, and the list of missing pupils is streamed to its end: the reports' own code, on a real PostgreSQL.
"""

import argparse
import asyncio
import itertools
import json
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from sqlalchemy import true
from sqlalchemy.ext.asyncio import AsyncEngine

from app.clock import system_clock
from app.compliance.judge import GroupBy, report
from app.compliance.missing import missing_pupils
from app.compliance.reporting import Gathered, gather
from app.db import open_engine, transaction
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database
from app.schema import upgrade_schema
from bench.machine import machine
from bench.station import postgres_seconds

SIZES: Final = (10_000, 100_000, 740_000, 1_000_000)
SCHOOL: Final = 673  # pupils: a province of 1,100 schools has 740,000
YEAR: Final = 2025
# One pupil in seventeen has no transcript yet.
MISSING: Final = 17
# One in 340 was recalled, the first pupil and the 341st of each school, of whom neither is missing already.
RECALLED: Final = 340
WITHOUT: Final = SCHOOL // MISSING + len(range(1, SCHOOL, RECALLED))

_HERE: Final = Path(__file__).parent


async def found(engine: AsyncEngine) -> None:
    """Found a province without schools."""
    await _execute(engine, (_HERE / "province.sql").read_text("utf-8"))


async def grow(engine: AsyncEngine, first: int, last: int) -> None:
    """Add the schools of these numbers, with rolls and ledger, and let the planner know."""
    sql = (_HERE / "schools.sql").read_text("utf-8")
    sql = sql.format(first=first, last=last, pupils=SCHOOL, missing=MISSING, recalled=RECALLED)
    await _execute(engine, sql)
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        await connection.exec_driver_sql("VACUUM ANALYZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a report took: seconds by the clock, and processor time of this process and of PostgreSQL."""

    seconds: float
    own: float
    database: float


# Gives PostgreSQL's processor time so far, in seconds.
DatabaseSeconds = Callable[[], float]


async def summary(engine: AsyncEngine, database: DatabaseSeconds) -> tuple[Taken, Gathered]:
    """Make the report of the whole province by commune; gives what it took, and what it was of."""
    before = database()
    begun, worked = time.perf_counter(), time.process_time()
    async with transaction(engine) as connection:
        gathered = await gather(connection, lambda _: true(), YEAR, as_of=None)
    report(gathered.schools, GroupBy.COMMUNE, gathered.locks)
    seconds, own = time.perf_counter() - begun, time.process_time() - worked
    return Taken(seconds=seconds, own=own, database=database() - before), gathered


async def stream(engine: AsyncEngine, gathered: Gathered) -> tuple[float, int]:
    """Read the missing list to its end; gives seconds and pupils."""
    begun, number = time.perf_counter(), 0
    async for page in missing_pupils(engine, gathered.schools, YEAR, gathered.as_of):
        number += len(page)
    return time.perf_counter() - begun, number


async def measure(engine: AsyncEngine, rounds: int, database: DatabaseSeconds) -> dict[str, Any]:
    """Measure one size, medians over rounds.

    Raises:
        RuntimeError: a report counted other pupils than there are; its time would mean nothing.
    """
    taken: dict[str, list[Taken]] = {"cold": [], "warm": [], "changed": []}
    for _ in range(rounds):
        await _execute(engine, "TRUNCATE compliance_tally")
        taken["cold"].append((await summary(engine, database))[0])
        once, gathered = await summary(engine, database)
        taken["warm"].append(once)
        await _execute(engine, "UPDATE school_change SET changes = changes + 1 WHERE school_id % 100 = 0")
        taken["changed"].append((await summary(engine, database))[0])
    pupils = sum(tally.expected for school in gathered.schools for tally in school.classes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, missing = await stream(engine, gathered)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if pupils != len(gathered.schools) * SCHOOL or missing != len(gathered.schools) * WITHOUT:
        raise RuntimeError(
            f"counted {pupils} pupils and {missing} missing in {len(gathered.schools)} schools"
        )
    return {
        "schools": len(gathered.schools),
        "pupils": pupils,
        **{
            f"{kind}_{name}": round(statistics.median(getattr(one, name) for one in times), 3)
            for kind, times in taken.items()
            for name in ("seconds", "own", "database")
        },
        "missing": missing,
        "missing_seconds": round(seconds, 3),
        "missing_grew_memory_kib": grown,
    }


async def _execute(engine: AsyncEngine, sql: str) -> None:
    async with transaction(engine) as connection:
        for statement in sql.split(";\n"):
            await connection.exec_driver_sql(statement)


async def run(
    postgres: EmbeddedPostgres, sizes: Sequence[int], rounds: int, console: Console
) -> list[dict[str, Any]]:
    """Grow a province size by size and measure each."""
    await create_database(postgres.dsn("postgres"), "compliance")
    url = postgres.sqlalchemy_url("compliance")
    await upgrade_schema(url)
    engine = open_engine(url, as_service=False)
    rows, schools = [], 0
    try:
        await found(engine)
        for size in sorted(sizes):
            wanted = max(schools + 1, -(-size // SCHOOL))
            console.print(f"{wanted:,} schools …")
            await grow(engine, schools + 1, wanted)
            schools = wanted
            rows.append(await measure(engine, rounds, lambda: postgres_seconds(postgres)))
    finally:
        await engine.dispose()
    return rows


def growth(rows: Sequence[dict[str, Any]]) -> list[dict[str, float]]:
    """Say how cost grows against pupils, from each size to the next: 1 is in proportion, less is better."""
    return [
        {
            name: round((after[name] / before[name]) / (after["pupils"] / before["pupils"]), 2)
            for name in ("cold_seconds", "warm_seconds", "missing_seconds")
        }
        for before, after in itertools.pairwise(rows)
    ]


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Give the figures for people: seconds by the clock, and of processor here and in PostgreSQL."""
    shown = Table("schools", "pupils", "report", "clock s", "own s", "PostgreSQL s")
    for row in rows:
        size = (f"{row['schools']:,}", f"{row['pupils']:,}")
        for kind in ("cold", "warm", "changed"):
            shown.add_row(*size, kind, *(str(row[f"{kind}_{n}"]) for n in ("seconds", "own", "database")))
        shown.add_row(*size, f"{row['missing']:,} missing", str(row["missing_seconds"]), "", "")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; ``--output`` also writes JSON."""
    parser = argparse.ArgumentParser(prog="bench compliance", description=__doc__)
    parser.add_argument("--pupils", type=int, action="append", help=f"default {SIZES}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where the database lies; default: temporary files")
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    asked = parser.parse_args(arguments)
    console = Console()
    home = Path(tempfile.mkdtemp(prefix="hocba-bench-", dir=asked.folder))
    home.chmod(0o711)
    postgres = EmbeddedPostgres(home / "postgres", durable=True)
    begun = system_clock()
    try:
        with postgres:
            rows = asyncio.run(run(postgres, asked.pupils or SIZES, asked.rounds, console))
        shutil.rmtree(postgres.folder, ignore_errors=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    console.print(table(rows))
    figures = {
        "machine": machine(),
        "rounds": asked.rounds,
        "took_seconds": (system_clock() - begun) // timedelta(seconds=1),
        "rows": rows,
        "growth": growth(rows),
    }
    console.print(f"growth against pupils: {figures['growth']}")
    if asked.output:
        asked.output.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
