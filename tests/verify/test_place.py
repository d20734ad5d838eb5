from lxml import etree

from app.formats.profile import SignatureSlot, SignerRole
from app.verify.place import MAX_FACT_CHARACTERS, SignaturePlace, shown

DOCUMENT = b"""<ChuKy><Signature>
<Reference/>
<Reference>

<DigestValue/></Reference></Signature></ChuKy>"""


def place(root: etree._Element) -> SignaturePlace:
    return SignaturePlace(
        SignatureSlot(
            position=1,
            role=SignerRole.SCHOOL,
            element=root[0],
            xpath="/GoiHocBa/HocBa[3]/Signature",
            line=900,
        )
    )


def test_a_finding_points_into_the_package_as_it_was_sent() -> None:
    root = etree.fromstring(DOCUMENT)

    found = place(root).finding("KS-002", root[0][1][0], element="DigestValue")

    assert found.xpath == "/GoiHocBa/HocBa[3]/Signature/Reference[2]/DigestValue"
    assert found.line == 904


def test_a_finding_outside_the_signature_points_there() -> None:
    root = etree.fromstring(
        b"<HocBa><NoiDung/><DanhSachChuKy><ChuKy><Signature/></ChuKy></DanhSachChuKy></HocBa>"
    )
    slot = SignatureSlot(
        position=1,
        role=SignerRole.SCHOOL,
        element=root[1][0][0],
        xpath="/GoiHocBa/HocBa[7]/DanhSachChuKy/ChuKy/Signature",
        line=1,
    )

    found = [
        SignaturePlace(slot).finding("KS-007", element, element="x").xpath for element in (root, root[0])
    ]

    assert found == ["/GoiHocBa/HocBa[7]", "/GoiHocBa/HocBa[7]/NoiDung"]


def test_a_finding_without_an_element_points_at_the_signature() -> None:
    found = place(etree.fromstring(DOCUMENT)).finding("KS-025")

    assert (found.xpath, found.line) == ("/GoiHocBa/HocBa[3]/Signature", 900)


def test_a_tree_that_was_built_has_the_signatures_line() -> None:
    root = etree.Element("ChuKy")
    etree.SubElement(etree.SubElement(root, "Signature"), "Reference")

    assert place(root).finding("KS-025", root[0][0]).line == 900


def test_what_the_sender_wrote_is_cut_and_stays_on_one_line() -> None:
    assert shown("a" * 500) == "a" * (MAX_FACT_CHARACTERS - 1) + "…"
    assert shown("a\nb\u202ec") == "a�b�c"
    assert place(etree.fromstring(DOCUMENT)).finding("KS-010", uri="\r\n{x}").message_en.count("{x}") == 1
