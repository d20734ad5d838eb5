"""Any record reads by itself, as it was verified, whatever has become of the one it leans on."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import pytest
import pytest_asyncio
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import open_engine, transaction
from app.records import append, bases_for, find_record, hold_places, read_xml
from app.records.entry import Entry
from app.records.packing import DamagedRecordError, pack
from app.records.status import RecordEventKind
from app.records.tables import record
from tests.builders.clock import MovableClock
from tests.builders.ledger import RECEIVED_AT, entry, happened, of_class
from tests.builders.province import NOW, PRIMARY, build_province


@pytest_asyncio.fixture(loop_scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = open_engine(database_url, pool_size=2, sandbox_clock=MovableClock(NOW))
    yield engine
    await engine.dispose()


@pytest_asyncio.fixture(loop_scope="session")
async def school_id(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        province = await build_province(connection)
    return province.ids[PRIMARY]


def classmate(school_id: int, number: int, *, signers: int = 1, replaces: UUID | None = None) -> Entry:
    made = entry(
        school_id, pupil=f"0662150{number:05}", position=number + 1, replaces=replaces,
        received_at=RECEIVED_AT + timedelta(minutes=number),
    )  # fmt: skip
    return of_class(made, "4A", signers=signers)


async def appended(engine: AsyncEngine, *entries: Entry) -> Sequence[UUID]:
    """Append a package's entries the way judging does; gives their look-up codes."""
    async with transaction(engine) as connection:
        packed = pack(entries, await bases_for(connection, entries))
        assert await hold_places(connection, entries)
        await append(connection, entries, now=RECEIVED_AT, packed=packed)
    return [made.facts.record_id for made in entries]


async def read(engine: AsyncEngine, record_id: UUID) -> bytes:
    async with transaction(engine) as connection:
        view = await find_record(connection, record_id, lambda column: column.is_not(None))
        assert view is not None
        return await read_xml(connection, view)


async def leanings(engine: AsyncEngine) -> Mapping[UUID, UUID | None]:
    async with transaction(engine) as connection:
        rows = await connection.execute(select(record.c.record_id, record.c.leans_on))
        return {row.record_id: row.leans_on for row in rows}


async def test_packages_sent_one_pupil_at_a_time_lean_on_the_class_s_first(
    engine: AsyncEngine, school_id: int
) -> None:
    made = [classmate(school_id, number) for number in range(4)]
    codes = [(await appended(engine, one))[0] for one in made]
    assert await leanings(engine) == dict(zip(codes, [None, *[codes[0]] * 3], strict=True))
    assert [await read(engine, code) for code in codes] == [one.xml for one in made]


async def test_with_new_signers_the_class_leans_on_its_newest(engine: AsyncEngine, school_id: int) -> None:
    old = await appended(engine, classmate(school_id, 0), classmate(school_id, 1))
    new = await appended(engine, *(classmate(school_id, number, signers=2) for number in (2, 3)))
    later = await appended(engine, classmate(school_id, 4, signers=2))
    found = await leanings(engine)
    assert [found[code] for code in (*old, *new, *later)] == [None, old[0], None, new[0], new[0]]


async def test_what_is_leant_on_serves_when_it_is_itself_replaced(
    engine: AsyncEngine, school_id: int
) -> None:
    pupils = [classmate(school_id, number) for number in range(3)]
    codes = await appended(engine, *pupils)
    replacing = classmate(school_id, 0, replaces=codes[0])
    (new,) = await appended(engine, replacing)
    assert set(await happened(engine, codes[0])) == {RecordEventKind.RECORDED, RecordEventKind.REPLACED}
    assert (await leanings(engine))[new] == codes[0]
    assert [await read(engine, code) for code in (*codes, new)] == [p.xml for p in (*pupils, replacing)]


async def test_a_record_that_leans_on_what_was_tampered_with_is_not_read(
    engine: AsyncEngine, school_id: int, database_url: str
) -> None:
    first, second = await appended(engine, classmate(school_id, 0), classmate(school_id, 1))
    (third,) = await appended(engine, classmate(school_id, 2, signers=2))
    owner = open_engine(database_url, pool_size=1, as_service=False)
    async with owner.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(
            text("UPDATE record SET xml = (SELECT xml FROM record WHERE record_id = :other) "
                 "WHERE record_id = :code"),
            {"code": first, "other": third},
        )  # fmt: skip
    await owner.dispose()
    for code in (first, second):
        with pytest.raises(DamagedRecordError):
            await read(engine, code)
    assert (await read(engine, third)).startswith(b"<HocBa>")


async def test_postgresql_does_not_compress_what_is_compressed(engine: AsyncEngine) -> None:
    """Its own would gain nothing; and what is kept uncompressed by it can be read in part."""
    async with transaction(engine) as connection:
        rows = await connection.execute(
            text(
                "SELECT DISTINCT attstorage::text FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid "
                "WHERE relname ~ '^record(_[0-9]{4}|_other)?$' AND attname = 'xml'"
            )
        )
        assert set(rows.scalars()) == {"e"}
