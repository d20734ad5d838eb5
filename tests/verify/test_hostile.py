"""Whatever is sent, the verifier answers with findings and within bounds; it never raises."""

import base64
import copy
import random

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from app.formats.parser import parse_secure
from app.formats.profile import SignedLayout
from app.verify.chain import OwnerClass, TrustAnchor, TrustList, build_path
from app.verify.key_info import read_certificate
from app.verify.policy import ACCEPTANCE, Scheme, SignatureMethod
from app.verify.signature import check_signatures
from app.verify.signature_value import is_valid
from app.verify.verdict import Indication
from tests.builders.pki import SIGNED_AT, infrastructure, issue, private_key
from tests.builders.xmldsig import (
    C14N,
    CONTENT_ID,
    DS,
    EXC_C14N,
    Template,
    layout_of,
    reference,
    signed,
    signing_time_object,
    unsigned,
    xades_object,
)

VALUES = ("", "#", "#x", f"#{CONTENT_ID}", C14N, EXC_C14N, "\u0000x"[1:], "Ă", "AAAA", "-1", "9" * 400)


def shake(chance: random.Random, root: etree._Element) -> None:
    """Move, copy, drop, rename or empty something inside the signature."""
    elements = list(root[1][0][0].iter(etree.Element))
    element, other = chance.choice(elements[1:]), chance.choice(elements)
    parent = element.getparent()
    assert parent is not None
    act = chance.randrange(7)
    if act == 0:
        parent.remove(element)
    elif act == 1:
        parent.append(copy.deepcopy(element))
    elif act == 2 and other not in element.iter():
        other.append(element)
    elif act == 3:
        element.text = chance.choice(VALUES)
    elif act == 4:
        element.set(chance.choice(["Id", "URI", "Algorithm", "Type", "x"]), chance.choice(VALUES))
    elif act == 5:
        for name in element.keys():  # noqa: SIM118 - an element's own keys
            del element.attrib[name]
    else:
        element.tag = other.tag


@pytest.mark.parametrize("style", ["properties", "xades"])
def test_no_shaken_signature_raises(style: str) -> None:
    seal = infrastructure().seal
    template = Template(
        references=(
            reference(f"#{CONTENT_ID}", EXC_C14N),
            reference("#time-1" if style == "properties" else "#signed-1"),
        ),
        objects=(signing_time_object() if style == "properties" else xades_object(seal.certificate),),
    )
    genuine = signed(seal, template)
    indications = []
    for seed in range(400):
        chance = random.Random(seed)
        root = copy.deepcopy(genuine)
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            shake(chance, root)

        for found in check_signatures(layout_of(root), ACCEPTANCE):
            indications.append(found.indication)
            for finding in found.findings:
                assert finding.message_vi
                assert finding.message_en
    assert Indication.PASSED in indications
    assert indications.count(Indication.FAILED) > 200


@pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning")
def test_no_shaken_certificate_raises() -> None:
    people = infrastructure()
    trust = TrustList(
        version="t",
        anchors=(TrustAnchor(certificate=people.root.certificate, owner_class=OwnerClass.PUBLIC_SECTOR),),
    )
    der = people.seal.certificate.public_bytes(serialization.Encoding.DER)
    read = 0
    for seed in range(1500):
        chance = random.Random(seed)
        octets = bytearray(der)
        for _ in range(chance.choice([1, 1, 2])):
            octets[chance.randrange(len(octets))] = chance.randrange(256)
        carried = read_certificate(base64.b64encode(octets).decode())
        if carried is None:
            continue
        read += 1
        assert carried.certificate.subject.rfc4514_string() is not None
        verdict = build_path(carried.certificate, people.seal.issuers, trust, ACCEPTANCE, SIGNED_AT)
        unchanged = bytes(octets) == der
        assert verdict.indication is (Indication.PASSED if unchanged else Indication.FAILED)
    assert read > 300


