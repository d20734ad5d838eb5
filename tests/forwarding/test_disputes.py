"""What is disputed: recounted lines against the statement, receipts against lines. Pure."""

from collections import Counter
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.forwarding.disputes import (
    Dispute,
    DisputesDigest,
    Recount,
    disputed,
    received_at,
)
from app.ingest.receipts import ReceiptKind, answer
from app.keys import open_key_ring
from app.merkle import RootBuilder, leaf_hash
from app.records.status import RecordStatus
from app.snapshots.manifest import Line, SchoolCount, counts_digest

NOW = datetime(2026, 6, 9, tzinfo=UTC)


def line(number: int = 1, **given: object) -> Line:
    stated = {
        "record_id": UUID(int=number), "school_code": f"s{number % 3}", "content_sha256": bytes(32),
        "xml_sha256": sha256(b"xml").digest(), "status": list(RecordStatus)[number % 4],
        "is_late": number % 5 == 0,
    }  # fmt: skip
    return Line(**{**stated, **given})  # type: ignore[arg-type]


def stated(lines: list[Line]) -> dict[str, object]:
    """Size, root and counts as the sealer states them."""
    tree, schools = RootBuilder(), dict[str, SchoolCount]()
    for one in lines:
        tree.append(leaf_hash(one.octets()))
        count = schools.setdefault(one.school_code, SchoolCount(school_code=one.school_code))
        count.add(one.status, is_late=one.is_late)
    return {"size": len(lines), "root": tree.root, "counts_sha256": counts_digest(schools.values())}


@given(st.lists(st.integers(1, 500), max_size=40, unique=True), st.integers(1, 10))
def test_a_recount_in_any_parts_agrees_with_the_seal(numbers: list[int], size: int) -> None:
    lines = [line(number) for number in sorted(numbers)]
    recount = Recount()
    for first in range(0, len(lines), size):
        recount.add(lines[first : first + size])
    assert recount.disputes(**stated(lines)) == []  # type: ignore[arg-type]
    counted = Counter(str(one.status) for one in lines)
    assert recount.counts == {
        **{str(status): counted[status] for status in RecordStatus},
        "late": sum(one.is_late for one in lines),
    }


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40, unique=True), st.data())
def test_one_line_that_is_missing_or_differs_is_told(numbers: list[int], data: st.DataObject) -> None:
    lines = [line(number) for number in sorted(numbers)]
    at = data.draw(st.integers(0, len(lines) - 1))
    changed = line(lines[at].record_id.int, is_late=not lines[at].is_late)
    for arrived in ([*lines[:at], *lines[at + 1 :]], [*lines[:at], changed, *lines[at + 1 :]]):
        recount = Recount()
        recount.add(arrived)
        (found,) = recount.disputes(**stated(lines))  # type: ignore[arg-type]
        assert (found.subject, found.code) == ("", "NV-125")


def test_disputes_have_one_digest_however_they_are_paged() -> None:
    disputes = [Dispute(f"{number:032x}", "NV-121", "s") for number in range(7)]
    whole, paged = DisputesDigest(), DisputesDigest()
    whole.add(disputes)
    for one in disputes:
        paged.add([one])
    assert (whole.count, whole.value) == (7, paged.value)
    assert whole.value == sha256(b"".join(one.octets() + b"\n" for one in disputes)).hexdigest()


def test_of_one_transcript_no_more_causes_are_told_than_somebody_reads() -> None:
    codes = [f"KS-{number:03}" for number in (*range(20), *range(20))]
    assert [found.code for found in disputed(line(), codes)] == codes[:10]
    assert [found.code for found in disputed(line(), ["NV-122", "NV-122"])] == ["NV-122"]


def test_a_receipt_proves_its_own_transcript_by_a_known_key_alone(tmp_path: Path) -> None:
    keys, stranger = open_key_ring(tmp_path / "a", NOW), open_key_ring(tmp_path / "b", NOW)
    own = line()

    def receipt(**given: object) -> str:
        said = {
            "kind": ReceiptKind.ACCEPTANCE, "record_id": own.record_id, "content_sha256": own.content_sha256,
            "xml_sha256": own.xml_sha256, "is_late": own.is_late, "package_id": UUID(int=9), "position": 1,
            "school_code": own.school_code, "received_at": NOW, "judged_at": NOW, "codes": [],
        }  # fmt: skip
        return answer(keys, **{**said, **given})  # type: ignore[arg-type]

    assert received_at(receipt(), keys.public(), own) == NOW
    assert received_at(receipt(), stranger.public(), own) is None
    assert received_at("", keys.public(), own) is None
    for change in (
        {"kind": ReceiptKind.REFUSAL},
        {"record_id": UUID(int=2)},
        {"content_sha256": b"\x01" * 32},
        {"xml_sha256": b"\x01" * 32},
        {"is_late": True},
        {"received_at": NOW.replace(tzinfo=None)},
    ):
        assert received_at(receipt(**change), keys.public(), own) is None, change


@pytest.mark.parametrize("text", ["x", "a.b.c", "é", "[" * 100])
def test_a_text_that_is_no_receipt_proves_nothing(text: str, tmp_path: Path) -> None:
    assert received_at(text, open_key_ring(tmp_path, NOW).public(), line()) is None
