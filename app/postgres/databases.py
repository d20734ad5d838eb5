"""Databases on a server: made, made from a template, dropped."""

import re
from typing import Final

import asyncpg

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


async def create_database(dsn: str, name: str, *, template: str | None = None) -> None:
    """Create a database, as a copy of the template if one is named (nobody may be connected to it).

    Args:
        dsn: where to ask, as a role that may create databases; any database but the template.
        name: lower-case letters, digits and underscores, as for the template; ValueError otherwise.
        template: the database to copy; else PostgreSQL's own template1.
    """
    source = f" TEMPLATE {_checked(template)}" if template else ""
    await _execute(dsn, f"CREATE DATABASE {_checked(name)}{source}")


async def ensure_database(dsn: str, name: str) -> None:
    """Create the database unless it exists; two who do so at once both find it there."""
    try:
        await create_database(dsn, name)
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        return


async def drop_database(dsn: str, name: str) -> None:
    """Drop the database with all it holds, cutting off whoever is connected; harmless where there is none."""
    await _execute(dsn, f"DROP DATABASE IF EXISTS {_checked(name)} WITH (FORCE)")


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _checked(name: str) -> str:
    """Let through what needs no quoting: names cannot be parameters of these statements."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a database name: {name!r}")
    return name
