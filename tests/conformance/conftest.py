"""One service for the whole kit: playing a case stores nothing."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from tests.conformance.country import Country, running_country

NAME = "conformance"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def country(postgres: EmbeddedPostgres, template_database: str) -> AsyncIterator[Country]:
    """The kit's country in a service of its own."""
    await create_database(postgres.dsn("postgres"), NAME, template=template_database)
    with tempfile.TemporaryDirectory() as folder:
        async with running_country(postgres.sqlalchemy_url(NAME), Path(folder)) as running:
            yield running
    await drop_database(postgres.dsn("postgres"), NAME)
