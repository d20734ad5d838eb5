"""How alembic reaches the database and what it compares the schema with."""

import asyncio
import os

from alembic import context
from sqlalchemy import Connection

from app.db import open_engine
from app.schema import metadata


def _run(connection: Connection) -> None:
    partitions = {
        row[0] for row in connection.exec_driver_sql("SELECT inhrelid::regclass::text FROM pg_inherits").all()
    }
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_name=lambda name, kind, _: not (kind == "table" and name in partitions),
        compare_server_default=False,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _connect(url: str) -> None:
    engine = open_engine(url, pool_size=1, as_service=False)
    async with engine.begin() as connection:
        await connection.run_sync(_run)
    await engine.dispose()


handed_over: Connection | None = context.config.attributes.get("connection")
if handed_over is not None:
    _run(handed_over)
else:
    asyncio.run(_connect(os.environ["HOCBA_DATABASE_URL"]))
