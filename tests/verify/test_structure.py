from collections.abc import Callable
from dataclasses import replace

import pytest
from lxml import etree

from app.verify.policy import ACCEPTANCE
from app.verify.signature import check_signatures
from tests.builders.pki import infrastructure
from tests.builders.xmldsig import DS, check, codes, layout_of, reread, signed

Mutation = Callable[[etree._Element], None]


def find(root: etree._Element, name: str) -> etree._Element:
    return next(root.iter(f"{{{DS}}}{name}"))


def refused(mutate: Mutation) -> list[str]:
    root = signed(infrastructure().seal)
    mutate(root)
    return codes(check(reread(root)))


def move_up(name: str) -> Mutation:
    def mutate(root: etree._Element) -> None:
        element = find(root, name)
        element.getparent().insert(0, element)  # type: ignore[union-attr]

    return mutate


def rename(name: str, tag: str) -> Mutation:
    def mutate(root: etree._Element) -> None:
        find(root, name).tag = tag

    return mutate


def add(parent: str, child: str) -> Mutation:
    def mutate(root: etree._Element) -> None:
        find(root, parent).append(etree.fromstring(child))

    return mutate


def attribute(name: str, key: str, value: str | None) -> Mutation:
    def mutate(root: etree._Element) -> None:
        element = find(root, name)
        if value is None:
            element.attrib.pop(key)
        else:
            element.set(key, value)

    return mutate


def text(name: str, value: str) -> Mutation:
    def mutate(root: etree._Element) -> None:
        find(root, name).text = value

    return mutate


@pytest.mark.parametrize(
    "mutate",
    [
        move_up("SignatureValue"),
        move_up("KeyInfo"),
        move_up("Reference"),
        move_up("DigestValue"),
        add("Signature", f'<SignedInfo xmlns="{DS}"/>'),
        add("Signature", '<SignedInfo xmlns="urn:x"/>'),
        rename("SignatureValue", "{urn:x}SignatureValue"),
        add("Signature", '<Object xmlns=""/>'),
        add("SignedInfo", f'<Object xmlns="{DS}"/>'),
        add("Reference", f'<DigestValue xmlns="{DS}">AAAA</DigestValue>'),
        add("KeyInfo", f'<RetrievalMethod xmlns="{DS}" URI="http://example.org/"/>'),
        add("X509Data", f'<PGPData xmlns="{DS}"/>'),
        add("SignatureValue", f'<Object xmlns="{DS}"/>'),
        attribute("SignedInfo", "URI", "#x"),
        attribute("Reference", "{urn:x}URI", "#x"),
        attribute("DigestMethod", "Algorithm", None),
        attribute("CanonicalizationMethod", "Algorithm", None),
        text("SignedInfo", "chữ lạ"),
    ],
)
def test_anything_but_the_exact_form_is_refused(mutate: Mutation) -> None:
    assert refused(mutate) == ["KS-001"]


@pytest.mark.parametrize("name", ["SignedInfo", "SignatureValue", "Reference", "KeyInfo"])
def test_an_element_without_a_namespace_is_not_one_of_xmldsig(name: str) -> None:
    root = signed(infrastructure().seal)
    rename(name, name)(root)

    assert codes(check(root)) == ["KS-001"]


def test_what_stands_in_the_signatures_place_is_a_signature() -> None:
    root = signed(infrastructure().seal)
    layout = layout_of(root)
    slot = replace(layout.slots[0], element=layout.slots[0].element[2])

    (found,) = check_signatures(replace(layout, slots=(slot,)), ACCEPTANCE)

    assert codes(found) == ["KS-001"]
    assert found.findings[0].facts == {"found": "KeyInfo", "expected": "Signature"}


@pytest.mark.parametrize("name", ["SignatureValue", "DigestValue"])
@pytest.mark.parametrize("value", ["AAA", "AA-_", "AAAA=", "Ă" * 4, "A" * 5])
def test_what_is_not_base64_is_refused(name: str, value: str) -> None:
    assert refused(text(name, value)) == ["KS-002"]


def test_an_empty_signature_value_is_refused() -> None:
    assert refused(text("SignatureValue", "  ")) == ["KS-002"]


def test_white_space_in_base64_is_what_xml_allows() -> None:
    root = signed(infrastructure().seal)
    value = find(root, "SignatureValue")
    octets = "".join((value.text or "").split())
    value.text = "\n" + "\r\n\t".join(octets[start : start + 10] for start in range(0, len(octets), 10))

    assert codes(check(reread(root))) == []


def test_the_finding_says_what_was_found_and_what_belongs_there() -> None:
    root = signed(infrastructure().seal)
    add("KeyInfo", f'<RetrievalMethod xmlns="{DS}" URI="http://example.org/"/>')(root)

    (finding,) = check(reread(root)).findings

    assert finding.xpath == "/HocBa/DanhSachChuKy/ChuKy/Signature/KeyInfo"
    assert finding.facts["found"] == "KeyInfo(X509Data, RetrievalMethod)"
    assert "X509Data" in str(finding.facts["expected"])
