"""How transcripts are kept: the exact bytes come back, from little, whatever becomes of the one leant on."""

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
import zstandard

from app.client.packaging import standing_alone
from app.demo.province import Province, build_province
from app.demo.transcripts import compose_school, sign_composed
from app.records.entry import Entry
from app.records.packing import (
    MAX_BASE_BYTES,
    MAX_BYTES,
    Base,
    DamagedRecordError,
    PackedXml,
    pack,
    pack_alone,
    unpack,
)
from tests.builders.ledger import entry, of_class

SIGNED_AT = datetime(2026, 5, 28, 2, 0, tzinfo=UTC)


def written(number: int, *, signers: int = 1, class_name: str = "4A", length: int = 2000) -> Entry:
    return of_class(entry(1, pupil=f"0662150{number:05}"), class_name, signers=signers, length=length)


def packed_together(entries: Sequence[Entry], **bases: Base) -> list[PackedXml]:
    packed = pack(entries, bases)
    assert packed.keys() == {made.facts.record_id for made in entries}
    return [packed[made.facts.record_id] for made in entries]


def read(made: Entry, packed: PackedXml, base: PackedXml | None = None) -> bytes:
    return unpack(
        made.facts.record_id,
        packed.xml,
        xml_sha256=hashlib.sha256(made.xml).digest(),
        base=None if base is None else base.xml,
    )


def test_the_first_of_a_class_is_kept_alone_and_the_others_lean_on_it() -> None:
    entries = [written(number) for number in range(4)]
    first, *others = packed_together(entries)
    assert first.leans_on is None
    assert {packed.leans_on for packed in others} == {entries[0].facts.record_id}
    assert read(entries[0], first) == entries[0].xml
    for made, packed in zip(entries[1:], others, strict=True):
        assert read(made, packed, first) == made.xml
        assert len(packed.xml) < len(first.xml) / 5


def test_no_transcript_leans_on_another_class_s() -> None:
    entries = [written(number, class_name=f"4{'AB'[number % 2]}") for number in range(6)]
    packed = packed_together(entries)
    assert [one.leans_on for one in packed[:2]] == [None, None]
    assert [one.leans_on for one in packed[2:]] == [entries[n % 2].facts.record_id for n in range(2, 6)]


def test_a_class_goes_on_leaning_on_what_it_leant_on_before() -> None:
    before, *now = (written(number) for number in range(3))
    base = pack_alone(before.xml)
    packed = packed_together(now, **{"4A": Base(record_id=before.facts.record_id, packed=base.xml)})
    assert {one.leans_on for one in packed} == {before.facts.record_id}
    assert [read(made, one, base) for made, one in zip(now, packed, strict=True)] == [m.xml for m in now]


def test_when_the_signers_change_the_class_leans_on_the_first_they_signed() -> None:
    before = written(0)
    base = Base(record_id=before.facts.record_id, packed=pack_alone(before.xml).xml)
    now = [written(number, signers=2) for number in (1, 2)]
    assert [one.leans_on for one in packed_together(now, **{"4A": base})] == [None, now[0].facts.record_id]


def test_nothing_leans_on_a_transcript_that_is_very_long() -> None:
    entries = [written(number, length=MAX_BASE_BYTES) for number in range(2)]
    packed = packed_together(entries)
    assert [one.leans_on for one in packed] == [None, None]
    assert [read(made, one) for made, one in zip(entries, packed, strict=True)] == [m.xml for m in entries]


def test_what_is_not_what_was_verified_is_no_transcript() -> None:
    entries = [written(number) for number in range(3)]
    first, second, third = packed_together(entries)
    other_base = pack_alone(written(9, signers=9).xml)
    for packed, base in (
        (second, third),  # a base that is no base
        (second, None),
        (second, other_base),
        (third, first),  # another pupil's
        (PackedXml(xml=second.xml[:-1]), first),
        (PackedXml(xml=b""), None),
        (PackedXml(xml=first.xml[:40] + bytes([first.xml[40] ^ 1]) + first.xml[41:]), None),
    ):
        with pytest.raises(DamagedRecordError) as caught:
            read(entries[1], packed, base)
        assert str(caught.value) == (
            f"record {entries[1].facts.record_id.hex} does not give the bytes that were verified"
        )


def test_a_length_that_no_transcript_has_is_refused_before_it_is_made_room_for() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(MAX_BYTES + 1))
    whole = hashlib.sha256(bytes(MAX_BYTES + 1)).digest()
    with pytest.raises(DamagedRecordError):
        unpack(UUID(int=1), bomb, xml_sha256=whole)


@pytest.fixture(scope="module")
def big_classes() -> Province:
    return build_province(at=SIGNED_AT, pupils_per_school=70)


@pytest.mark.parametrize("level", ["02", "03", "04"])
def test_a_class_takes_at_most_a_third_of_what_gzip_makes_of_each(big_classes: Province, level: str) -> None:
    """Real documents, signed by every teacher; the usual class of 35, the one that is kept alone counted."""
    school = next(school for school in big_classes.schools if school.level == level)
    class_name = school.classes[0].name
    composed = [
        one
        for one in compose_school(big_classes, school, signed_at=SIGNED_AT)
        if one.school_class.name == class_name
    ]
    xmls = [standing_alone(sign_composed(one, signed_at=SIGNED_AT)) for one in composed]
    entries = [replace(written(number), xml=xml) for number, xml in enumerate(xmls)]
    assert len(entries) == 35
    kept = sum(len(packed.xml) for packed in packed_together(entries))
    assert kept * 3 <= sum(len(gzip.compress(xml, 6)) for xml in xmls)
