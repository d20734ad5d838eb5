"""Writing a manifest: lines, tree and counts of a snapshot, batch by batch, by COPY."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import copy_records
from app.merkle import RootBuilder, Tile, TileBuilder, leaf_hash
from app.snapshots.manifest import Line, SchoolCount
from app.snapshots.scopes import Census, HeldRecord
from app.snapshots.tables import snapshot_entry, snapshot_tile

_ENTRY = (
    "snapshot_id",
    "record_id",
    "position",
    "school_id",
    "content_sha256",
    "xml_sha256",
    "status",
    "is_late",
)
_TILE = ("snapshot_id", "level", "number", "hashes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows to be written, in the tables' order of columns."""

    entries: Sequence[tuple[Any, ...]]
    tiles: Sequence[tuple[Any, ...]]


class ManifestBuilder:
    """Turns records, handed in by look-up code, into rows; keeps counts and a few hashes, no records.

    It computes and writes nothing, so that it can work off the event loop.
    """

    def __init__(self, snapshot_id: UUID, census: Census) -> None:
        self.snapshot_id = snapshot_id
        self.schools: dict[int, SchoolCount] = {}
        self._census = census
        self._tiles = TileBuilder()
        self._root = RootBuilder()

    @property
    def size(self) -> int:
        """How many records the snapshot holds so far."""
        return self._root.size

    @property
    def root(self) -> bytes:
        """The root over them."""
        return self._root.root

    def add(self, records: Iterable[HeldRecord]) -> Batch:
        """Take the next records; gives what is to be written for them."""
        entries, tiles = [], []
        for held in records:
            status = self._census.status(held)
            if status is None:
                continue
            line = Line(
                record_id=held.record_id,
                school_code=held.school_code,
                content_sha256=held.content_sha256,
                xml_sha256=held.xml_sha256,
                status=status,
                is_late=held.is_late,
            )
            entries.append(self._entry(held, line))
            leaf = leaf_hash(line.octets())
            self._root.append(leaf)
            tiles += self._rows(self._tiles.append(leaf))
            count = self.schools.setdefault(held.school_id, SchoolCount(school_code=held.school_code))
            count.add(status, is_late=held.is_late)
        return Batch(entries=entries, tiles=tiles)

    def finish(self) -> Batch:
        """Give what is left to be written at the end."""
        return Batch(entries=(), tiles=self._rows(self._tiles.finish()))

    def _entry(self, held: HeldRecord, line: Line) -> tuple[Any, ...]:
        return (
            self.snapshot_id,
            held.record_id,
            self._root.size,
            held.school_id,
            held.content_sha256,
            held.xml_sha256,
            line.status.value,
            line.is_late,
        )

    def _rows(self, tiles: Iterable[Tile]) -> list[tuple[Any, ...]]:
        return [(self.snapshot_id, tile.level, tile.number, tile.hashes) for tile in tiles]


async def write(connection: AsyncConnection, batch: Batch) -> None:
    """Write a batch in the caller's transaction."""
    await copy_records(connection, snapshot_entry, _ENTRY, batch.entries)
    await copy_records(connection, snapshot_tile, _TILE, batch.tiles)
