"""The whole schema in one place: importing this module declares every room's tables on the metadata."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

import migrations
from app import audit, jobs, keys
from app.db import metadata, open_engine
from app.ingest import tables as ingest_tables
from app.organisations import tables as organisation_tables
from app.records import tables as record_tables
from app.verify.certificates import tables as certificate_tables

__all__ = [
    "audit",
    "certificate_tables",
    "ingest_tables",
    "jobs",
    "keys",
    "metadata",
    "organisation_tables",
    "record_tables",
    "upgrade_schema",
]


async def upgrade_schema(url: str, revision: str = "head") -> None:
    """Bring a database to a revision of the migrations, as the owner of the schema, in one transaction."""
    engine = open_engine(url, pool_size=1, as_service=False)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade, revision)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
