"""Finding the snapshots of a record costs a look into an index, however many snapshots there are."""

from uuid import UUID

from sqlalchemy import text

from app.db import open_engine, transaction
from app.snapshots.reading import containing

# As many snapshots as the provinces seal in two years, with some records each.
SNAPSHOTS = """
    INSERT INTO snapshot SELECT gen_random_uuid(), lpad(province::text, 2, '0'), year, kind, now(), now(),
        '-', 50, sha256('x'), 0, '[]', '-'
    FROM generate_series(1, 34) province, generate_series(2025, 2026) year,
        unnest(ARRAY['SCHOOL_CONFIRMED', 'UPSTREAM_CONFIRMED', 'UPSTREAM_FINAL']) kind
"""
ENTRIES = """
    INSERT INTO snapshot_entry SELECT snapshot.id, gen_random_uuid(), number, 1, root, root, 'in_force', false
    FROM snapshot, generate_series(1, 50) number
"""


async def test_the_snapshots_of_a_record_are_found_by_index(database_url: str) -> None:
    owner = open_engine(database_url, pool_size=1, as_service=False)
    wanted = containing([UUID(int=1), UUID(int=2)]).compile(
        dialect=owner.dialect, compile_kwargs={"literal_binds": True}
    )
    async with transaction(owner) as connection:
        await connection.execute(text(SNAPSHOTS))
        await connection.execute(text(ENTRIES))
        await connection.execute(text("ANALYZE snapshot, snapshot_entry"))
        plan = "\n".join((await connection.execute(text(f"EXPLAIN {wanted}"))).scalars())
    await owner.dispose()
    assert "ix_snapshot_entry_record_id" in plan, plan
    assert "Seq Scan on snapshot_entry" not in plan
