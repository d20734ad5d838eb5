from datetime import date
from uuid import UUID

import pytest
from lxml import etree

from app.formats.hocba_1_0 import HocBaProfile
from app.formats.parser import parse_secure
from app.formats.place import Place
from app.formats.profile import SignerRole, TranscriptFacts
from app.formats.schema import compile_schema
from tests.builders import transcripts

PROFILE = HocBaProfile()
SCHEMA = compile_schema(PROFILE.schema_path)


@pytest.mark.parametrize("level", ["02", "03", "04", "05"])
def test_a_transcript_of_each_level_is_valid_alone(level: str) -> None:
    SCHEMA.assertValid(parse_secure(transcripts.standing_alone(transcripts.transcript(level))).getroottree())


def test_a_package_is_valid_as_a_whole() -> None:
    items = [transcripts.transcript(level, number=n) for n, level in enumerate(("02", "03", "04", "05"), 1)]
    SCHEMA.assertValid(parse_secure(transcripts.package(items)).getroottree())


def test_the_envelope_is_read_from_the_header() -> None:
    root = parse_secure(transcripts.package([transcripts.transcript()]))
    envelope = PROFILE.envelope(root[0])
    assert envelope.package_id == UUID(int=1)
    assert envelope.school_code == transcripts.SCHOOL_CODE
    assert envelope.school_year == "2025-2026"
    assert envelope.schema_version == "1.0"
    assert envelope.created_at.isoformat() == "2026-05-30T08:30:00+07:00"
    assert (envelope.software_name, envelope.software_version) == ("Phần mềm thử", "2.1")
    assert envelope.declared_count == 1


def test_the_layout_names_content_parts_and_signatures() -> None:
    item = transcripts.transcript("03", number=5)
    root = parse_secure(transcripts.standing_alone(item))
    layout = PROFILE.layout(root, Place(prefix="/GoiHocBa", position=3, line=100))
    assert layout.root is root
    assert layout.content_id == "hb-" + transcripts.record_id(5)
    assert layout.content is root[0]
    assert layout.parts["mon-15"].findtext("{*}Ten") == "Toán"
    assert len(layout.parts) == 12
    (slot,) = layout.slots
    assert slot.role is SignerRole.SCHOOL
    assert slot.xpath == "/GoiHocBa/HocBa[3]/DanhSachChuKy/ChuKy/Signature"
    assert slot.line == 100 + item[: item.index("<ds:Signature")].count("\n")


def facts_of(root: etree._Element) -> TranscriptFacts:
    facts = PROFILE.read(root, None).facts
    assert facts is not None
    return facts


def test_the_facts_are_read_from_the_content() -> None:
    root = parse_secure(transcripts.standing_alone(transcripts.transcript("03", number=5)))
    facts = facts_of(root)
    assert facts.record_id == UUID(transcripts.record_id(5))
    assert facts.replaces is None
    assert not facts.is_digitised
    assert (facts.circular, facts.level, facts.grade, facts.class_name) == ("22/2021", "03", 7, "7A1")
    assert facts.identity_number == "066313000005"
    assert facts.passport_number is None
    assert facts.full_name == "Nguyễn Thị Ánh"
    assert facts.born_on == date(2013, 9, 5)
    assert facts.is_completed
    assert facts.is_promoted
    assert facts.issued_on == date(2026, 5, 30)
    assert [person.role for person in facts.people] == [
        SignerRole.HEAD,
        SignerRole.CLASS_TEACHER,
        SignerRole.SUBJECT_TEACHER,
    ]
    assert facts.people[2].parts == frozenset(PROFILE.layout(root).parts)


def test_a_day_that_is_none_leaves_no_facts_and_says_why() -> None:
    item = transcripts.transcript().replace(">05/09/2013<", ">31/02/2013<")
    read = PROFILE.read(parse_secure(transcripts.standing_alone(item)), None)
    assert read.facts is None
    assert "DD-080" in [finding.code for finding in read.findings]


def test_optional_facts_are_read_where_they_stand() -> None:
    item = transcripts.transcript().replace(
        "<ThongTu>",
        f"<ThayThe>{transcripts.record_id(9).upper()}</ThayThe><TrichLuc>true</TrichLuc><ThongTu>",
    )
    item = item.replace("<SoDinhDanh>066313000001</SoDinhDanh>", "<HoChieu>P1234567</HoChieu>")
    facts = facts_of(parse_secure(transcripts.standing_alone(item)))
    assert facts.replaces == UUID(transcripts.record_id(9))
    assert facts.is_digitised
    assert facts.identity_number is None
    assert facts.passport_number == "P1234567"


def test_a_comment_does_not_split_what_is_read() -> None:
    item = transcripts.transcript().replace("Nguyễn Thị Ánh", "Nguyễn <!-- x -->Thị <![CDATA[Ánh]]>")
    assert facts_of(parse_secure(transcripts.standing_alone(item))).full_name == "Nguyễn Thị Ánh"
