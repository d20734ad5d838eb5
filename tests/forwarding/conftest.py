"""A province with a sealed snapshot, and the ministry's instance beside it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from sqlalchemy.engine import make_url

from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from tests.builders.tiers import Nation, running_ministry
from tests.builders.world import World


@pytest_asyncio.fixture(loop_scope="session")
async def nation(
    world: World, postgres: EmbeddedPostgres, template_database: str, database_url: str, tmp_path: Path
) -> AsyncIterator[Nation]:
    """The ministry's instance over a database of its own; the province has one school with a class sent."""
    name = f"{make_url(database_url).database}_bo"
    await create_database(postgres.dsn("postgres"), name, template=template_database)
    school = world.school("03")
    await world.enrol(school)
    await world.send(school, world.package(school))
    async with running_ministry(world, postgres.sqlalchemy_url(name), tmp_path / "bo") as running:
        yield running
    await drop_database(postgres.dsn("postgres"), name)
