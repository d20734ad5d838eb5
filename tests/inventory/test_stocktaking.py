"""Stocktaking: a sound ledger is found sound, and whatever is tampered with is found."""

import hashlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import open_engine
from app.inventory import FlawKind, Stocktaking, Tally, stocktaking
from app.offload import Offload
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.records import find_record, read_xml
from app.records.packing import pack_alone
from app.records.tables import record
from tests.builders.periodic import periodic
from tests.builders.sealing import SCHOOL_CUT_OFF, SECOND
from tests.builders.world import running_world

PUPILS = 3
_numbers = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stocked(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[str]:
    """A database with two schools' records, one refused, one sent twice, and a sealed snapshot."""
    name = "stocked"
    await create_database(postgres.dsn("postgres"), name, template=template_database)
    async with running_world(postgres.sqlalchemy_url(name), tmp_path_factory.mktemp("stock")) as world:
        schools = [world.school("03"), world.school("02")]
        await world.enrol(*schools)
        world.clock.now = SCHOOL_CUT_OFF - SECOND
        for school in schools:
            transcripts = world.signed(school)
            await world.send(school, world.package(school, transcripts))
            await world.send(school, world.package(school, transcripts[:1]))
        transcripts[0][0][0].text = "0" * 32
        await world.send(school, world.package(school, transcripts[:1]))
        world.clock.now = SCHOOL_CUT_OFF + SECOND
        assert (await periodic(world))["seal snapshots"] == {"sealed": 1}
    yield name
    await drop_database(postgres.dsn("postgres"), name)


@pytest_asyncio.fixture(loop_scope="session")
async def url(postgres: EmbeddedPostgres, stocked: str) -> AsyncIterator[str]:
    """The address of a copy of that database."""
    name = f"stock_{next(_numbers)}"
    await create_database(postgres.dsn("postgres"), name, template=stocked)
    yield postgres.sqlalchemy_url(name)
    await drop_database(postgres.dsn("postgres"), name)


@pytest_asyncio.fixture(loop_scope="session")
async def owner(url: str) -> AsyncIterator[AsyncEngine]:
    """That copy, as its superuser."""
    engine = open_engine(url, pool_size=2, as_service=False)
    yield engine
    await engine.dispose()


async def take_stock(url: str, tally: Tally | None = None) -> Tally:
    """Take stock as the service's role, which cannot change anything."""
    engine = open_engine(url, pool_size=2)
    offload = Offload(1)
    try:
        return await Stocktaking(engine=engine, offload=offload).run(tally)
    finally:
        offload.close()
        await engine.dispose()


async def tamper(owner: AsyncEngine, *statements: str) -> None:
    """Change evidence past the triggers that keep it, as only a superuser can."""
    async with owner.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            assert (await connection.execute(text(statement))).rowcount > 0, statement


async def test_a_sound_ledger_is_sound(url: str) -> None:
    tally = await take_stock(url)
    assert (tally.differing, tally.flaws, tally.stage) == (Counter(), [], "done")
    # Five packages are acknowledged; nine transcripts are answered: six new, two sent again, one refused.
    assert tally.seen == {"packages": 5, "records": 2 * PUPILS, "receipts": 5 + 9, "snapshots": 1}


# A record that no other leans on: what is done to it is done to it alone.
ONE = "(SELECT min(record_id::text)::uuid FROM record WHERE leans_on IS NOT NULL)"
FLIPPED = "set_byte({0}, length({0}) / 2, get_byte({0}, length({0}) / 2) # 1)"
BOUND = {FlawKind.RECEIPT_CLAIMS, FlawKind.SNAPSHOT_RECORD}


@pytest.mark.parametrize(
    ("statements", "kinds"),
    [
        ([f"UPDATE package SET payload = {FLIPPED.format('payload')}"], {FlawKind.PACKAGE_BYTES}),
        (
            [f"UPDATE record SET xml = {FLIPPED.format('xml')} WHERE record_id = {ONE}"],
            {FlawKind.RECORD_BYTES},
        ),
        (
            [
                f"UPDATE {table} SET content_sha256 = sha256('x') WHERE record_id = {ONE}"
                for table in ("record", "record_claim")
            ],
            {FlawKind.RECORD_CONTENT, *BOUND},
        ),
        ([f"UPDATE record SET format_version = '9.9' WHERE record_id = {ONE}"], {FlawKind.RECORD_CONTENT}),
        ([f"DELETE FROM record_signature WHERE record_id = {ONE}"], {FlawKind.RECORD_SIGNATURE}),
        (
            [f"UPDATE record_signature SET fingerprint = 'ab' WHERE record_id = {ONE} AND position = 1"],
            {FlawKind.RECORD_SIGNATURE},
        ),
        ([f"DELETE FROM record_claim WHERE record_id = {ONE}"], {FlawKind.RECORD_UNCLAIMED}),
        ([f"DELETE FROM receipt WHERE record_id = {ONE}"], {FlawKind.RECORD_UNRECEIPTED}),
        (
            ["UPDATE receipt SET jws = left(jws, -10) || reverse(right(jws, 10)) WHERE kind = 'refusal'"],
            {FlawKind.RECEIPT_SIGNATURE},
        ),
        (
            ["UPDATE receipt a SET jws = r.jws FROM receipt r WHERE r.kind = 'refusal' AND a.position = 0"],
            {FlawKind.RECEIPT_CLAIMS},
        ),
        (
            ["UPDATE snapshot SET root = sha256('x')"],
            {FlawKind.SNAPSHOT_ROOT, FlawKind.SNAPSHOT_STATEMENT},
        ),
        (
            [f"DELETE FROM snapshot_entry WHERE record_id = {ONE}"],
            {FlawKind.SNAPSHOT_ROOT, FlawKind.SNAPSHOT_TILE},
        ),
        ([f"UPDATE snapshot_tile SET hashes = {FLIPPED.format('hashes')}"], {FlawKind.SNAPSHOT_TILE}),
        (
            ["UPDATE snapshot SET statement = (SELECT min(jws) FROM receipt)"],
            {FlawKind.SNAPSHOT_STATEMENT},
        ),
        (["UPDATE snapshot_school SET late = late + 1"], {FlawKind.SNAPSHOT_STATEMENT}),
        ([f"DELETE FROM record WHERE record_id = {ONE}"], BOUND),
    ],
)
async def test_what_was_tampered_with_is_found(
    owner: AsyncEngine, url: str, statements: Sequence[str], kinds: set[FlawKind]
) -> None:
    await tamper(owner, *statements)
    tally = await take_stock(url)
    assert set(tally.differing) == kinds
    assert not tally.is_sound
    assert {flaw.kind for flaw in tally.flaws} == kinds


async def rewrite(connection: AsyncConnection) -> None:
    """Change one signature's value, and the digest of the bytes with it: only mathematics can tell."""
    record_id = (await connection.execute(text(f"SELECT {ONE}"))).scalar_one()
    view = await find_record(connection, record_id, lambda column: column.is_not(None))
    assert view is not None
    xml = await read_xml(connection, view)
    start = xml.index(b"SignatureValue>") + len(b"SignatureValue>") + 20
    changed = xml[:start] + (b"A" if xml[start : start + 1] != b"A" else b"B") + xml[start + 1 :]
    values = {**asdict(pack_alone(changed)), "xml_sha256": hashlib.sha256(changed).digest()}
    await connection.execute(update(record).where(record.c.record_id == record_id).values(**values))


async def test_a_signature_that_does_not_hold_is_found_though_every_digest_was_mended(
    owner: AsyncEngine,
    url: str,
) -> None:
    async with owner.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await rewrite(connection)
    assert set((await take_stock(url)).differing) == {
        FlawKind.RECORD_SIGNATURE,
        FlawKind.SNAPSHOT_RECORD,
    }


async def test_keys_that_were_kept_elsewhere_unmask_forged_receipts(url: str, tmp_path: Path) -> None:
    """Whoever can write the table of keys can sign everything anew; a copy of the JWKS tells."""
    engine, offload = open_engine(url, pool_size=2), Offload(1)
    tally = await Stocktaking(engine=engine, offload=offload, keys=[]).run()
    offload.close()
    await engine.dispose()
    assert tally.differing == {FlawKind.RECEIPT_SIGNATURE: 14, FlawKind.SNAPSHOT_STATEMENT: 1}


class _CutOffError(Exception):
    pass


async def test_a_stocktaking_is_taken_up_where_it_was_cut_off(
    owner: AsyncEngine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page of one, cut off after every page, it sees everything once and comes to the same end."""
    for name in ("PAGE", "PACKAGES", "SNAPSHOTS"):
        monkeypatch.setattr(stocktaking, name, 1)
    await tamper(owner, f"DELETE FROM record_claim WHERE record_id = {ONE}")
    engine, offload = open_engine(url, pool_size=2), Offload(1)
    left: list[str] = []

    def cut_off(tally: Tally) -> None:
        left.append(tally.written())
        raise _CutOffError

    while not left or Tally.read(left[-1]).stage != "done":
        with pytest.raises(_CutOffError):
            await Stocktaking(engine=engine, offload=offload).run(
                Tally.read(left[-1]) if left else None, cut_off
            )
    offload.close()
    await engine.dispose()
    tally = Tally.read(left[-1])
    assert tally.seen == {"packages": 5, "records": 2 * PUPILS, "receipts": 5 + 9, "snapshots": 1}
    assert tally.differing == {FlawKind.RECORD_UNCLAIMED: 1}
    # One page more than there are rows: the last is found empty.
    assert len(left) == sum(tally.seen.values()) + 4
