"""Wrapping, hidden nodes and costs: what is refused before any signature is looked at."""

import copy
from dataclasses import replace

import pytest
from lxml import etree

from app.verify.policy import ACCEPTANCE
from app.verify.signature import check_signatures
from app.verify.transcript import MAX_FINDINGS, check_transcript
from tests.builders.pki import infrastructure
from tests.builders.xmldsig import (
    CONTENT_ID,
    DS,
    Template,
    add_signature,
    check,
    codes,
    layout_of,
    reread,
    signed,
)

HOCBA = "{urn:hocba:1.0}"


def genuine() -> etree._Element:
    return signed(infrastructure().seal)


def forged(root: etree._Element) -> etree._Element:
    """Put a forged copy of the content in the place of the signed one, and give the signed one."""
    original = root[0]
    copied = copy.deepcopy(original)
    next(copied.iter(f"{HOCBA}CaNam")).text = "10.0"
    for subject in copied.iter(f"{HOCBA}MonHoc"):
        subject.attrib.pop("Id")
    root.replace(original, copied)
    return original


def test_signed_content_moved_into_an_object_is_refused() -> None:
    root = genuine()
    original = forged(root)
    root[0].set("Id", "hb-giả")
    holder = etree.SubElement(root[1][0][0], f"{{{DS}}}Object")
    holder.append(original)

    assert set(codes(check(root))) == {"KS-007"}


def test_signed_content_moved_into_an_object_under_its_own_id_is_refused() -> None:
    root = genuine()
    original = forged(root)
    etree.SubElement(root[1][0][0], f"{{{DS}}}Object").append(original)

    assert {"KS-006", "KS-007"} == set(codes(check(root)))


@pytest.mark.parametrize("name", ["HoTen", "MonHoc", "ChuKy", "SigningTime"])
def test_nothing_of_the_transcripts_namespace_stands_inside_a_signature(name: str) -> None:
    root = genuine()
    holder = etree.SubElement(root[1][0][0], f"{{{DS}}}Object")
    etree.SubElement(holder, f"{HOCBA}{name}").text = "10.0"

    assert codes(check(reread(root))) == ["KS-007"]


def test_signed_content_moved_beside_a_forged_one_is_refused() -> None:
    root = genuine()
    layout = layout_of(root)
    original = forged(root)
    root[0].set("Id", "hb-giả")
    root.append(original)
    forgery = replace(layout, content=root[0], content_id="hb-giả")

    (found,) = check_signatures(forgery, ACCEPTANCE)

    assert codes(found) == ["KS-007"]


def test_signed_content_wrapped_in_a_second_transcript_is_refused() -> None:
    root = genuine()
    original = forged(root)
    root[0].set("Id", "hb-giả")
    inner = etree.SubElement(root[1][0][0], f"{{{DS}}}Object")
    etree.SubElement(inner, f"{HOCBA}HocBa").append(original)

    assert set(codes(check(root))) == {"KS-007"}


def test_signed_content_wrapped_around_the_transcript_is_refused() -> None:
    root = genuine()
    layout = layout_of(root)
    original = layout.content
    inner = copy.deepcopy(original)
    inner.set("Id", "hb-giả")
    for subject in inner.iter(f"{HOCBA}MonHoc"):
        subject.attrib.pop("Id")
    original.append(inner)

    (found,) = check_signatures(replace(layout, content=inner, content_id="hb-giả"), ACCEPTANCE)

    assert codes(found) == ["KS-007", "KS-007"]


@pytest.mark.parametrize("name", ["Id", "ID", "id", "iD", "{urn:x}Id", "{urn:x}id"])
def test_an_identifier_given_twice_is_refused_by_whatever_name(name: str) -> None:
    root = genuine()
    next(root.iter(f"{HOCBA}HoTen")).set(name, CONTENT_ID)

    assert codes(check(reread(root))) == ["KS-006"]


def test_an_identifier_of_one_signature_may_not_return_in_another() -> None:
    people = infrastructure()
    root = add_signature(genuine(), people.head, Template(), "THU_TRUONG")
    root[1][1][0].set("Id", "sig-1")

    found = check_signatures(layout_of(reread(root)), ACCEPTANCE)

    assert [codes(item) for item in found] == [["KS-006"], ["KS-006"]]


