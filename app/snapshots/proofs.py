"""Proofs (chứng minh) that a record is in a snapshot, or that a look-up code is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Row, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.merkle import inclusion_path, inclusion_tiles
from app.snapshots.reading import SnapshotView, entries, line_of
from app.snapshots.tables import snapshot_entry, snapshot_tile


class ProofKind(StrEnum):
    """What a proof shows."""

    INCLUSION = "inclusion"
    ABSENCE = "absence"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenLine:
    """A line of the manifest with its place and the path from it to the root, nearest sibling first."""

    index: int
    line: bytes
    path: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A proof for one look-up code.

    Inclusion has the record's own line. Absence has the lines between which it would stand: two neighbours;
    only the first or only the last line at either end; none where the snapshot is empty.
    """

    kind: ProofKind
    record_id: UUID
    lines: Sequence[ProvenLine]


async def prove(connection: AsyncConnection, found: SnapshotView, record_id: UUID) -> Proof:
    """Prove that a look-up code is in a snapshot, or that it is not; a few reads, whatever the size."""
    entry = snapshot_entry.c
    of_snapshot = entries().where(entry.snapshot_id == found.id)
    own = (await connection.execute(of_snapshot.where(entry.record_id == record_id))).one_or_none()
    if own is not None:
        lines = [await _proven(connection, found, own)]
        return Proof(kind=ProofKind.INCLUSION, record_id=record_id, lines=lines)
    below = of_snapshot.where(entry.record_id < record_id).order_by(entry.record_id.desc()).limit(1)
    above = of_snapshot.where(entry.record_id > record_id).order_by(entry.record_id).limit(1)
    neighbours = [(await connection.execute(side)).one_or_none() for side in (below, above)]
    return Proof(
        kind=ProofKind.ABSENCE,
        record_id=record_id,
        lines=[await _proven(connection, found, row) for row in neighbours if row is not None],
    )


async def _proven(
    connection: AsyncConnection, found: SnapshotView, row: Row[*tuple[object, ...]]
) -> ProvenLine:
    index: int = row._mapping["position"]  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
    needed = inclusion_tiles(index, found.size)
    rows = await connection.execute(
        select(snapshot_tile).where(
            snapshot_tile.c.snapshot_id == found.id,
            tuple_(snapshot_tile.c.level, snapshot_tile.c.number).in_(needed),
        )
    )
    tiles = {(tile.level, tile.number): tile.hashes for tile in rows}
    path = inclusion_path(index, found.size, lambda level, number: tiles[level, number])
    return ProvenLine(index=index, line=line_of(row).octets(), path=path)
