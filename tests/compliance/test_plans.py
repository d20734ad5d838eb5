"""How PostgreSQL answers the reports: a school or a commune is read by index, whatever the province holds."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

import pytest_asyncio
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.compliance.counting import COUNT_CLASSES, bound
from app.compliance.missing import MISSING_PUPILS
from app.db import database_now, open_engine, transaction
from bench.compliance import SCHOOL, YEAR, found, grow, measure

SCHOOLS = 40
# What the province fills; the other tables of the question hold nothing here, and are read in whatever way.
LARGE = (f"record_{YEAR}", f"enrolment_pupil_{YEAR}")


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


async def read_in_order(engine: AsyncEngine, statement: str, schools: Sequence[int]) -> set[str]:
    """The large tables that a question about schools reads from end to end."""
    async with transaction(engine) as connection:
        now = (await connection.execute(select(database_now()))).scalar_one()
        found_plan = await connection.execute(
            bound(f"EXPLAIN (FORMAT JSON) {statement}"),
            {"schools": list(schools), "school_year": YEAR, "as_of": now},
        )
        (explained,) = found_plan.scalar_one()
    large = [node for node in nodes(explained["Plan"]) if node.get("Relation Name") in LARGE]
    assert large
    return {node["Relation Name"] for node in large if node["Node Type"] == "Seq Scan"}


async def test_a_school_or_a_commune_is_read_by_index(province: AsyncEngine) -> None:
    async with transaction(province) as connection:
        rows = await connection.execute(text("SELECT id FROM organisation WHERE kind = 'school' ORDER BY id"))
        schools = list(rows.scalars())
    for statement in (COUNT_CLASSES.text, MISSING_PUPILS.text):
        for number in (1, 4):
            assert await read_in_order(province, statement, schools[:number]) == set(), number
    # A question without a condition is seen to read the table from end to end: the check above can fail.
    assert await read_in_order(
        province, f"SELECT xml, :schools, :school_year, :as_of FROM record_{YEAR}", [0]
    )
    figures = await measure(province, 1)
    assert (figures["schools"], figures["pupils"]) == (SCHOOLS, SCHOOLS * SCHOOL)
