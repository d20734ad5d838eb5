"""The daily digest: the same records give the same root, and branches lead to the one that differs."""

import hashlib
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.merkle import EMPTY_ROOT, leaf_hash, node_hash
from app.reconciliation.daily import HeldLeaf, branches_of, counts_of, root_of
from app.reconciliation.known import Standing


def leaf(code: int, *, content: bytes = b"x", status: Standing = Standing.ACCEPTED) -> HeldLeaf:
    return HeldLeaf(record_id=UUID(int=code), content_sha256=hashlib.sha256(content).digest(), status=status)


def test_a_leaf_is_one_line_that_anybody_can_write() -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    assert leaf(255).octets == f"{'0' * 30}ff {digest} accepted".encode()


def test_the_root_is_that_of_the_rfc() -> None:
    first, second = leaf(1), leaf(2)
    assert root_of([]) == EMPTY_ROOT
    assert root_of([first]) == leaf_hash(first.octets)
    assert root_of([first, second]) == node_hash(leaf_hash(first.octets), leaf_hash(second.octets))


def test_status_and_content_both_change_the_root() -> None:
    roots = {
        root_of([leaf(1)]),
        root_of([leaf(1, status=Standing.RECALLED)]),
        root_of([leaf(1, content=b"y")]),
        root_of([leaf(2)]),
    }
    assert len(roots) == 4


def test_records_are_counted_by_status() -> None:
    held = [leaf(1), leaf(2), leaf(3, status=Standing.RECALLED)]
    assert counts_of(held) == {Standing.ACCEPTED: 2, Standing.RECALLED: 1, Standing.REPLACED: 0}


@given(st.sets(st.integers(0, 2**128 - 1), min_size=1, max_size=60), st.data())
def test_branches_lead_to_the_one_record_that_differs(codes: set[int], data: st.DataObject) -> None:
    ours = [leaf(code) for code in sorted(codes)]
    changed = data.draw(st.sampled_from(sorted(codes)))
    theirs = [leaf(code, content=b"y" if code == changed else b"x") for code in sorted(codes)]
    prefix = ""
    while len(prefix) < 32:
        here = {branch.prefix: branch.root for branch in branches_of(ours, prefix)}
        there = {branch.prefix: branch.root for branch in branches_of(theirs, prefix)}
        (prefix,) = [digits for digits in here if here[digits] != there[digits]]
    assert prefix == UUID(int=changed).hex


def test_branches_hold_every_record_once() -> None:
    held = [leaf(code << 120) for code in range(256)]
    branches = branches_of(held, "")
    assert [branch.prefix for branch in branches] == list("0123456789abcdef")
    assert {branch.size for branch in branches} == {16}
    assert [branch.prefix for branch in branches_of(held, "a")] == [f"a{digit:x}" for digit in range(16)]
