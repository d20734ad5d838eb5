"""The whole schema in one place: importing this module declares every room's tables on the metadata."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import migrations
from app import audit, jobs, keys, schedule
from app.compliance import tables as compliance_tables
from app.db import metadata, open_engine
from app.deadlines import tables as deadline_tables
from app.enrolment import tables as enrolment_tables
from app.forwarding import tables as forwarding_tables
from app.ingest import tables as ingest_tables
from app.organisations import tables as organisation_tables
from app.policies import tables as policy_tables
from app.recalls import tables as recall_tables
from app.records import changes
from app.records import tables as record_tables
from app.snapshots import tables as snapshot_tables
from app.transfers import tables as transfer_tables
from app.verify.certificates import tables as certificate_tables
from app.verify.revocation import tables as revocation_tables

__all__ = [
    "audit",
    "certificate_tables",
    "changes",
    "compliance_tables",
    "current_revision",
    "deadline_tables",
    "enrolment_tables",
    "forwarding_tables",
    "head_revision",
    "ingest_tables",
    "jobs",
    "keys",
    "metadata",
    "organisation_tables",
    "policy_tables",
    "recall_tables",
    "record_tables",
    "revocation_tables",
    "schedule",
    "snapshot_tables",
    "transfer_tables",
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


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    return config


def _upgrade(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def head_revision() -> str | None:
    """Give the revision that this program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head()


async def current_revision(url: str) -> str | None:
    """Give the revision that a database is at; None where it has no schema yet."""
    engine = open_engine(url, pool_size=1, as_service=False)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(
                lambda sync: MigrationContext.configure(sync).get_current_revision()
            )
    finally:
        await engine.dispose()
