"""Attacks on signed XML: content moved, references bent, keys and certificates exchanged. All are refused."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Final

from lxml import etree

from app.formats.parser import parse_secure
from tests.builders import transcripts
from tests.builders.xmldsig import (
    C14N,
    CONTENT_ID,
    DS,
    ENVELOPED,
    EXC_C14N,
    MORE,
    XADES,
    Template,
    reference,
    signing_time_object,
)
from tests.conformance.case import REJECTED, Case, Item, refused
from tests.conformance.odd_cases import joined
from tests.conformance.signing import Signer, signed, unmade

Q: Final = "{urn:hocba:1.0}"
D: Final = f"{{{DS}}}"
FORGED_ID: Final = transcripts.record_id(0xF)
XPATH: Final = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
    "<ds:XPath>not(ancestor-or-self::*[local-name()='CaNam'])</ds:XPath></ds:Transform>"
)
XSLT: Final = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116">'
    '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0">'
    '<xsl:template match="/"><a xmlns=""/></xsl:template></xsl:stylesheet></ds:Transform>'
)
_HMAC: Final = f"{MORE}hmac-sha256"
_LANGUAGE: Final = '<ds:Object><x xmlns="" xml:lang="vi"/></ds:Object>'


def attack_cases() -> Iterator[Case]:
    """Give every attack."""
    yield from _wrapping()
    yield from _identifiers()
    yield from _references()
    yield from _transforms()
    yield from _tampering()
    yield from _structure()


def bent(change: Callable[[etree._Element], None], xml: bytes | None = None) -> bytes:
    """Change the tree of a signed package and write it out again; it is given the transcript."""
    root = parse_secure(signed() if xml is None else xml)
    change(root[1])
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _forge(content: etree._Element, identifier: str | None = FORGED_ID) -> etree._Element:
    """Copy a content for another pupil, under another identifier unless the same is wanted."""
    forged = deepcopy(content)
    name = forged.find(f"{Q}HocSinh/{Q}HoTen")
    assert name is not None
    name.text = "Lê Thị Giả"
    for subject in forged.iter(f"{Q}MonHoc"):
        if "Id" in subject.attrib:
            del subject.attrib["Id"]
    if identifier is not None:
        forged.set("Id", f"hb-{identifier}")
        code = forged.find(f"{Q}MaTraCuu")
        assert code is not None
        code.text = identifier
    return forged


def _to_object(identifier: str | None, *, attribute: str = "Id") -> Callable[[etree._Element], None]:
    def change(transcript: etree._Element) -> None:
        content = transcript[0]
        transcript.insert(0, _forge(content, identifier))
        if attribute != "Id":
            content.set(attribute, content.attrib.pop("Id"))
        etree.SubElement(transcript[2][0][0], f"{D}Object").append(content)

    return change


def _to_sibling(transcript: etree._Element) -> None:
    transcript.insert(0, _forge(transcript[0]))


def _to_parent(transcript: etree._Element) -> None:
    forged = deepcopy(transcript)
    forged.replace(forged[0], _forge(forged[0]))
    parent = transcript.getparent()
    assert parent is not None
    parent.replace(transcript, forged)
    etree.SubElement(forged[1][0][0], f"{D}Object").append(transcript)


def _wrapping() -> Iterator[Case]:
    name = "attack-wrapping-"
    yield refused(
        f"{name}object", "The signed content moves into ds:Object, a forged one takes its place.",
        bent(_to_object(FORGED_ID)), "KS-007",
    )  # fmt: skip
    yield refused(
        f"{name}object-same-id", "The same, and both contents bear the signed Id.",
        bent(_to_object(None)), "KS-006", "KS-007",
    )  # fmt: skip
    yield refused(
        f"{name}id-by-another-name", "The signed content in ds:Object keeps its identifier as ID.",
        bent(_to_object(FORGED_ID, attribute="ID")), "KS-007",
    )  # fmt: skip
    yield refused(
        f"{name}sibling", "The signed content stands beside a forged one.", bent(_to_sibling), "DD-065"
    )
    yield Case(
        name=f"{name}parent",
        why="The whole signed transcript moves into an object of a forged one around it.",
        material=bent(_to_parent),
        package=("DD-038",),
    )
    second = bent(lambda item: item.replace(item[0], _forge(item[0])))
    yield Case(
        name=f"{name}second-transcript",
        why="A second, forged HocBa whose signature points to the content of the first.",
        material=joined(signed(), second),
        items=(Item(), Item(outcome=REJECTED, codes=("KS-012", "TR-002"))),
    )


def _identifiers() -> Iterator[Case]:
    for name, attribute, codes in (
        ("ID", "ID", ("KS-006",)),
        ("id", "id", ("KS-006",)),
        ("xml-id", "{http://www.w3.org/XML/1998/namespace}id", ("KS-005", "KS-006")),
        ("foreign-Id", "{urn:khac}Id", ("KS-006",)),
    ):

        def change(item: etree._Element, attribute: str = attribute) -> None:
            extra = etree.SubElement(item[1][0][0], f"{D}Object")
            etree.SubElement(extra, "{urn:khac}x").set(attribute, CONTENT_ID)

        yield refused(
            f"attack-duplicate-{name}",
            f"An element in ds:Object claims the content's identifier as {name}.",
            bent(change), *codes,
        )  # fmt: skip


def _references() -> Iterator[Case]:
    for name, uri, code in (
        ("without-uri", None, "KS-008"),
        ("external", "http://example.org/hocba.xml", "KS-010"),
        ("file", "file:///etc/passwd", "KS-010"),
        ("xpointer", f"#xpointer(id('{CONTENT_ID}'))", "KS-011"),
        ("to-nothing", "#hb-00000000000000000000000000000000", "KS-012"),
        ("to-the-signature", "#sig-1", "KS-013"),
    ):
        template = Template(references=(reference(uri), reference("#time-1")))
        yield refused(
            f"attack-reference-{name}", f"A Reference whose URI is {uri}.",
            unmade(Signer(template=template)), code,
        )  # fmt: skip
    whole = Template(references=(reference("", ENVELOPED), reference("#time-1")))
    yield refused(
        "attack-reference-empty-uri",
        'URI="" signs whatever surrounds it.',
        signed(Signer(template=whole)),
        "KS-009",
    )
    only_time = Template(references=(reference("#time-1"),))
    yield refused(
        "attack-reference-own-object-only",
        "Only the signing time is signed.",
        signed(Signer(template=only_time)),
        "KS-033",
    )
    partial = Template(references=(reference("#mon-15"), reference("#time-1")))
    yield refused(
        "attack-reference-part-only",
        "The seal signs one subject alone.",
        signed(Signer(template=partial)),
        "KS-033",
    )
    manifest = (
        f'<ds:Object><ds:Manifest Id="manifest-1">{reference(f"#{CONTENT_ID}")}</ds:Manifest></ds:Object>'
    )
    template = Template(
        references=(reference("#manifest-1"), reference("#time-1")), objects=(manifest, signing_time_object())
    )
    yield refused(
        "attack-reference-manifest", "The content is named by a manifest, which nobody checks.",
        unmade(Signer(template=template)), "KS-013",
    )  # fmt: skip


def _transforms() -> Iterator[Case]:
    xpath = Template(references=(reference(f"#{CONTENT_ID}", XPATH), reference("#time-1")))
    yield refused(
        "attack-transform-xpath", "XPath leaves every mark out of what is signed; the signature holds.",
        signed(Signer(template=xpath)), "KS-014",
    )  # fmt: skip
    for name, transform in (
        ("xslt", XSLT),
        ("base64", f"{DS}base64"),
        ("c14n-with-comments", f"{C14N}#WithComments"),
        ("exclusive-with-comments", f"{EXC_C14N}WithComments"),
        ("filter2", "http://www.w3.org/2002/06/xmldsig-filter2"),
        ("unknown", "urn:khac"),
    ):
        template = Template(references=(reference(f"#{CONTENT_ID}", transform), reference("#time-1")))
        yield refused(
            f"attack-transform-{name}", f"The transform {name} is never run.",
            unmade(Signer(template=template)), "KS-014",
        )  # fmt: skip
    for name, transforms in (("twice", (C14N, EXC_C14N)), ("enveloped-last", (C14N, ENVELOPED))):
        template = Template(references=(reference(f"#{CONTENT_ID}", *transforms), reference("#time-1")))
        yield refused(
            f"attack-transform-{name}", "Transforms that cannot be combined.",
            unmade(Signer(template=template)), "KS-015",
        )  # fmt: skip
    method = Template(canonicalization=f'<ds:CanonicalizationMethod Algorithm="{C14N}#WithComments"/>')
    yield refused(
        "attack-signed-info-with-comments", "SignedInfo in a canonical form that keeps comments.",
        signed(Signer(template=method)), "KS-014",
    )  # fmt: skip
    yield refused(
        "attack-comment", "A comment put into signed text: it breaks no signature, and splits a text.",
        signed(after=[("7A1", "7<!-- x -->A1")]), "KS-004",
    )  # fmt: skip


def fill_digests(item: etree._Element) -> etree._Element:
    """Fill in right digests of what a signature names, as anybody can; give its SignedInfo."""
    info: etree._Element = item[1][0][0][0]
    by_id = {element.get("Id"): element for element in item.iter(etree.Element)}
    for part in info.iter(f"{D}Reference"):
        target = by_id[part.get("URI", "")[1:]]
        octets = etree.tostring(etree.fromstring(etree.tostring(target, with_tail=False)), method="c14n")
        part[-1].text = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    return info


def _tampering() -> Iterator[Case]:
    mark = [("<CaNam>7.3", "<CaNam>9.3")]
    yield refused("attack-mark-changed", "One digit of one mark.", signed(after=mark), "KS-017", "NV-005")
    yield refused(
        "attack-digest-made-anew", "A mark and its digest are changed, the value cannot be.",
        bent(_digest_made_anew), "KS-032", "NV-005",
    )  # fmt: skip
    yield refused(
        "attack-signing-time-changed", "The signing time is changed.",
        signed(after=[("2026-05-28T09:30:00", "2026-05-27T09:30:00")]), "KS-017",
    )  # fmt: skip
    yield refused(
        "attack-value-of-another-digest", "A digest that was never this one.",
        bent(lambda item: set_text(item, "DigestValue", "A" * 43 + "=")), "KS-017", "KS-032",
    )  # fmt: skip
    yield refused(
        "attack-signature-copied", "A signature copied from another pupil's transcript.",
        bent(lambda item: _swap(item, signed(number=2))), "KS-012",
    )  # fmt: skip
    yield refused(
        "attack-signature-copied-same-id", "A signature copied from an earlier version.",
        bent(lambda item: _swap(item, signed(before=mark))), "KS-017",
    )  # fmt: skip
    yield refused("attack-signature-twice", "The same signature stands twice.", bent(_twice), "KS-031")
    yield refused(
        "attack-namespace-of-a-mark", "A mark leaves the format's namespace.",
        signed(after=[("<CaNam>7.3", '<CaNam xmlns="urn:khac">7.3')]), "DD-074",
    )  # fmt: skip
    yield refused(
        "attack-namespace-of-the-signature", "A namespace that only looks like XMLDSig's.",
        signed(after=[(DS, f"{DS.replace('xmldsig', 'xmldsig1')}")]), "DD-074",
    )  # fmt: skip


def _digest_made_anew(item: etree._Element) -> None:
    next(item.iter(f"{Q}CaNam")).text = "9.3"
    fill_digests(item)


def set_text(item: etree._Element, name: str, text: str) -> None:
    next(item.iter(f"{D}{name}")).text = text


def _swap(item: etree._Element, other: bytes) -> None:
    item[1][0].replace(item[1][0][0], parse_secure(other)[1][1][0][0])


def _twice(item: etree._Element) -> None:
    copy = deepcopy(item[1][0])
    for element in copy.iter(etree.Element):
        if "Id" in element.attrib:
            del element.attrib["Id"]
    item[1].append(copy)


def _structure() -> Iterator[Case]:
    many = Template(references=(reference(f"#{CONTENT_ID}"),) * 65)
    yield refused("attack-too-many-references", "65 references.", unmade(Signer(template=many)), "KS-003")
    yield refused(
        "attack-relative-namespace", "A relative namespace name in a signed object has no canonical form.",
        bent(_relative_namespace), "KS-018",
    )  # fmt: skip
    truncated = (
        f'<ds:SignatureMethod Algorithm="{_HMAC}">'
        "<ds:HMACOutputLength>8</ds:HMACOutputLength></ds:SignatureMethod>"
    )
    yield refused(
        "attack-truncated-hmac",
        "HMAC cut to 8 bits.",
        unmade(Signer(template=Template(method=truncated))),
        "KS-022",
    )
    yield refused(
        "attack-language-attribute", "xml:lang in an object: C14N 1.0 and 1.1 disagree over it.",
        signed(Signer(template=Template(objects=(signing_time_object(), _LANGUAGE)))),
        "KS-005",
    )  # fmt: skip
    yield refused(
        "attack-transcript-inside-signature", "Elements of the format inside a signature.",
        bent(_own_element_inside), "KS-007",
    )  # fmt: skip
    yield refused(
        "attack-value-empty", "A signature value that is not there.",
        bent(lambda item: set_text(item, "SignatureValue", "")), "KS-002",
    )  # fmt: skip
    yield refused(
        "attack-value-not-base64", "A signature value that is no Base64.",
        bent(lambda item: set_text(item, "SignatureValue", "A?==")), "DD-067",
    )  # fmt: skip
    yield refused(
        "attack-element-of-another-standard", "An element in SignedInfo that XMLDSig does not know.",
        bent(lambda item: item[1][0][0][0].append(etree.Element(f"{{{XADES}}}Khac"))), "DD-061",
    )  # fmt: skip


def _own_element_inside(item: etree._Element) -> None:
    etree.SubElement(item[1][0][0], f"{D}Object").append(deepcopy(item[0][0]))


def _relative_namespace(item: etree._Element) -> None:
    held = next(item.iter(f"{D}SignatureProperties"))
    held.append(
        etree.fromstring(
            f'<ds:SignatureProperty xmlns:ds="{DS}" Target="#sig-1"><x xmlns="k"/></ds:SignatureProperty>'
        )
    )
