"""How PostgreSQL answers the reports: a school or a commune is read by index, whatever the province holds."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import pytest_asyncio
from sqlalchemy import event, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.compliance.counting import COUNT_CLASSES, bound
from app.compliance.missing import MISSING_PUPILS
from app.compliance.reporting import gather
from app.db import database_now, open_engine, transaction
from bench.compliance import SCHOOL, YEAR, found, grow, measure

SCHOOLS = 40
# What the province fills; the other tables of the question hold nothing here, and are read in whatever way.
LARGE = (f"record_{YEAR}", f"enrolment_pupil_{YEAR}")
# Schools of other provinces, as a ministry has them.
MANY_ORGANISATIONS = """
    INSERT INTO organisation (code, kind, name, parent_id, province_code, levels, valid_from)
    SELECT 'X' || n, 'school', 'X' || n, parent_id, 'p' || n % 33, levels, valid_from
    FROM generate_series(1, 20000) AS n, (SELECT * FROM organisation WHERE kind = 'school' LIMIT 1) AS one
"""


@pytest_asyncio.fixture(loop_scope="session")
async def province(database_url: str) -> AsyncIterator[AsyncEngine]:
    """Forty schools of 673 pupils, as the benchmark makes them: large enough for the planner to care."""
    engine = open_engine(database_url, pool_size=2, as_service=False)
    await found(engine)
    await grow(engine, 1, SCHOOLS)
    yield engine
    await engine.dispose()


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def ways(engine: AsyncEngine, statement: str, schools: Sequence[int]) -> set[tuple[str, str]]:
    """In which ways a question about schools reads the large tables."""
    async with transaction(engine) as connection:
        now = (await connection.execute(select(database_now()))).scalar_one()
        found_plan = await connection.execute(
            bound(f"EXPLAIN (FORMAT JSON) {statement}"),
            {"schools": list(schools), "school_year": YEAR, "as_of": now},
        )
        (explained,) = found_plan.scalar_one()
    read = {(node["Node Type"], node.get("Relation Name", "")) for node in nodes(explained["Plan"])}
    return {(way, table) for way, table in read if table in LARGE}


async def test_reports_read_indexes_and_counting_nothing_else(province: AsyncEngine) -> None:
    async with transaction(province) as connection:
        rows = await connection.execute(text("SELECT id FROM organisation WHERE kind = 'school' ORDER BY id"))
        schools = list(rows.scalars())
    for number in (1, 4, SCHOOLS):
        some = schools[:number]
        counting = await ways(province, COUNT_CLASSES.text, some)
        # Of recalled records alone, a few, the row is fetched.
        assert counting - {("Index Scan", LARGE[0])} == {("Index Only Scan", table) for table in LARGE}
        assert "Seq Scan" not in {way for way, _ in await ways(province, MISSING_PUPILS.text, some)}
    # A question without a condition is seen to read the table from end to end: the check above can fail.
    everything = f"SELECT xml, :schools, :school_year, :as_of FROM record_{YEAR}"
    assert await ways(province, everything, [0]) == {("Seq Scan", f"record_{YEAR}")}
    figures = await measure(province, 1, lambda: 0.0)
    assert (figures["schools"], figures["pupils"]) == (SCHOOLS, SCHOOLS * SCHOOL)


async def test_a_report_of_one_school_does_not_read_every_organisation(database_url: str) -> None:
    engine = open_engine(database_url, pool_size=2, as_service=False)
    await found(engine)
    await grow(engine, 1, 2)
    sent: list[tuple[str, tuple[Any, ...]]] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *told: sent.append((told[2], told[3])))
    async with transaction(engine) as connection:
        await connection.execute(text(MANY_ORGANISATIONS))
        await connection.execute(text("ANALYZE organisation"))
        school = await connection.scalar(text("SELECT min(id) FROM organisation WHERE kind = 'school'"))
        gathered = await gather(connection, lambda column: column == school, YEAR, as_of=None)
        statement, parameters = next((one, given) for one, given in sent if "AS department" in one)
        driver: Any = (await connection.get_raw_connection()).driver_connection
        told = await driver.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *parameters)
    await engine.dispose()
    assert [one.school_id for one in gathered.schools] == [school]
    (explained,) = json.loads(told) if isinstance(told, str) else told
    assert "Seq Scan" not in {
        node["Node Type"] for node in nodes(explained["Plan"]) if node.get("Relation Name") == "organisation"
    }
