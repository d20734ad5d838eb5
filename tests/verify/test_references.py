import pytest

from tests.builders.pki import infrastructure
from tests.builders.xmldsig import (
    C14N,
    CONTENT_ID,
    DS,
    ENVELOPED,
    EXC_C14N,
    SHA1,
    XADES,
    Template,
    check,
    codes,
    reference,
    reread,
    signed,
    unsigned,
)

XPATH = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
    "<ds:XPath>not(ancestor-or-self::*[local-name()='CaNam'])</ds:XPath></ds:Transform>"
)
XSLT = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116">'
    '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0">'
    '<xsl:template match="/"><a xmlns=""/></xsl:template></xsl:stylesheet></ds:Transform>'
)
INCLUSIVE = '<ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="{}"/>'


def judged(*references: str) -> list[str]:
    """Judge a signature that libxmlsec1 made over these references."""
    return codes(check(signed(infrastructure().seal, Template(references=references))))


def read(*references: str) -> list[str]:
    """Judge a signature that nobody could make: its references are refused before anything is computed."""
    root = unsigned(signature=Template(references=references).write(infrastructure().seal))
    next(root.iter(f"{{{DS}}}SignatureValue")).text = "AAAA"
    return codes(check(reread(root)))


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        (None, "KS-008"),
        ("", "KS-009"),
        ("http://example.org/hocba.xml", "KS-010"),
        ("file:///etc/passwd", "KS-010"),
        ("hb.xml#x", "KS-010"),
        (CONTENT_ID, "KS-010"),
        ("#", "KS-011"),
        ("#xpointer(/)", "KS-011"),
        (f"#xpointer(id('{CONTENT_ID}'))", "KS-011"),
        ("#hb-00000000000000000000000000000000", "KS-012"),
        (f"#{CONTENT_ID} ", "KS-012"),
        ("#sig-1", "KS-013"),
    ],
)
def test_a_uri_is_a_sharp_sign_and_an_identifier_that_may_be_signed(uri: str | None, code: str) -> None:
    assert read(reference(uri)) == [code]


def test_a_part_that_only_another_attribute_identifies_is_not_signed_by_it() -> None:
    root = unsigned(signature=Template(references=(reference("#ho-ten"),)).write(infrastructure().seal))
    next(root.iter(f"{{{DS}}}SignatureValue")).text = "AAAA"
    next(root.iter("{urn:hocba:1.0}HoTen")).set("ID", "ho-ten")

    assert codes(check(reread(root))) == ["KS-013"]


@pytest.mark.parametrize(
    ("transform", "name"),
    [
        (XPATH, "XPath"),
        (XSLT, "XSLT"),
        ('<ds:Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"/>', "XPath Filter 2.0"),
        (f"{DS}base64", "base64"),
        (f"{C14N}#WithComments", "C14N 1.0 with comments"),
        ("http://www.w3.org/2006/12/xml-c14n11#WithComments", "C14N 1.1 with comments"),
        (f"{EXC_C14N}WithComments", "Exclusive C14N with comments"),
        ("urn:la", "urn:la"),
    ],
)
def test_any_other_transform_is_refused_by_name(transform: str, name: str) -> None:
    root = unsigned(
        signature=Template(references=(reference(f"#{CONTENT_ID}", transform),)).write(infrastructure().seal)
    )
    next(root.iter(f"{{{DS}}}SignatureValue")).text = "AAAA"

    (finding,) = check(reread(root)).findings

    assert finding.code == "KS-014"
    assert finding.facts["algorithm"] == name


