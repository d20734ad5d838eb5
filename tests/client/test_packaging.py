"""Packages come out the same every time, and open in every form they travel in."""

import base64
import gzip
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.client.errors import PackagingError
from app.client.packaging import (
    NAMESPACE,
    Header,
    build_package,
    compress,
    open_package,
    pack,
    parse,
    standing_alone,
    transcripts_of,
    unpack,
)

PACKAGE_ID = UUID("11111111-2222-4333-8444-555555555555")
HEADER = Header(
    package_id=PACKAGE_ID,
    school_code="6624305501",
    school_year="2025-2026",
    created_at=datetime(2026, 5, 28, 2, 0, tzinfo=UTC),
    software_name='Phần mềm "A&B"',
    software_version="1.0",
)


def hocba(name: str = "Trần Thị Hồng Thắm") -> bytes:
    return f'<HocBa xmlns="{NAMESPACE}"><NoiDung Id="hb-1"><HoTen>{name}</HoTen></NoiDung></HocBa>'.encode()


def package_xml() -> bytes:
    return build_package([parse(hocba()), parse(hocba("Y Bhiăo Niê"))], HEADER)


def test_the_same_transcripts_give_the_same_bytes() -> None:
    first, second = pack(package_xml()), pack(package_xml())
    assert first == second
    assert first.as_json() == second.as_json()
    assert len(first.digest) == 64


def test_the_header_says_what_is_inside() -> None:
    root = parse(package_xml())
    header = root[0]
    assert [child.text for child in list(header)[:3]] == [PACKAGE_ID.hex, "6624305501", "2025-2026"]
    assert header[4].get("ten") == 'Phần mềm "A&B"'
    assert header[5].text == "2"
    assert pack(package_xml()).outer_fields == {
        "package_id": PACKAGE_ID.hex,
        "school_code": "6624305501",
        "school_year": "2025-2026",
        "schema_version": "1.0",
    }


def test_gzip_is_one_plain_member_that_others_open() -> None:
    xml = package_xml()
    assert gzip.decompress(compress(xml)) == xml
    assert compress(xml)[4:8] == b"\0\0\0\0"


def test_every_form_opens_to_the_same_xml_and_digest() -> None:
    xml, package = package_xml(), pack(package_xml())
    forms = [xml, package.gzipped, package.as_json(), base64.b64encode(package.gzipped) + b"\n"]
    assert [unpack(form) for form in forms] == [xml] * 4
    assert [open_package(form) for form in forms[:3]] == [package] * 3


def test_a_package_packed_elsewhere_keeps_its_own_digest() -> None:
    foreign = gzip.compress(package_xml(), compresslevel=1, mtime=12345)
    assert open_package(foreign).gzipped == foreign


def test_a_transcript_leaves_its_package_with_the_namespaces_in_scope() -> None:
    inside = parse(f'<GoiHocBa xmlns="{NAMESPACE}" xmlns:a="urn:a">{hocba().decode()}</GoiHocBa>'.encode())
    alone = parse(standing_alone(transcripts_of(inside)[0]))
    assert alone.nsmap == {None: NAMESPACE, "a": "urn:a"}
    repacked = parse(build_package([alone], HEADER))
    assert transcripts_of(repacked)[0].nsmap == alone.nsmap


@pytest.mark.parametrize(
    ("material", "reason"),
    [
        (compress(b"<a/>")[:-3], "one whole member"),
        (compress(b"<a/>") + b"x", "nothing after it"),
        (b"\x1f\x8b" + b"junk" * 9, "damaged"),
        (b'{"package_id": "1"}', "no payload member"),
        (b'{"payload": "a b"}', "base64"),
        (b"???", "base64"),
    ],
)
def test_damaged_packages_are_refused(material: bytes, reason: str) -> None:
    with pytest.raises(PackagingError) as caught:
        unpack(material)
    assert reason in caught.value.en


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (b"<a", "not well-formed"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DOCTYPE"),
        (hocba(), "no GoiHocBa"),
        (f'<GoiHocBa xmlns="{NAMESPACE}"/>'.encode(), "lacks MaGoi, MaTruong, NamHoc"),
    ],
)
def test_what_is_no_package_is_refused(xml: bytes, reason: str) -> None:
    with pytest.raises(PackagingError) as caught:
        pack(xml)
    assert reason in caught.value.en


def test_outer_fields_that_differ_from_the_header_are_refused() -> None:
    body = {**json.loads(pack(package_xml()).as_json()), "school_code": "6624305999"}
    with pytest.raises(PackagingError) as caught:
        open_package(json.dumps(body).encode())
    assert "school_code" in caught.value.en


def test_a_prefix_instead_of_the_default_namespace_is_refused() -> None:
    prefixed = parse(f'<h:HocBa xmlns:h="{NAMESPACE}"/>'.encode())
    with pytest.raises(PackagingError) as caught:
        build_package([prefixed], HEADER)
    assert "default namespace" in caught.value.en


def test_an_empty_package_is_refused() -> None:
    with pytest.raises(PackagingError) as caught:
        build_package([], HEADER)
    assert "1 to 1000" in caught.value.en


def test_foreign_roots_hold_no_transcripts() -> None:
    with pytest.raises(PackagingError) as caught:
        transcripts_of(parse(b"<a/>"))
    assert "GoiHocBa or HocBa" in caught.value.en
