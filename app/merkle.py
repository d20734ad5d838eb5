"""Merkle trees as RFC 9162 (section 2.1) hashes them: root, tiles, inclusion proofs. Pure.

The server seals with it, whoever holds a proof verifies with it: it stands below both and knows neither.
A tree is kept as tiles of 256 hashes: level 0 holds the leaves' hashes, level n the roots of the full tiles
of level n - 1. A proof needs only a few tiles, however many leaves there are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32
TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
EMPTY_ROOT: Final = sha256(b"").digest()

# Gives the hashes of the tile of a level with a number, concatenated.
Tiles = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Hash a leaf; the prefix keeps a leaf from passing as a node."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash the node above two subtrees."""
    return sha256(b"\x01" + left + right).digest()


class RootBuilder:
    """Computes the root over leaves handed in one after another; keeps one hash a level at most."""

    def __init__(self) -> None:
        self.size = 0
        self._perfect: list[bytes] = []  # roots of perfect subtrees, largest first

    def append(self, leaf: bytes) -> None:
        """Add the hash of the next leaf."""
        merged, size = leaf, self.size
        while size & 1:
            merged = node_hash(self._perfect.pop(), merged)
            size >>= 1
        self._perfect.append(merged)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        return _fold(self._perfect)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """Up to 256 hashes of one level, concatenated; only a level's last tile is not full."""

    level: int
    number: int
    hashes: bytes


@dataclass(slots=True)
class _Level:
    """A tile that is being filled, and its number."""

    number: int = 0
    hashes: bytearray = field(default_factory=bytearray)


class TileBuilder:
    """Cuts a growing tree into tiles, each given out once: full ones on the way, the others at the end."""

    def __init__(self) -> None:
        self.size = 0
        self._levels: list[_Level] = []

    def append(self, leaf: bytes) -> Sequence[Tile]:
        """Add the hash of the next leaf; gives the tiles that it filled."""
        self.size += 1
        filled, added = [], leaf
        for level in range(len(self._levels) + 1):
            if level == len(self._levels):
                self._levels.append(_Level())
            open_tile = self._levels[level]
            open_tile.hashes += added
            if len(open_tile.hashes) < TILE_WIDTH * HASH_BYTES:
                break
            full = Tile(level=level, number=open_tile.number, hashes=bytes(open_tile.hashes))
            filled.append(full)
            added = _perfect_root(full.hashes)
            self._levels[level] = _Level(number=open_tile.number + 1)
        return filled

    def finish(self) -> Sequence[Tile]:
        """Give the tiles that are not full."""
        return [
            Tile(level=level, number=open_tile.number, hashes=bytes(open_tile.hashes))
            for level, open_tile in enumerate(self._levels)
            if open_tile.hashes
        ]


def inclusion_tiles(index: int, size: int) -> Sequence[tuple[int, int]]:
    """Say which tiles (level, number) a proof for the leaf at an index needs."""
    parts = [part for start, end in _path_ranges(index, size) for part in _perfect_parts(start, end)]
    return sorted({_tile_of(start, width)[:2] for start, width in parts})


def inclusion_path(index: int, size: int, tiles: Tiles) -> Sequence[bytes]:
    """Give the inclusion proof (RFC 9162, section 2.1.3.1) for a leaf, nearest sibling first.

    Raises:
        IndexError: there is no leaf at that index.
    """
    return [_range_root(start, end, tiles) for start, end in _path_ranges(index, size)]


def is_included(leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Verify an inclusion proof, step by step as RFC 9162 (section 2.1.3.2) says.

    Args:
        leaf: the hash of the leaf.
        index: where it stands, from 0.
        size: number of leaves of the tree.
        path: the proof, nearest sibling first.
        root: what the tree's root is known to be.
    """
    if not 0 <= index < size:
        return False
    first, second, computed = index, size - 1, leaf
    for sibling in path:
        if second == 0:
            return False
        if first & 1 or first == second:
            computed = node_hash(sibling, computed)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            computed = node_hash(computed, sibling)
        first, second = first >> 1, second >> 1
    return second == 0 and computed == root


def _path_ranges(index: int, size: int) -> Sequence[tuple[int, int]]:
    """Give the ranges of leaves whose roots are the proof, nearest first."""
    if not 0 <= index < size:
        raise IndexError(index)
    ranges, start, end = [], 0, size
    while end - start > 1:
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def _perfect_parts(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a subtree's range into perfect subtrees (start, width), largest first."""
    while start < end:
        width = 1 << (end - start).bit_length() - 1
        yield start, width
        start += width


def _tile_of(start: int, width: int) -> tuple[int, int, int, int]:
    """Say where the hashes of a perfect subtree lie: level, number, first hash in the tile, how many."""
    level = (width.bit_length() - 1) // TILE_HEIGHT
    first = start >> level * TILE_HEIGHT
    return level, first // TILE_WIDTH, first % TILE_WIDTH, width >> level * TILE_HEIGHT


def _range_root(start: int, end: int, tiles: Tiles) -> bytes:
    roots = []
    for part, width in _perfect_parts(start, end):
        level, number, first, count = _tile_of(part, width)
        roots.append(_perfect_root(tiles(level, number)[first * HASH_BYTES : (first + count) * HASH_BYTES]))
    return _fold(roots)


def _perfect_root(hashes: bytes) -> bytes:
    """Give the root over a power of two of concatenated hashes."""
    while len(hashes) > HASH_BYTES:
        hashes = b"".join(
            sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest()
            for at in range(0, len(hashes), 2 * HASH_BYTES)
        )
    return hashes


def _fold(roots: Sequence[bytes]) -> bytes:
    """Join perfect subtrees, largest first, to the root of the whole."""
    if not roots:
        return EMPTY_ROOT
    joined = roots[-1]
    for root in roots[-2::-1]:
        joined = node_hash(root, joined)
    return joined
