"""Merkle trees: the vectors of Certificate Transparency, the definition itself, and every proof."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.merkle import (
    EMPTY_ROOT,
    RootBuilder,
    TileBuilder,
    inclusion_path,
    inclusion_tiles,
    is_included,
    leaf_hash,
    node_hash,
)

# The leaves of Certificate Transparency's reference tests, and the roots over the first n of them.
CT_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", bytes(range(96, 112)).hex())
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
RAGGED = [*range(1, 20), 255, 256, 257, 300, 511, 512, 513, 1000]


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


def root_of(hashes: Sequence[bytes]) -> bytes:
    builder = RootBuilder()
    for leaf in hashes:
        builder.append(leaf)
    return builder.root


def by_definition(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 9162, section 2.1.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return node_hash(by_definition(hashes[:split]), by_definition(hashes[split:]))


def path_by_definition(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 9162, section 2.1.3.1, word for word."""
    if len(hashes) == 1:
        return []
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if index < split:
        return [*path_by_definition(index, hashes[:split]), by_definition(hashes[split:])]
    return [*path_by_definition(index - split, hashes[split:]), by_definition(hashes[:split])]


def tiles_of(hashes: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    builder = TileBuilder()
    cut = [tile for leaf in hashes for tile in builder.append(leaf)] + list(builder.finish())
    tiles = {(tile.level, tile.number): tile.hashes for tile in cut}
    assert len(tiles) == len(cut)
    return tiles


def proof(index: int, hashes: Sequence[bytes]) -> Sequence[bytes]:
    """The proof from no other tiles than those it asks for."""
    tiles = tiles_of(hashes)
    needed = {key: tiles[key] for key in inclusion_tiles(index, len(hashes))}
    return inclusion_path(index, len(hashes), lambda level, number: needed[level, number])


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root_of([leaf_hash(leaf) for leaf in CT_LEAVES[:size]]).hex() == CT_ROOTS[size]


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert RootBuilder().root == EMPTY_ROOT


@pytest.mark.parametrize("size", RAGGED)
def test_the_streamed_root_is_the_defined_one(size: int) -> None:
    assert root_of(leaves(size)) == by_definition(leaves(size))


@pytest.mark.parametrize("size", RAGGED)
def test_every_leaf_has_the_defined_proof_and_it_verifies(size: int) -> None:
    hashes = leaves(size)
    root = root_of(hashes)
    for index in {0, 1, size // 3, size // 2, max(size - 2, 0), size - 1} & set(range(size)):
        path = proof(index, hashes)
        assert path == path_by_definition(index, hashes)
        assert is_included(hashes[index], index=index, size=size, path=path, root=root)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 700), data=st.data())
def test_nothing_else_verifies(size: int, data: st.DataObject) -> None:
    hashes = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    root, path = root_of(hashes), proof(index, hashes)
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index) if size > 1 else st.just(-1))
    assert not is_included(hashes[index], index=other, size=size, path=path, root=root)
    assert not is_included(leaf_hash(b"other"), index=index, size=size, path=path, root=root)
    assert not is_included(hashes[index], index=index, size=size, path=[*path, root], root=root)
    assert not is_included(hashes[index], index=index, size=size, path=path, root=EMPTY_ROOT)
    if path:
        assert not is_included(hashes[index], index=index, size=size, path=path[:-1], root=root)
        assert not is_included(hashes[index], index=index, size=size, path=[*path, *path], root=root)


def test_a_node_does_not_pass_as_a_leaf() -> None:
    left, right = leaves(2)
    assert leaf_hash(left + right) != node_hash(left, right)


def test_a_large_tree_proves_with_few_tiles() -> None:
    assert len(inclusion_tiles(123_456, 740_001)) <= 8


@pytest.mark.parametrize("index", [-1, 5])
def test_there_is_no_proof_for_a_leaf_that_is_not_there(index: int) -> None:
    with pytest.raises(IndexError):
        inclusion_path(index, 5, lambda _level, _number: b"")
    assert not is_included(leaves(1)[0], index=index, size=5, path=[], root=EMPTY_ROOT)