@pytest.mark.parametrize(
    "transforms",
    [
        (C14N, ENVELOPED),
        (ENVELOPED, ENVELOPED),
        (C14N, EXC_C14N),
        (ENVELOPED, C14N, C14N),
        (f'<ds:Transform Algorithm="{ENVELOPED}"><ds:XPath>1</ds:XPath></ds:Transform>',),
        (f'<ds:Transform Algorithm="{C14N}">{INCLUSIVE.format("ds")}</ds:Transform>',),
        (f'<ds:Transform Algorithm="{EXC_C14N}"><ds:XPath>1</ds:XPath></ds:Transform>',),
        (f'<ds:Transform Algorithm="{EXC_C14N}">{2 * INCLUSIVE.format("a")}</ds:Transform>',),
    ],
)
def test_transforms_that_cannot_be_combined_are_refused(transforms: tuple[str, ...]) -> None:
    assert read(reference(f"#{CONTENT_ID}", *transforms)) == ["KS-015"]


@pytest.mark.parametrize("prefixes", ["", "ds", "#default", "#default ds khong-co xs"])
def test_exclusive_canonicalization_may_name_inclusive_prefixes(prefixes: str) -> None:
    transform = f'<ds:Transform Algorithm="{EXC_C14N}">{INCLUSIVE.format(prefixes)}</ds:Transform>'

    assert judged(reference(f"#{CONTENT_ID}", transform), reference("#time-1", transform)) == []


def test_the_enveloped_transform_leaves_nothing_of_an_object_inside_the_signature() -> None:
    assert read(reference(f"#{CONTENT_ID}"), reference("#time-1", ENVELOPED)) == ["KS-015"]


@pytest.mark.parametrize(
    ("digest", "name"),
    [
        (SHA1, "SHA-1"),
        ("http://www.w3.org/2001/04/xmldsig-more#md5", "MD5"),
        ("http://www.w3.org/2001/04/xmldsig-more#sha224", "SHA-224"),
        ("urn:la", "urn:la"),
    ],
)
def test_any_other_digest_is_refused_by_name(digest: str, name: str) -> None:
    template = Template(references=(reference(f"#{CONTENT_ID}", digest=digest),))
    root = unsigned(signature=template.write(infrastructure().seal))
    next(root.iter(f"{{{DS}}}SignatureValue")).text = "AAAA"

    (finding,) = check(reread(root)).findings

    assert finding.code == "KS-016"
    assert finding.facts["algorithm"] == name


def test_sha1_made_by_a_real_signer_is_refused() -> None:
    assert judged(reference(f"#{CONTENT_ID}", digest=SHA1), reference("#time-1")) == ["KS-016"]


def test_a_manifest_is_not_a_way_to_sign() -> None:
    manifest = (
        f'<ds:Object><ds:Manifest Id="manifest-1">{reference(f"#{CONTENT_ID}")}</ds:Manifest></ds:Object>'
    )
    template = Template(references=(reference("#manifest-1"),), objects=(manifest,))
    root = unsigned(signature=template.write(infrastructure().seal))
    next(root.iter(f"{{{DS}}}SignatureValue")).text = "AAAA"

    assert codes(check(reread(root))) == ["KS-013"]


def test_each_broken_reference_is_told_by_itself() -> None:
    root = signed(infrastructure().seal)
    next(root.iter("{urn:hocba:1.0}CaNam")).text = "9.9"
    next(root.iter("SigningTime")).text = "2026-05-27T09:30:00"

    found = check(reread(root)).findings

    assert [item.code for item in found] == ["KS-017", "KS-017"]
    assert [item.facts["uri"] for item in found] == [f"#{CONTENT_ID}", "#time-1"]


def test_a_namespace_without_a_scheme_has_no_canonical_form() -> None:
    root = signed(infrastructure().seal)
    text = root[0]
    text.insert(0, text.makeelement("{khong-co-luoc-do}x", nsmap={"k": "khong-co-luoc-do"}))

    assert codes(check(reread(root))) == ["KS-018"]


def test_properties_of_another_namespace_are_no_target() -> None:
    inner = f'<ds:Object><x:Khac xmlns:x="{XADES}" Id="khac-1"/></ds:Object>'
    template = Template(references=(reference("#khac-1"),), objects=(inner,))
    root = unsigned(signature=template.write(infrastructure().seal))
    next(root.iter(f"{{{DS}}}SignatureValue")).text = "AAAA"

    assert codes(check(reread(root))) == ["KS-013"]
