"""``python -m bench growth``: what one operation costs when the ledger has a hundred times as many records.

A class of forty is really sent, judged and recorded; its rows are then multiplied with new ids into as many
schools as it takes (``bench.multiply``), all in one school year. Left out are the bytes of transcripts and
packages, which lie beside the rows (TOAST), the text of receipts, and what was judged of each signature:
indexes are as large as they would be. Two hundred thousand records are in the province whose snapshot is
sealed, the others in thirty-three more. The cost is told in milliseconds, and in blocks of 8 kB that
PostgreSQL touched, which other work on the machine does not change.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
from rich.console import Console
from rich.table import Table
from sqlalchemy import true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.client.packaging import Package
from app.clock import system_clock
from app.compliance.judge import GroupBy, report
from app.compliance.reporting import gather
from app.db import open_engine, transaction
from app.demo.province import build_province
from app.ingest.answers import feed
from app.keys import open_key_ring
from app.offload import Offload
from app.reconciliation.daily import held_leaves
from app.records import find_record, pupil_records
from app.snapshots.scopes import Scope, SnapshotKind
from app.snapshots.sealing import Outcome, Sealer, seal
from bench.documents import LOWER_SECONDARY, SHAPES, SIGNED_AT
from bench.http import build_cells, send_all
from bench.machine import machine
from bench.multiply import CLASSES, FIRST_SCHOOL, multiply
from bench.station import Layout, Running, Station

CLASS: Final = 40
SCHOOL_YEAR: Final = 2025
BEFORE: Final = datetime(2027, 1, 1, tzinfo=UTC)
REPEATS: Final = 21
STATISTICS_SECONDS: Final = 11.0  # an idle connection of PostgreSQL tells what it touched within ten
INTAKES: Final = 15
LAYOUT: Final = Layout(workers=1, threads=1)
Operation = Callable[[AsyncConnection, int], Awaitable[object]]


async def cost(engine: AsyncEngine, operation: Operation, copies: int) -> dict[str, float]:
    """Give the median milliseconds of an operation on ever other rows, and the blocks it touched."""
    taken = []
    # Each statement ends for itself: only then does PostgreSQL tell what it touched.
    single = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with transaction(single) as connection:
        await operation(connection, 0)  # plans made, catalogues read
        before = await _blocks(connection)
        for number in range(REPEATS):
            begun = time.perf_counter()
            await operation(connection, 1 + number * (copies - 2) // REPEATS)
            taken.append((time.perf_counter() - begun) * 1000)
        touched = await _blocks(connection) - before
    return {"ms": round(statistics.median(taken), 2), "blocks": round(touched / REPEATS)}


async def _blocks(connection: AsyncConnection) -> int:
    """Count the blocks that this connection has touched, read or found in memory."""
    await connection.exec_driver_sql("SELECT pg_stat_force_next_flush()")
    told = await connection.exec_driver_sql(
        "SELECT sum(reads + hits) FROM pg_stat_get_backend_io(pg_backend_pid())"
    )
    return int(told.scalar_one())


async def operations(dsn: str, seed: int) -> dict[str, Operation]:
    """Give what is asked, each of a copy of the seed's class."""
    connection = await asyncpg.connect(dsn)
    try:
        query = "SELECT * FROM record WHERE school_id = $1 ORDER BY record_id LIMIT 1"
        one = await connection.fetchrow(query, seed)
    finally:
        await connection.close()
    assert one is not None

    def record_of(copy: int) -> UUID:
        return UUID(md5(f"{copy}:{one['record_id']}".encode(), usedforsecurity=False).hexdigest())

    def school_of(copy: int) -> int:
        return FIRST_SCHOOL + copy // CLASSES

    return {
        "a record by its code": lambda c, n: find_record(c, record_of(n), lambda _: true()),
        "a pupil's years": lambda c, n: pupil_records(c, f"{n}:{one['student_code']}", lambda _: true()),
        "a school's packages": lambda c, n: feed(
            c, scope=lambda column: column == school_of(n), state=None, since=None, after=None, limit=50
        ),
        "a school's compliance summary": lambda c, n: summary(c, school_of(n)),
        "a school's digest": lambda c, n: held_leaves(c, school_of(n), SCHOOL_YEAR, BEFORE),
    }


async def summary(connection: AsyncConnection, school_id: int) -> None:
    """Make the compliance report of one school, of which no tally is kept yet."""
    gathered = await gather(connection, lambda column: column == school_id, SCHOOL_YEAR, as_of=None)
    report(gathered.schools, GroupBy.SCHOOL, gathered.locks)