@pytest.mark.parametrize("name", ["id", "lang", "space", "base"])
@pytest.mark.parametrize("place", ["HocBa", "NoiDung", "DanhSachChuKy", "CaNam"])
def test_attributes_of_the_xml_prefix_are_refused_everywhere(name: str, place: str) -> None:
    root = genuine()
    value = {"id": "mot", "lang": "vi", "space": "preserve", "base": "http://example.org/"}[name]
    next(root.iter(f"{HOCBA}{place}")).set(f"{{http://www.w3.org/XML/1998/namespace}}{name}", value)

    assert codes(check(reread(root))) == ["KS-005"]


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ("<!-- -->", "comment"),
        ("<?a b?>", "processing instruction"),
    ],
)
def test_nodes_that_split_a_text_are_refused(node: str, kind: str) -> None:
    text = etree.tostring(genuine(), encoding="unicode").replace(
        "<HoTen>Nguyễn Thị", f"<HoTen>Nguyễn{node} Thị", 1
    )
    root = etree.fromstring(text)

    (finding,) = check(root).findings

    # With the octets at hand they are looked at first, and the tree only where something may hide.
    assert check_transcript(layout_of(root), ACCEPTANCE.limits, text.encode()) == (finding,)
    assert finding.code == "KS-004"
    assert finding.facts["kind"] == kind
    assert finding.xpath is not None


def test_entities_are_refused() -> None:
    text = etree.tostring(genuine(), encoding="unicode").replace("<HoTen>Nguyễn", "<HoTen>&ho;", 1)
    document = f'<!DOCTYPE HocBa [<!ENTITY ho "Nguyễn">]>{text}'
    root = etree.fromstring(document, etree.XMLParser(resolve_entities=False))

    found = check(root).findings

    assert check_transcript(layout_of(root), ACCEPTANCE.limits, document.encode()) == found
    assert [(item.code, item.facts["kind"]) for item in found] == [
        ("KS-004", "DOCTYPE"),
        ("KS-004", "entity"),
    ]


def excess(root: etree._Element) -> tuple[str, object]:
    (finding,) = check_transcript(layout_of(root), ACCEPTANCE.limits)
    loosely = etree.tostring(root, encoding="utf-8").replace(b'="', b' =\n"')
    assert check_transcript(layout_of(root), ACCEPTANCE.limits, loosely) == (finding,)
    assert "{" not in finding.message_vi
    return finding.code, finding.facts["what"]


def test_attributes_are_counted_before_anything_is_digested() -> None:
    root = genuine()
    for number in range(ACCEPTANCE.limits.attributes):
        root[0].set(f"a{number}", "")

    assert excess(root) == ("KS-003", "attributes")


def test_namespaces_are_counted_before_anything_is_digested() -> None:
    text = etree.tostring(genuine(), encoding="unicode")
    many = " ".join(f'xmlns:n{n}="urn:{n}"' for n in range(ACCEPTANCE.limits.namespace_declarations))

    root = etree.fromstring(text.replace("<NoiDung", f"<NoiDung {many}", 1))

    assert excess(root) == ("KS-003", "namespace_declarations")


def test_namespaces_in_scope_are_bounded() -> None:
    text = etree.tostring(genuine(), encoding="unicode")
    many = " ".join(f'xmlns:n{n}="urn:{n}"' for n in range(ACCEPTANCE.limits.namespaces_in_scope))

    root = etree.fromstring(text.replace("<KetQua", f"<KetQua {many}", 1))

    assert excess(root) == ("KS-003", "namespaces_in_scope")


def test_signatures_are_bounded() -> None:
    root = genuine()
    layout = layout_of(root)
    many = replace(layout, slots=layout.slots * (ACCEPTANCE.limits.signatures + 1))

    (finding,) = check_transcript(many, ACCEPTANCE.limits)

    assert (finding.code, finding.facts["what"]) == ("KS-003", "signatures")


def test_of_very_many_reasons_enough_are_told() -> None:
    root = genuine()
    for number, element in enumerate(root[0].iter(etree.Element)):
        element.set("ID" if number else "id", CONTENT_ID)

    found = check(reread(root))

    assert codes(found) == ["KS-006"] * MAX_FINDINGS
