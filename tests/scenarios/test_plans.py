"""Query plans: nothing that is asked on the way of a package, or by a reader, walks through a large table.

The statements are those that the service really sends: a package goes its way, and every route that reads is
called by every kind of caller, so that a new one is covered by being there. Each is planned again with
sequential scans forbidden: what then still scans, or reads a whole index, has no index that serves it.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
import pytest_asyncio
from sqlalchemy import event, text

from app.db import transaction
from tests.builders.routes import routes
from tests.builders.world import World

LARGE: Final = frozenset(
    {
        "package_claim", "package", "package_progress", "package_event", "item", "item_event", "finding",
        "receipt", "record_claim", "record", "record_signature", "record_event", "active_record",
        "active_pupil_code", "custody", "snapshot_entry", "snapshot_tile", "enrolment_pupil", "job",
        "audit_event",
    }
)  # fmt: skip
# What reads a queue or a whole scope by its nature; each with its reason.
WALKS: Final = {
    "FROM job": "the queue is bounded, and counting it means reading it",
    "FROM audit_event": "the log is read in the order of time, a page at most",
}
PARTITION: Final = re.compile(r"_(\d{4}|other)$")
PLANNED: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass
class Sent:
    """The statements that the service sent, each with the first parameters it had."""

    statements: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    drivers: set[Any] = field(default_factory=set)

    def note(self, *given: Any) -> None:
        """Take what SQLAlchemy tells before a statement is sent."""
        _, _, statement, parameters, _, is_many = given
        self._keep(statement, parameters[0] if is_many else parameters or ())

    def note_driver(self, query: asyncpg.connection.LoggedQuery) -> None:
        """Take what the driver tells of a statement that was sent without SQLAlchemy."""
        self._keep(query.query, query.args)

    def _keep(self, statement: str, parameters: Sequence[Any]) -> None:
        if statement.lstrip().startswith(PLANNED):
            self.statements.setdefault(statement, tuple(parameters))

    def listen(self, held: Any, *_: object) -> None:
        """Listen to a connection that is about to be used."""
        held.driver_connection.add_query_logger(self.note_driver)
        self.drivers.add(held.driver_connection)


@contextmanager
def overheard(world: World) -> Iterator[Sent]:
    sent, engine = Sent(), world.service.engine.sync_engine
    event.listen(engine, "before_cursor_execute", sent.note)
    event.listen(engine, "checkout", sent.listen)
    yield sent
    event.remove(engine, "checkout", sent.listen)
    event.remove(engine, "before_cursor_execute", sent.note)
    for driver in sent.drivers:
        driver.remove_query_logger(sent.note_driver)


async def plans(world: World, sent: Sent) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Plan every statement again, as it is planned where tables are large: by index, if there is a way."""
    async with transaction(world.service.engine) as connection:
        for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            await connection.execute(text(f"SET LOCAL {setting} = off"))
        driver: Any = (await connection.get_raw_connection()).driver_connection
        for statement, parameters in sent.statements.items():
            told = await driver.fetchval(f"EXPLAIN (FORMAT JSON) {statement}", *parameters)
            yield statement, (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]


def walks(plan: dict[str, Any], around: str = "") -> Iterator[str]:
    """Name the large tables that a plan walks through; a bitmap's index is of the table around it."""
    table = PARTITION.sub("", plan.get("Relation Name", around))
    for inner in plan.get("Plans", []):
        yield from walks(inner, table if plan["Node Type"].startswith("Bitmap") else "")
    is_read = plan["Node Type"].endswith("Scan") and plan["Node Type"] != "Bitmap Heap Scan"
    if table in LARGE and is_read and "Index Cond" not in plan:
        yield f"{plan['Node Type']} {table} ({plan.get('Index Name', '-')})"


async def walking(world: World, sent: Sent) -> dict[str, list[str]]:
    """Give the statements that walk through a large table, with the tables."""
    found = {statement: list(walks(plan)) async for statement, plan in plans(world, sent)}
    return {
        statement: tables
        for statement, tables in found.items()
        if tables and not any(part in statement for part in WALKS)
    }


@pytest_asyncio.fixture(loop_scope="session")
async def judged(world: World) -> tuple[World, Sent, dict[str, str]]:
    """A package on its whole way, overheard; and what the names in the routes' paths stand for."""
    school = world.school("03")
    await world.enrol(school)
    with overheard(world) as sent:
        package = world.package(school)
        result = await world.send(school, package)
        again = await world.post(package)
        assert again.status_code == 200
    item = result["items"][0]
    names = {
        "version": "1.0",
        "code": school.code,
        "school_code": school.code,
        "package_id": package.package_id,
        "record_id": item["record_id"],
        "sha256": package.digest,
        "position": "1",
        "student_id": school.classes[0].pupils[0].student_code,
        "dob": school.classes[0].pupils[0].person.born_on.isoformat(),
        "school_year": world.province.school_year,
    }
    return world, sent, names


async def test_a_package_and_its_answer_walk_through_no_large_table(
    judged: tuple[World, Sent, dict[str, str]],
) -> None:
    world, sent, _ = judged
    assert len(sent.statements) > 40
    assert any(statement.startswith("INSERT INTO package ") for statement in sent.statements)  # by the driver
    assert not await walking(world, sent)


async def test_no_route_that_reads_walks_through_a_large_table(
    judged: tuple[World, Sent, dict[str, str]],
) -> None:
    world, _, names = judged
    school = world.school("03")
    names_of_callers = [school.code, "bogddt", "quantri", world.authority_of(school)]
    roles = {officer.role: officer.username for officer in world.province.officers}
    callers = [world.as_(name) for name in {*names_of_callers, *roles.values()}]
    with overheard(world) as sent:
        for _, route in routes():
            if "GET" not in (route.methods or ()):
                continue
            for caller in callers:
                needed = [p.alias for p in route.dependant.query_params if p.field_info.is_required()]
                asked = {name: names[name] for name in needed}
                path = route.path.format_map(Names(names))
                answer = await world.http.get(path, params=asked, headers=caller)
                assert answer.status_code < 500, answer.text
    assert not await walking(world, sent)


class Names(dict[str, str]):
    """What is not known is some id that nobody has."""

    def __missing__(self, name: str) -> str:
        return "018f00000000700080000000000000ff"
