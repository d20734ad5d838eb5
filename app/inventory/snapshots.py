"""Sealing a snapshot once more, from its own lines, to see that the sealed root comes out."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import and_, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import transaction
from app.ids import hex32
from app.inventory.flaws import Flaw, FlawKind
from app.inventory.verification import PublicKeys
from app.merkle import RootBuilder, Tile, TileBuilder, leaf_hash
from app.offload import Offload
from app.records.tables import record
from app.snapshots.manifest import TYPE, Line, counts_digest
from app.snapshots.reading import SnapshotView, manifest_pages, school_counts
from app.snapshots.tables import snapshot_entry, snapshot_tile

MOST_LINES_TOLD: Final = 100


async def snapshot_flaws(
    engine: AsyncEngine, offload: Offload, view: SnapshotView, public: PublicKeys
) -> Sequence[Flaw]:
    """Recompute root, tree and counts of a snapshot, and verify what was signed of it."""
    subject = hex32(view.id)
    root, tiles = RootBuilder(), TileBuilder()
    kinds: set[FlawKind] = set()
    async for lines in manifest_pages(engine, view.id):
        filled = await offload.run(_grow, root, tiles, lines)
        if not await _are_stored(engine, view, filled):
            kinds.add(FlawKind.SNAPSHOT_TILE)
    if not await _are_stored(engine, view, tiles.finish()):
        kinds.add(FlawKind.SNAPSHOT_TILE)
    if (root.root, root.size) != (view.root, view.size):
        kinds.add(FlawKind.SNAPSHOT_ROOT)
    async with transaction(engine) as connection:
        counts = counts_digest(await school_counts(connection, view.id))
    claims = public.claims(view.statement, TYPE)
    stated = {"snapshot_id": subject, "root": view.root.hex(), "size": view.size, "counts_sha256": counts}
    if claims is None or any(claims.get(name) != value for name, value in stated.items()):
        kinds.add(FlawKind.SNAPSHOT_STATEMENT)
    flaws = [Flaw(kind=kind, subject=subject) for kind in sorted(kinds)]
    return [*flaws, *await _strayed(engine, view)]


def _grow(root: RootBuilder, tiles: TileBuilder, lines: Sequence[Line]) -> Sequence[Tile]:
    filled: list[Tile] = []
    for line in lines:
        leaf = leaf_hash(line.octets())
        root.append(leaf)
        filled += tiles.append(leaf)
    return filled


async def _are_stored(engine: AsyncEngine, view: SnapshotView, tiles: Sequence[Tile]) -> bool:
    """Say whether the tiles that proofs are drawn from are these."""
    column = snapshot_tile.c
    keys = [(tile.level, tile.number) for tile in tiles]
    statement = select(column.level, column.number, column.hashes).where(
        column.snapshot_id == view.id, tuple_(column.level, column.number).in_(keys)
    )
    async with transaction(engine) as connection:
        stored = {(row.level, row.number): row.hashes for row in await connection.execute(statement)}
    return stored == {(tile.level, tile.number): tile.hashes for tile in tiles}


async def _strayed(engine: AsyncEngine, view: SnapshotView) -> Sequence[Flaw]:
    """Give the lines whose record the ledger does not have with the same digests."""
    entry = snapshot_entry.c
    statement = (
        select(entry.record_id)
        .select_from(snapshot_entry)
        .outerjoin(record, and_(record.c.school_id == entry.school_id, record.c.record_id == entry.record_id))
        .where(entry.snapshot_id == view.id)
        .where(
            or_(
                func.coalesce(record.c.xml_sha256 != entry.xml_sha256, True),
                record.c.content_sha256 != entry.content_sha256,
            )
        )
        .limit(MOST_LINES_TOLD)
    )
    async with transaction(engine) as connection:
        strayed = (await connection.execute(statement)).scalars().all()
    return [Flaw(kind=FlawKind.SNAPSHOT_RECORD, subject=hex32(record_id)) for record_id in strayed]