@pytest.mark.parametrize("exponent", [3, 2**65 + 1, 2**2000 + 1])
@pytest.mark.parametrize("modulus", [2**2047, 2**4095 + 1, 2**8191 + 1])
def test_odd_keys_are_not_valid_rather_than_errors(modulus: int, exponent: int) -> None:
    try:
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    except ValueError:
        return
    for scheme in (Scheme.RSA_PKCS1, Scheme.RSA_PSS):
        method = SignatureMethod(scheme=scheme, digest="sha256")
        assert not is_valid(key, method, b"\x01" * (key.key_size // 8), b"m")


def answered(layout: SignedLayout) -> list[str]:
    """Judge, and give the codes."""
    return [finding.code for item in check_signatures(layout, ACCEPTANCE) for finding in item.findings]


def many_signatures(count: int, references: str) -> SignedLayout:
    seal = issue("Trường", private_key("p256", 111))
    root = unsigned()
    signature = Template(references=(references,), objects=()).write(seal)
    slots = "".join(
        f'<ChuKy vaiTro="GVBM">{signature.replace("sig-1", f"sig-{n}")}</ChuKy>' for n in range(count)
    )
    text = etree.tostring(root, encoding="unicode")
    start, end = text.index("<ChuKy"), text.index("</DanhSachChuKy>")
    root = parse_secure((text[:start] + slots + text[end:]).encode())
    for number, value in enumerate(root.iter(f"{{{DS}}}SignatureValue")):
        value.text = base64.b64encode(number.to_bytes(64, "big")).decode()
    return layout_of(root)


def test_references_to_nothing_cost_little() -> None:
    limits = ACCEPTANCE.limits
    layout = many_signatures(20, "".join(reference("#khong-co") for _ in range(40)))
    for number in range(20_000):
        etree.SubElement(layout.content, f"{{urn:hocba:1.0}}x{number % 7}")

    codes = answered(layout)

    assert codes == ["KS-012"] * (20 * 40)
    assert limits.references >= 40


def test_the_same_content_in_ever_new_forms_is_stopped_by_the_budget() -> None:
    parameter = (
        f'<ds:Transform Algorithm="{EXC_C14N}">'
        f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="p{{}}"/></ds:Transform>'
    )
    layout = many_signatures(1, "".join(reference(f"#{CONTENT_ID}", parameter.format(n)) for n in range(50)))
    etree.SubElement(layout.content, "{urn:hocba:1.0}x").text = "x" * 900_000

    codes = answered(layout)

    assert "KS-003" in codes
    assert codes.count("KS-017") < 25


def test_too_many_references_objects_and_elements_are_refused() -> None:
    limits = ACCEPTANCE.limits
    seal = infrastructure().seal

    def excess(template: Template) -> tuple[str, object]:
        root = unsigned(signature=template.write(seal))
        next(root.iter(f"{{{DS}}}SignatureValue")).text = "AAAA"
        (found,) = check_signatures(layout_of(root), ACCEPTANCE)
        (finding,) = found.findings
        return finding.code, finding.facts["what"]

    many = (reference(f"#{CONTENT_ID}"),) * (limits.references + 1)
    assert excess(Template(references=many)) == ("KS-003", "references")
    objects = ("<ds:Object/>",) * (limits.objects + 1)
    assert excess(Template(objects=objects)) == ("KS-003", "objects")
    elements = ("<ds:Object>" + '<a xmlns=""/>' * limits.signature_elements + "</ds:Object>",)
    assert excess(Template(objects=elements))[0] == "KS-003"


def test_attributes_and_namespaces_at_their_limits_cost_little() -> None:
    root = signed(infrastructure().seal)
    names = " ".join(f'xmlns:n{n}="urn:{n}"' for n in range(ACCEPTANCE.limits.namespaces_in_scope - 4))
    attributes = " ".join(f'a{n}=""' for n in range(ACCEPTANCE.limits.attributes - 200))
    filling = "<x/>" * 200_000
    text = etree.tostring(root, encoding="unicode")
    text = text.replace("<KetQua>", f"<KetQua {names}><y {attributes}/>{filling}", 1)

    assert answered(layout_of(parse_secure(text.encode()))) == ["KS-017"]
