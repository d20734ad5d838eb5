"""How this service talks to PostgreSQL: engine, naming convention, transactions, the guarded move.

Owns no table: each room declares its own in its ``tables.py`` on the metadata below.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import CursorResult, MetaData, Table, update
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.errors import DomainError

# The role that the service works as: may insert evidence and read it, never change it.
SERVICE_ROLE: Final = "hocba_service"

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def open_engine(url: str, *, pool_size: int = 10, as_service: bool = True) -> AsyncEngine:
    """Open a pool of connections; ``as_service`` drops each to the service's role as it is made.

    Args:
        url: ``postgresql://`` or ``postgresql+asyncpg://`` address of a PostgreSQL 15 to 18.
        pool_size: connections kept; as many again may be opened under load.
        as_service: False only for migrations and administration of the database itself.
    """
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    settings = {"application_name": "hocba", "timezone": "UTC", "jit": "off"}
    if as_service:
        settings["role"] = SERVICE_ROLE
    return create_async_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"server_settings": settings},
    )


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection inside one transaction: committed at the end, undone by any exception."""
    async with engine.begin() as connection:
        yield connection


async def move(
    connection: AsyncConnection,
    table: Table,
    key: Mapping[str, object],
    *,
    source: str,
    target: str,
    **values: object,
) -> None:
    """Move one row of a table with a life from a state to the next.

    Refuses with QH-020 where the row is not (or no longer) in the source state: somebody else was first,
    and a silent success would tell two people that they decided.
    """
    statement = (
        update(table)
        .where(*(table.c[name] == value for name, value in key.items()), table.c.state == source)
        .values(state=target, **values)
    )
    result: CursorResult[object] = await connection.execute(statement)
    if result.rowcount != 1:
        raise DomainError("QH-020", state=source)
