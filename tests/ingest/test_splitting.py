from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from app.formats.hocba_1_0 import HocBaProfile
from app.formats.parser import parse_secure
from app.formats.place import Place
from app.ingest.limits import Limits
from app.ingest.splitting import OpenedPackage, split
from tests.builders import transcripts

PROFILE = HocBaProfile()
LIMITS = Limits()
ITEMS = [transcripts.transcript(level, number=number) for number, level in enumerate(("02", "03", "04"), 1)]
XML = transcripts.package(ITEMS)
TEXT = XML.decode()


def opened(xml: bytes | str) -> OpenedPackage:
    result = split(xml.encode() if isinstance(xml, str) else xml, PROFILE, LIMITS)
    assert isinstance(result, OpenedPackage), result
    return result


def refusals(xml: bytes | str, limits: Limits = LIMITS) -> list[str]:
    result = split(xml.encode() if isinstance(xml, str) else xml, PROFILE, limits)
    assert isinstance(result, tuple), result
    assert all(finding.message_vi and finding.message_en for finding in result)
    return [finding.code for finding in result]


def canonical(element: etree._Element) -> bytes:
    alone = parse_secure(etree.tostring(element, encoding="utf-8", with_tail=False))
    return etree.tostring(alone, method="c14n", with_comments=False)


def check_against_whole(xml: bytes) -> None:
    """Every piece alone canonicalises as it does in the package, parsed as a whole."""
    whole = parse_secure(xml)
    items = [child for child in whole if etree.QName(child).localname == "HocBa"]
    pieces = opened(xml).pieces
    assert len(pieces) == len(items)
    for piece, item in zip(pieces, items, strict=True):
        alone = parse_secure(piece.standing_alone())
        assert canonical(alone) == canonical(item)
        in_package = Place()
        assert [piece.place.line_of(child) for child in alone] == [
            in_package.line_of(child) for child in item
        ]
        assert xml[piece.byte_offset : piece.byte_offset + 1] == b"<"


def test_pieces_are_the_very_bytes_with_the_inherited_namespace() -> None:
    pieces = opened(XML).pieces
    assert [piece.standing_alone() for piece in pieces] == [
        transcripts.standing_alone(item) for item in ITEMS
    ]
    assert [piece.position for piece in pieces] == [1, 2, 3]
    check_against_whole(XML)


def test_namespaces_of_the_root_are_inherited_unless_redeclared() -> None:
    root = "<GoiHocBa\n  xmlns:a='urn:a?b=1&amp;c=2'  xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\" xmlns="
    xml = TEXT.replace("<GoiHocBa xmlns=", root)
    check_against_whole(xml.encode())
    item = "<HocBa xmlns:a='urn:other' xmlns=\"urn:hocba:1.0\">"
    xml = xml.replace("<HocBa>", item, 1)
    check_against_whole(xml.encode())
    assert opened(xml).pieces[0].standing_alone().count(b"xmlns:a") == 1


def test_a_prefix_may_be_used_throughout() -> None:
    body = TEXT.replace('xmlns="urn:hocba:1.0"', 'xmlns:hb="urn:hocba:1.0"')
    prefixed = ""
    for part in body.split("<"):
        plain = part.startswith(("?", "ds:", "/ds:", "/")) or not part
        name = "/hb:" + part[1:] if part.startswith("/") and not part.startswith("/ds:") else part
        prefixed += "<" + (name if plain else "hb:" + part)
    check_against_whole(prefixed[1:].encode())


@pytest.mark.parametrize(
    "change",
    [
        ("<HocBa>", "<!-- </GoiHocBa><HocBa> --><HocBa>"),
        ("<HocSinh>", "<!-- </HocBa> --><HocSinh>"),
        ("Em chăm học, hòa đồng với bạn.", "<![CDATA[</HocBa><HocBa>]]>"),
        ("Em chăm học", "<!--a-->Em<!--b--> chăm <![CDATA[học]]>"),
        ("<HocBa>", "<HocBa\n>"),
        ("</HocBa>", "</HocBa \n>"),
        ("<GoiHocBa", "<!-- before --><GoiHocBa"),
        ("</GoiHocBa>", "</GoiHocBa><!-- after -->"),
        ("<HocBa>", "\n\n<HocBa>"),
        ('<?xml version="1.0" encoding="UTF-8"?>', ""),
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            "<?xml version='1.0' encoding='utf-8' standalone='yes' ?>",
        ),
        ('<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0"?>'),
        ("\n", ""),
        ("\n", "\r\n"),
        (
            '<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">',
            '<!--<HocBa>--><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">',
        ),
    ],
)
def test_odd_but_valid_forms_are_split_as_a_parser_would(change: tuple[str, str]) -> None:
    assert change[0] in TEXT
    check_against_whole(TEXT.replace(*change).encode())


