"""What travels is read back as it was written, or refused; nothing hostile raises anything else."""

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.forwarding.wire import (
    LINES_A_PART,
    OPENING_TYPE,
    TRANSCRIPTS_A_PART,
    Opening,
    SentTranscript,
    WireError,
    digest,
    opening_claims,
    read_lines,
    read_opening,
    read_signed,
    read_transcripts,
    sign_opening,
    write_lines,
    write_transcripts,
)
from app.keys import KeyRing, open_key_ring
from app.records.status import RecordStatus
from app.snapshots.manifest import Line

NOW = datetime(2026, 7, 11, tzinfo=UTC)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
sent = st.builds(
    SentTranscript,
    record_id=st.uuids(),
    format_version=texts,
    receipt=texts,
    xml=st.binary(max_size=200),
)
lines = st.builds(
    Line,
    record_id=st.uuids(),
    school_code=texts,
    content_sha256=st.binary(min_size=32, max_size=32),
    xml_sha256=st.binary(min_size=32, max_size=32),
    status=st.sampled_from(RecordStatus),
    is_late=st.booleans(),
)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return open_key_ring(tmp_path_factory.mktemp("keys"), NOW)


def opening(**given: object) -> Opening:
    stated = {
        "snapshot_id": UUID(int=1), "round": 1, "statement": digest(b"s"), "registrations": (digest(b"r"),),
        "manifest": (digest(b"m"), digest(b"n")),
    }  # fmt: skip
    return Opening(**{**stated, **given})  # type: ignore[arg-type]


@given(st.lists(sent, min_size=1, max_size=5, unique_by=lambda one: one.record_id))
def test_transcripts_are_read_back_octet_for_octet(transcripts: list[SentTranscript]) -> None:
    assert list(read_transcripts(write_transcripts(transcripts))) == transcripts


@given(st.lists(lines, min_size=1, max_size=20, unique_by=lambda line: line.record_id))
def test_lines_are_read_back_in_order(some: list[Line]) -> None:
    ordered = sorted(some, key=lambda line: line.record_id)
    assert list(read_lines(write_lines(ordered))) == ordered


@given(st.lists(lines, min_size=2, max_size=5, unique_by=lambda line: line.record_id))
def test_lines_out_of_order_are_refused(some: list[Line]) -> None:
    backwards = sorted(some, key=lambda line: line.record_id, reverse=True)
    with pytest.raises(WireError):
        read_lines(write_lines(backwards))


@settings(max_examples=300)
@given(st.binary(max_size=300) | texts.map(lambda text: b'{"bytes":3,' + text.encode()))
def test_whatever_comes_is_read_or_refused(octets: bytes) -> None:
    for read in (read_transcripts, read_lines):
        try:
            read(octets)
        except WireError:
            continue


@given(sent, st.data())
def test_a_part_that_was_cut_is_refused(one: SentTranscript, data: st.DataObject) -> None:
    whole = write_transcripts([one])
    cut = data.draw(st.integers(min_value=0, max_value=len(whole) - 1))
    with pytest.raises(WireError):
        read_transcripts(whole[:cut])


def test_deep_nesting_is_refused() -> None:
    for read in (read_transcripts, read_lines):
        with pytest.raises(WireError):
            read(b"[" * 8000 + b"\n")


@pytest.mark.parametrize(
    "octets",
    [
        b'{"bytes":-1,"format_version":"1.0","receipt":"","record_id":"' + b"0" * 32 + b'"}\n\n',
        b'{"bytes":true,"format_version":"1.0","receipt":"","record_id":"' + b"0" * 32 + b'"}\n0\n',
        b'{"bytes":0,"record_id":"' + b"0" * 32 + b'"}\n\n',
        b"",
    ],
)
def test_a_head_that_says_something_else_is_refused(octets: bytes) -> None:
    with pytest.raises(WireError):
        read_transcripts(octets)


def test_a_part_holds_no_more_than_it_may_and_nothing_twice() -> None:
    def numbered(count: int) -> list[SentTranscript]:
        return [
            SentTranscript(record_id=UUID(int=number), format_version="1.0", receipt="", xml=b"x")
            for number in range(count)
        ]

    assert len(read_transcripts(write_transcripts(numbered(TRANSCRIPTS_A_PART)))) == TRANSCRIPTS_A_PART
    for wrong in (numbered(TRANSCRIPTS_A_PART + 1), [*numbered(1), *numbered(1)]):
        with pytest.raises(WireError):
            read_transcripts(write_transcripts(wrong))


def test_a_part_of_the_manifest_holds_no_more_than_it_may() -> None:
    def numbered(count: int) -> bytes:
        return write_lines(
            Line(
                record_id=UUID(int=number), school_code="s", content_sha256=bytes(32), xml_sha256=bytes(32),
                status=RecordStatus.ISSUED, is_late=False,
            )
            for number in range(count)
        )  # fmt: skip

    assert len(read_lines(numbered(LINES_A_PART))) == LINES_A_PART
    with pytest.raises(WireError):
        read_lines(numbered(LINES_A_PART + 1))
    with pytest.raises(WireError):
        read_lines(numbered(1).replace(b":", b": "))


def test_an_opening_is_believed_by_the_provinces_key_alone(keys: KeyRing, tmp_path: Path) -> None:
    token = sign_opening(keys, opening())
    assert read_opening(token, keys.public()) == opening() == opening_claims(token)
    stranger = open_key_ring(tmp_path, NOW)
    for others in ([], stranger.public()):
        with pytest.raises(WireError):
            read_opening(token, others)
    with pytest.raises(WireError):
        read_signed(token, keys.public(), "hocba-receipt")
    with pytest.raises(WireError):
        read_opening(sign_opening(keys, opening(round=0)), keys.public())


def test_a_large_provinces_opening_is_read(keys: KeyRing) -> None:
    large = opening(manifest=tuple(digest(str(n).encode()) for n in range(1000)))
    assert read_opening(sign_opening(keys, large), keys.public()) == large


@pytest.mark.parametrize(
    "change",
    [
        {"round": "1"}, {"round": 40000}, {"manifest": "abc"}, {"manifest": ["ab"]}, {"manifest": [5]},
        {"snapshot_id": 5}, {"snapshot_id": "x"}, {"statement_sha256": None}, {"registrations": ["z" * 64]},
    ],
)  # fmt: skip
def test_an_opening_that_is_not_whole_is_refused(keys: KeyRing, change: dict[str, object]) -> None:
    claims = {
        "snapshot_id": uuid4().hex, "round": 1, "statement_sha256": digest(b"s"), "registrations": [],
        "manifest": [], **change,
    }  # fmt: skip
    token = keys.sign(json.dumps(claims).encode(), kind=OPENING_TYPE)
    with pytest.raises(WireError):
        read_opening(token, keys.public())
