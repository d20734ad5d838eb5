"""Lives in the database: it lets a state go exactly where the program's tables let it go."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import SERVICE_ROLE, open_engine
from app.deadlines.lives import EXEMPTION_LIFE, EXTENSION_LIFE
from app.forwarding.life import ARRIVAL_LIFE, FORWARDING_LIFE
from app.ingest.package import ITEM_LIFE, PACKAGE_LIFE
from app.ingest.queries import EXPLANATION_LIFECYCLE
from app.lifecycle import Lifecycle
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.recalls.life import RECALL_LIFECYCLE
from app.transfers.life import TRANSFER_LIFECYCLE
from app.verify.certificates.standing import CERTIFICATE_LIFECYCLE
from tests.builders.rows import insert_row

# One row is all that a move needs: what it refers to is another test's affair.
WITHOUT_REFERENCES = """
    DO $$ DECLARE found record; BEGIN
        FOR found IN
            SELECT conrelid::regclass AS relation, conname FROM pg_constraint WHERE contype = 'f'
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', found.relation, found.conname);
        END LOOP;
    END $$
"""
ANSWERED_AT = {"answered": "now()"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """A table with a life; ``beside`` is what must be set with a state."""

    table: str
    life: Lifecycle[Any]

    def beside(self, state: StrEnum) -> dict[str, str]:
        if self.table == "package_progress":
            return {"answered_at": ANSWERED_AT.get(state, "NULL")}
        return {}


LIVES = (
    Life(table="package_progress", life=PACKAGE_LIFE),
    Life(table="item", life=ITEM_LIFE),
    Life(table="certificate", life=CERTIFICATE_LIFECYCLE),
    Life(table="extension", life=EXTENSION_LIFE),
    Life(table="exemption", life=EXEMPTION_LIFE),
    Life(table="explanation", life=EXPLANATION_LIFECYCLE),
    Life(table="recall", life=RECALL_LIFECYCLE),
    Life(table="recall_item", life=RECALL_LIFECYCLE),
    Life(table="forwarding", life=FORWARDING_LIFE),
    Life(table="arrival_progress", life=ARRIVAL_LIFE),
    Life(table="transfer", life=TRANSFER_LIFECYCLE),
    Life(table="transfer_item", life=TRANSFER_LIFECYCLE),
)
PAIRS = [(life, *pair) for life in LIVES for pair in product(life.life.moves, repeat=2)]


def name_of(value: object) -> str:
    return value.table if isinstance(value, Life) else str(value)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def owner(postgres: EmbeddedPostgres, template_database: str) -> AsyncIterator[AsyncEngine]:
    await create_database(postgres.dsn("postgres"), "moves", template=template_database)
    engine = open_engine(postgres.sqlalchemy_url("moves"), pool_size=2, as_service=False)
    async with engine.begin() as connection:
        await connection.execute(text(WITHOUT_REFERENCES))
    yield engine
    await engine.dispose()
    await drop_database(postgres.dsn("postgres"), "moves")


async def try_to(owner: AsyncEngine, life: Life, state: StrEnum, statement: str, *, role: str | None) -> str:
    """Put one row in a state, run a statement on it, undo everything; gives the SQLSTATE (00000: done)."""
    async with owner.connect() as connection:
        await insert_row(connection, life.table, state=f"'{state}'", **life.beside(state))
        if role is not None:
            await connection.execute(text(f"SET LOCAL ROLE {role}"))
        try:
            result = await connection.execute(text(statement))
        except DBAPIError as error:
            return str(error.orig.sqlstate)  # type: ignore[union-attr]
        finally:
            await connection.rollback()
        assert result.rowcount == 1
        return "00000"


@pytest.mark.parametrize(("life", "source", "target"), PAIRS, ids=name_of)
async def test_a_state_moves_as_the_table_of_moves_says(
    owner: AsyncEngine, life: Life, source: StrEnum, target: StrEnum
) -> None:
    values = {"state": f"'{target}'", **life.beside(target)}
    statement = f"UPDATE {life.table} SET " + ", ".join(f"{name} = {value}" for name, value in values.items())
    may = source is target or life.life.may_become(source, target)
    done = await try_to(owner, life, source, statement, role=SERVICE_ROLE)
    assert done == ("00000" if may else "42501")


async def test_every_table_with_a_state_is_looked_at(owner: AsyncEngine) -> None:
    async with owner.connect() as connection:
        guarded = await connection.execute(
            text("SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'moves' AND tgparentid = 0")
        )
        stateful = await connection.execute(
            text(
                "SELECT table_name FROM information_schema.columns JOIN pg_class ON relname = table_name "
                "WHERE table_schema = 'public' AND column_name = 'state' AND NOT relispartition"
            )
        )
        assert set(guarded.scalars()) == set(stateful.scalars()) == {life.table for life in LIVES}


@pytest.mark.parametrize("life", LIVES, ids=name_of)
async def test_the_database_knows_the_same_states(owner: AsyncEngine, life: Life) -> None:
    for state in life.life.moves:
        assert await try_to(owner, life, state, f"SELECT 1 FROM {life.table}", role=SERVICE_ROLE) == "00000"
    with pytest.raises(DBAPIError) as caught:
        async with owner.connect() as connection:
            await insert_row(connection, life.table, state="'lost'")
    assert caught.value.orig.sqlstate == "23514"  # type: ignore[union-attr]


@pytest.mark.parametrize("role", [None, SERVICE_ROLE])
@pytest.mark.parametrize("life", LIVES, ids=name_of)
async def test_what_has_a_life_is_never_removed(owner: AsyncEngine, life: Life, role: str | None) -> None:
    statement = f"DELETE FROM {life.table}"
    assert await try_to(owner, life, life.life.initial, statement, role=role) == "42501"