def test_a_byte_order_mark_is_tolerated() -> None:
    pieces = opened(b"\xef\xbb\xbf" + XML).pieces
    assert [piece.standing_alone() for piece in pieces] == [
        transcripts.standing_alone(item) for item in ITEMS
    ]


def test_an_empty_namesake_in_a_transcript_stays_in_its_piece() -> None:
    check_against_whole(
        TEXT.replace("</ds:Signature>", "<ds:Object><HocBa a='>'/></ds:Object></ds:Signature>").encode()
    )


@pytest.mark.parametrize("added", ["<HocBa></HocBa>", "<HocBa>\n<HocBa></HocBa></HocBa>"])
def test_transcripts_do_not_nest(added: str) -> None:
    nested = TEXT.replace("</ds:Signature>", f"<ds:Object>{added}</ds:Object></ds:Signature>", 1)
    result = split(nested.encode(), PROFILE, LIMITS)
    assert isinstance(result, tuple)
    assert [finding.code for finding in result] == ["DD-038"]
    assert result[0].line == nested[: nested.index("</ds:Object>")].count("\n") + 1


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_noise_between_markup_does_not_change_what_is_split(data: st.DataObject) -> None:
    noise = st.sampled_from(
        [
            "<!---->",
            "<!-- <HocBa> -->",
            "<!--</HocBa>-->",
            "\n",
            " ",
            "<!--<![CDATA[-->",
            "<!-- ]]> -->",
            "<!--'-->",
        ]
    )
    parts = TEXT.split("<")
    places = data.draw(st.lists(st.integers(3, len(parts) - 1), max_size=12, unique=True))
    for place in places:
        added = data.draw(noise)
        if added.startswith("<!") or parts[place].rstrip().endswith(">"):
            parts[place] += added
    check_against_whole("<".join(parts).encode())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_damage_is_never_split_otherwise_than_a_parser_would(data: st.DataObject) -> None:
    """Cut, copied or replaced bytes: what is still one well-formed package is split as a parser reads it."""
    xml = bytearray(XML)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(xml) - 1))
        length = data.draw(st.integers(0, 40))
        patch = data.draw(
            st.sampled_from([b"", b"<", b">", b"<!--", b"-->", b"]]>", b"<![CDATA[", b"</HocBa>", b"'"])
        )
        xml[start : start + length] = patch
    result = split(bytes(xml), PROFILE, LIMITS)
    if isinstance(result, OpenedPackage):
        try:
            whole = parse_secure(bytes(xml))
        except etree.XMLSyntaxError:
            whole = None
        for index, piece in enumerate(result.pieces):
            try:
                alone = parse_secure(piece.standing_alone())
            except etree.XMLSyntaxError:
                continue
            if whole is not None:
                assert canonical(alone) == canonical(whole[index + 1])