async def grow(
    running: Running, station: Station, client_id: str, packages: Sequence[Package], records: int
) -> dict[str, Any]:
    """Fill the ledger and measure."""
    await send_all(running, client_id, packages[:1])
    await running.until_answered(1)
    connection = await asyncpg.connect(running.dsn)
    await connection.execute("DELETE FROM schedule")  # sealing shall wait for us
    seed = await connection.fetchval("SELECT school_id FROM package")
    copies = records // CLASS
    begun = time.perf_counter()
    await multiply(running.dsn, seed, copies)
    figures: dict[str, Any] = {"records": await connection.fetchval("SELECT count(*) FROM record_claim")}
    figures["filled_seconds"] = round(time.perf_counter() - begun)
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    figures["megabytes"] = round(size / 1e6)
    answered = await connection.fetchval("SELECT count(*) FROM package_progress WHERE state = 'answered'")
    await connection.close()
    engine = open_engine(running.url, pool_size=2)
    try:
        for name, operation in (await operations(running.dsn, seed)).items():
            figures[name] = await cost(engine, operation, copies)
        figures["intake of forty"] = await intake(running, client_id, packages[1:], answered)
        await forget_seals(running.dsn)
        figures["seal, a record"] = await sealing(station, engine)
    finally:
        await engine.dispose()
    return figures


async def intake(
    running: Running, client_id: str, packages: Sequence[Package], answered: int
) -> dict[str, float]:
    """Send packages one after another; give what each took to its committed answer, and PostgreSQL's time."""
    taken, used = [], []
    for number, package in enumerate(packages[: INTAKES + 1], start=1):
        before, begun = running.processor_seconds()["PostgreSQL"], time.perf_counter()
        await send_all(running, client_id, [package])
        await running.until_answered(answered + number)
        taken.append((time.perf_counter() - begun) * 1000)
        used.append((running.processor_seconds()["PostgreSQL"] - before) * 1000)
    return {"ms": round(statistics.median(taken[1:])), "PostgreSQL ms": round(statistics.median(used[1:]), 1)}


async def forget_seals(dsn: str) -> None:
    """Take away what the worker sealed when it started: this ledger is for measuring alone."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SET session_replication_role = replica")  # triggers rest
        for table in ("snapshot_entry", "snapshot_tile", "snapshot_school", "snapshot"):
            await connection.execute(f"DELETE FROM {table}")  # noqa: S608 - one of four names
    finally:
        await connection.close()


async def sealing(station: Station, engine: AsyncEngine) -> dict[str, float]:
    """Seal everything and give microseconds for one record."""
    offload = Offload(1)
    keys = open_key_ring(station.keys, system_clock())
    sealer = Sealer(engine=engine, clock=system_clock, keys=keys, offload=offload)
    scope = Scope(province="66", school_year=SCHOOL_YEAR, kind=SnapshotKind.UPSTREAM_FINAL)
    before, begun = await _all_blocks(engine), time.perf_counter()
    outcome = await seal(sealer, scope)
    seconds = time.perf_counter() - begun
    touched = await _all_blocks(engine) - before
    offload.close()
    if outcome is not Outcome.SEALED:
        raise RuntimeError(f"not sealed: {outcome}")
    async with transaction(engine) as connection:
        size = (await connection.exec_driver_sql("SELECT max(size) FROM snapshot")).scalar_one()
    return {"us": round(seconds * 1e6 / size, 1), "blocks": round(touched / size, 2)}


async def _all_blocks(engine: AsyncEngine) -> int:
    """Count the blocks that all connections to this database have touched, once they have told of them."""
    await asyncio.sleep(STATISTICS_SECONDS)
    async with transaction(engine) as connection:
        told = await connection.exec_driver_sql(
            "SELECT blks_read + blks_hit FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(told.scalar_one())


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Show each figure against the size."""
    shown = Table("", *(f"{row['records']:,}" for row in rows), "last : first")
    for name in rows[0]:
        first, last = rows[0][name], rows[-1][name]
        if isinstance(first, dict):
            ratios = [f"{last[unit] / first[unit]:.2f}" for unit in first if first[unit]]
            cells = [", ".join(f"{value:,} {unit}" for unit, value in row[name].items()) for row in rows]
            shown.add_row(name, *cells, " / ".join(ratios))
        else:
            shown.add_row(name, *(f"{row[name]:,}" for row in rows), "")
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print; ``--output`` also writes JSON. What was filled is removed afterwards."""
    parser = argparse.ArgumentParser(prog="bench growth", description=__doc__)
    parser.add_argument("--records", default="200000,2000000", help="sizes, with commas between")
    parser.add_argument("--folder", type=Path, help="where the database lies; default: temporary files")
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    asked = parser.parse_args(arguments)
    console = Console()
    pupils = CLASS * (INTAKES + 2)
    province = build_province(at=SIGNED_AT, school_year="2025-2026", pupils_per_school=pupils)
    school = next(item for item in province.schools if item.level == LOWER_SECONDARY and item.is_public)
    client_id = next(item.client_id for item in province.software if school.code in item.schools)
    (cell,) = build_cells(province, school, [SHAPES[0]], [CLASS])
    rows = []
    with Station(province, asked.folder) as station:
        for records in map(int, asked.records.split(",")):
            console.print(f"{records:,} records …")
            with station.running("grown", LAYOUT) as running:
                rows.append(asyncio.run(grow(running, station, client_id, cell.packages, records)))
            console.print(table(rows))
    if asked.output:
        asked.output.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=2) + "\n", "utf-8")