@pytest.mark.parametrize(
    ("xml", "codes"),
    [
        ("", ["DD-031"]),
        ("no markup", ["DD-031"]),
        ("<GoiHocBa/>", ["DD-031"]),
        (TEXT.encode("utf-16"), ["DD-030"]),
        (TEXT.encode("utf-16-le"), ["DD-030"]),
        (TEXT.encode("utf-32-be"), ["DD-030"]),
        (TEXT.replace('encoding="UTF-8"', 'encoding="windows-1258"'), ["DD-030"]),
        (
            TEXT.replace("Phần mềm thử", "X").encode("latin-1", "ignore").replace(b'ten="X', b'ten="\xe9'),
            ["DD-030"],
        ),
        (TEXT.replace('version="1.0"', 'version="1.1"'), ["DD-031"]),
        (" " + TEXT, ["DD-033"]),
        (TEXT.replace("<GoiHocBa", "<!DOCTYPE GoiHocBa><GoiHocBa", 1), ["DD-032"]),
        (TEXT.replace("<GoiHocBa", "<!DOCTYPE a [<!ENTITY b 'c'>]><GoiHocBa", 1), ["DD-032"]),
        (TEXT.replace("<HocSinh>", "<?a b?><HocSinh>", 1), ["DD-033"]),
        (TEXT.replace("<HocSinh>", "<!-- never closed <HocSinh>", 1), ["DD-031"]),
        (TEXT.replace("</GoiHocBa>", ""), ["DD-031"]),
        (TEXT.replace("</GoiHocBa>", "</GoiHocBa><more/>"), ["DD-031"]),
        (TEXT.replace("</HocBa>\n</GoiHocBa>", "</GoiHocBa>"), ["DD-031"]),
        (TEXT.replace("</GoiHocBa>", "</HocBa></GoiHocBa>"), ["DD-038"]),
        (TEXT.replace("</GoiHocBa>", "</Goi>"), ["DD-038"]),
        (TEXT.replace("<HocBa>", "<HocBa a=1>", 1), ["DD-031"]),
        (TEXT.replace("<!", "").replace("GoiHocBa", "Goi"), ["DD-034"]),
        (TEXT.replace("urn:hocba:1.0", "urn:hocba:9"), ["DD-034"]),
        (TEXT.replace('phienBan="1.0"', 'phienBan="9"'), ["DD-043"]),
        (TEXT.replace(' phienBan="1.0"', ""), ["DD-043"]),
        (TEXT.replace(' phienBan="1.0"', ' phienBan="1.0" la="1"'), ["DD-063"]),
        (TEXT.replace("</HocBa>", "</HocBa>x", 1), ["DD-035"]),
        (TEXT.replace("</HocBa>", "</HocBa><![CDATA[x]]>", 1), ["DD-035"]),
        (TEXT.replace("</HocBa>", "</HocBa><Khac/>", 1), ["DD-035"]),
        (TEXT.replace("ThongTinChung", "ThongTin"), ["DD-060"]),
        (TEXT.replace("<SoLuong>3</SoLuong>", ""), ["DD-060"]),
        (TEXT.replace("<SoLuong>3", "<SoLuong>2"), ["DD-037"]),
        (transcripts.package([], count=1), ["DD-036"]),
        (transcripts.package(ITEMS, school_year="2025-2027"), ["MA-003"]),
        (transcripts.package(ITEMS, school_code="66"), ["DD-067"]),
    ],
)
def test_a_package_that_cannot_be_opened_is_refused_as_a_whole(xml: bytes | str, codes: list[str]) -> None:
    assert refusals(xml) == codes


def test_a_comment_with_two_hyphens_is_not_well_formed() -> None:
    assert refusals(TEXT.replace("<HocBa>", "<!-- a -- b --><HocBa>", 1)) == ["DD-031"]


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (replace(LIMITS, transcripts=2), "DD-005"),
        (replace(LIMITS, header_bytes=300), "DD-004"),
        (replace(LIMITS, comments=2), "DD-012"),
    ],
)
def test_limits_on_the_package_are_held(limits: Limits, code: str) -> None:
    xml = TEXT.replace("<Khoi>", "<!-- a --><Khoi>")
    assert refusals(xml, limits) == [code]


def test_the_number_of_transcripts_may_reach_its_limit() -> None:
    assert isinstance(split(XML, PROFILE, replace(LIMITS, transcripts=3)), OpenedPackage)


def test_lines_in_the_header_are_the_package_s_own() -> None:
    xml = TEXT.replace("<MaGoi>", "\n\n<MaGoi>x")
    (finding,) = split(xml.encode(), PROFILE, LIMITS)  # type: ignore[misc]
    assert finding.code == "DD-067"
    assert finding.xpath == "/GoiHocBa/ThongTinChung/MaGoi"
    assert finding.line == 6


def test_a_syntax_error_behind_transcripts_has_its_line() -> None:
    (finding,) = split(TEXT.replace("</GoiHocBa>", "<a></GoiHocBa>").encode(), PROFILE, LIMITS)  # type: ignore[misc]
    assert finding.code == "DD-031"
    assert finding.line == TEXT.count("\n")


def test_many_exclamations_do_not_hide_a_comment() -> None:
    shouted = TEXT.replace("Em chăm học", "!" * 20_000 + "<!-- </HocBa> -->")
    check_against_whole(shouted.encode())
    check_against_whole(TEXT.replace("Em chăm học", "!" * 20_000).encode())
