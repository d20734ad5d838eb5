"""What independent signers make is accepted, and what is done to it afterwards is refused.

Signers: libxmlsec1 as a library (throughout these tests) and as a program, signxml, and the JDK's own
javax.xml.crypto, in the settings that come to hand first.
"""

import random
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from lxml import etree
from signxml import algorithms
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier
from signxml.xades.xades import XAdESSigner

from app.formats.parser import parse_secure
from app.verify.chain import OwnerClass, TrustAnchor, TrustList, build_path
from app.verify.policy import ACCEPTANCE
from app.verify.signature import check_signatures
from app.verify.verdict import Indication, SignatureCheck
from tests.builders.pki import SIGNED_AT, Holder, infrastructure, issue, private_key
from tests.builders.xmldsig import (
    C14N,
    C14N_11,
    CONTENT_ID,
    DS,
    ENVELOPED,
    EXC_C14N,
    MORE,
    SHA256,
    SHA384,
    SHA512,
    Template,
    check,
    codes,
    layout_of,
    reference,
    reread,
    signed,
    unsigned,
    xades_object,
)

JAVA = Path(__file__).parent.parent / "oracles" / "java"
PSS = "http://www.w3.org/2007/05/xmldsig-more#"


def holder(kind: str) -> Holder:
    return issue("Trường thử nghiệm số 1", private_key(kind, 81), infrastructure().authority)


def checks(root: etree._Element) -> tuple[SignatureCheck, ...]:
    return check_signatures(layout_of(root), ACCEPTANCE)


# --- signxml


def signed_by_signxml(signer: XMLSigner, who: Holder, **options: Any) -> etree._Element:
    root = unsigned(signature=f'<ds:Signature xmlns:ds="{DS}" Id="placeholder"/>')
    result = signer.sign(
        root,
        key=who.pem,
        cert=[who.certificate, *who.issuers],
        reference_uri=f"#{CONTENT_ID}",
        **options,
    )
    return reread(result)


@pytest.mark.parametrize(
    ("kind", "method"),
    [
        ("rsa2048", algorithms.SignatureMethod.RSA_SHA256),
        ("rsa3072", algorithms.SignatureMethod.RSA_SHA512),
        ("rsa2048", algorithms.SignatureMethod.SHA256_RSA_MGF1),
        ("p256", algorithms.SignatureMethod.ECDSA_SHA256),
        ("p384", algorithms.SignatureMethod.ECDSA_SHA384),
        ("p521", algorithms.SignatureMethod.ECDSA_SHA512),
    ],
)
def test_xades_by_signxml_is_accepted(kind: str, method: algorithms.SignatureMethod) -> None:
    root = signed_by_signxml(XAdESSigner(signature_algorithm=method), holder(kind))

    found = check(root)

    assert codes(found) == []
    assert found.signing_time is not None
    assert found.covers_content


@pytest.mark.parametrize("method", [C14N, C14N_11])
def test_xades_by_signxml_is_accepted_in_the_inclusive_forms(method: str) -> None:
    signer = XAdESSigner(c14n_algorithm=algorithms.CanonicalizationMethod(method))

    assert codes(check(signed_by_signxml(signer, infrastructure().seal))) == []


def test_xades_by_signxml_in_the_exclusive_form_does_not_say_how_it_was_made() -> None:
    # It digests its own objects exclusively without a Transform that says so; XMLDSig 1.1, 4.4.3.2 makes
    # that C14N 1.0, and libxmlsec1 refuses it as well.
    seal = infrastructure().seal
    signer = XAdESSigner(c14n_algorithm=algorithms.CanonicalizationMethod(EXC_C14N))
    root = signed_by_signxml(signer, seal)

    assert codes(check(root)) == ["KS-017", "KS-017"]
    assert not accepted_by_xmlsec(root, seal)


def test_what_signxml_signs_without_a_signing_time_is_refused_for_that_alone() -> None:
    assert codes(check(signed_by_signxml(XMLSigner(), infrastructure().seal))) == ["KS-025"]


# --- the program xmlsec1


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="the program xmlsec1 is not installed")
def test_what_the_program_xmlsec1_signs_is_accepted_and_it_accepts_what_we_do(tmp_path: Path) -> None:
    seal = infrastructure().seal
    root = unsigned(signature=Template().write(seal))
    template, output, key = tmp_path / "template.xml", tmp_path / "signed.xml", tmp_path / "key.pem"
    template.write_bytes(etree.tostring(root))
    key.write_bytes(seal.pem)
    ids = ["--id-attr:Id", "NoiDung", "--id-attr:Id", "Object"]
    subprocess.run(
        ["xmlsec1", "--sign", "--privkey-pem", key, *ids, "--output", output, template], check=True
    )

    assert codes(check(parse_secure(output.read_bytes()))) == []
    judge = ["xmlsec1", "--verify", "--pubkey-cert-der", str(tmp_path / "seal.der"), *ids, str(output)]
    (tmp_path / "seal.der").write_bytes(seal.certificate.public_bytes(serialization.Encoding.DER))
    assert subprocess.run(judge, check=False, capture_output=True).returncode == 0


# --- Java

JAVA_ORDERS = {
    "e-invoice": ("rsa2048", f"{MORE}rsa-sha256", C14N, SHA256, "properties", ""),
    "enveloped": ("rsa2048", f"{MORE}rsa-sha256", C14N, SHA256, "properties", ENVELOPED),
    "exclusive": ("rsa3072", f"{MORE}rsa-sha512", EXC_C14N, SHA512, "xades", f"{ENVELOPED},{EXC_C14N}"),
    "c14n11": ("rsa2048", f"{MORE}rsa-sha384", C14N_11, SHA384, "xades", C14N_11),
    "pss": ("rsa2048", f"{PSS}sha256-rsa-MGF1", EXC_C14N, SHA256, "xades", EXC_C14N),
    "pss-parameters": ("rsa2048", f"{PSS}rsa-pss", EXC_C14N, SHA256, "properties", EXC_C14N),
    "p256": ("p256", f"{MORE}ecdsa-sha256", EXC_C14N, SHA256, "xades", EXC_C14N),
    "p384": ("p384", f"{MORE}ecdsa-sha384", C14N, SHA384, "properties", C14N),
    "p521": ("p521", f"{MORE}ecdsa-sha512", EXC_C14N, SHA512, "xades", EXC_C14N),
}


def java_order(folder: Path, name: str, before: Path, who: Holder, order: Sequence[str]) -> str:
    """Write the signer's key store and the order for one signature."""
    store, output = folder / f"{name}.p12", folder / f"{name}.xml"
    encryption = serialization.BestAvailableEncryption(b"thu")
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(b"signer", who.key, who.certificate, who.issuers, encryption)
    )
    return ";".join([str(before), str(output), str(store), *order])


def sign_by_java(*orders: str) -> None:
    subprocess.run(["java", "-XX:TieredStopAtLevel=1", JAVA / "SignTranscript.java", *orders], check=True)


@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java here")
def test_what_java_signs_is_accepted(tmp_path: Path) -> None:
    root = unsigned()
    root[1].remove(root[1][0])
    before = tmp_path / "before.xml"
    before.write_bytes(etree.tostring(root, encoding="utf-8"))

    sign_by_java(
        *(
            java_order(tmp_path, name, before, holder(kind), ["NHA_TRUONG", *order])
            for name, (kind, *order) in JAVA_ORDERS.items()
        )
    )

    found = {name: check(parse_secure((tmp_path / f"{name}.xml").read_bytes())) for name in JAVA_ORDERS}
    assert {name: codes(item) for name, item in found.items()} == {name: [] for name in JAVA_ORDERS}
    assert {item.signing_time for item in found.values()} == {SIGNED_AT}
    assert all(item.covers_content for item in found.values())


def test_what_java_once_signed_is_still_accepted() -> None:
    root = parse_secure((JAVA / "transcript.xml").read_bytes())
    anchor = x509.load_pem_x509_certificate((JAVA / "root.pem").read_bytes())
    trust = TrustList(
        version="java", anchors=(TrustAnchor(certificate=anchor, owner_class=OwnerClass.PUBLIC_SECTOR),)
    )

    found = checks(root)

    assert [codes(item) for item in found] == [[], [], []]
    assert [item.algorithm for item in found] == ["rsa-sha256", "ecdsa-sha256", "rsa-pss-sha256"]
    for item in found:
        assert item.certificate is not None
        assert item.signing_time == SIGNED_AT
        path = build_path(item.certificate, item.intermediates, trust, ACCEPTANCE, item.signing_time)
        assert path.indication is Indication.PASSED


def test_what_java_once_signed_is_refused_with_one_character_changed() -> None:
    text = (JAVA / "transcript.xml").read_text("utf-8")

    found = checks(parse_secure(text.replace("<CaNam>8.4</CaNam>", "<CaNam>8.5</CaNam>", 1).encode()))

    assert [codes(item) for item in found] == [["KS-017"], ["KS-017"], ["KS-017"]]


# --- differential: what every other judge refuses is never accepted


def accepted_by_xmlsec(root: etree._Element, who: Holder) -> bool:
    context = xmlsec.SignatureContext()
    try:
        for element in root.iter(etree.Element):
            if element.get("Id") is not None:
                context.register_id(element, "Id")
        context.key = xmlsec.Key.from_memory(
            who.certificate.public_bytes(serialization.Encoding.PEM), xmlsec.constants.KeyDataFormatCertPem
        )
        context.verify(root[1][0][0])
    except (xmlsec.Error, IndexError, TypeError, ValueError):
        return False
    return True


def accepted_by_signxml(root: etree._Element, who: Holder) -> bool:
    try:
        XMLVerifier().verify(
            root,
            x509_cert=who.certificate,
            expect_config=SignatureConfiguration(require_x509=True, expect_references=2),
        )
    except (SignXMLException, ValueError, AssertionError, KeyError, TypeError, etree.LxmlError):
        return False
    return True


def mutate(chance: random.Random, text: str) -> str:
    """Change a document in one or two small ways, most of which leave it well-formed."""
    for _ in range(chance.choice([1, 1, 2])):
        place = chance.randrange(len(text))
        kind = chance.randrange(4)
        if kind == 0:
            text = text[:place] + chance.choice("ađ0 Z<&\n") + text[place + 1 :]
        elif kind == 1:
            text = text[:place] + text[place + 1 :]
        elif kind == 2:
            text = text[:place] + chance.choice(["<!-- -->", " ", "&#65;", 'Id="x"', "<a/>"]) + text[place:]
        else:
            words = [CONTENT_ID, "time-1", "sha256", "c14n", "NoiDung", "Reference", "ds:", "CaNam", "8.4"]
            text = text.replace(chance.choice(words), chance.choice(words), chance.choice([1, -1]))
    return text


def exclusive_xades(who: Holder) -> Template:
    return Template(
        references=(reference(f"#{CONTENT_ID}", EXC_C14N), reference("#signed-1", EXC_C14N)),
        objects=(xades_object(who.certificate),),
        canonicalization=f'<ds:CanonicalizationMethod Algorithm="{EXC_C14N}"/>',
    )


def test_nothing_is_accepted_that_both_other_judges_refuse() -> None:
    seal = infrastructure().seal
    templates = (Template(), exclusive_xades(seal))
    texts = [etree.tostring(signed(seal, template), encoding="unicode") for template in templates]
    accepted = judged = 0
    for seed in range(600):
        chance = random.Random(seed)
        try:
            root = parse_secure(mutate(chance, chance.choice(texts)).encode())
            layout = layout_of(root)
        except (etree.XMLSyntaxError, ValueError, IndexError, TypeError):
            continue
        judged += 1
        if all(item.indication is Indication.PASSED for item in check_signatures(layout, ACCEPTANCE)):
            accepted += 1
            assert accepted_by_xmlsec(root, seal) or accepted_by_signxml(root, seal), seed
    assert judged > 150
    assert accepted > 3


def test_the_other_judges_do_judge() -> None:
    seal = infrastructure().seal
    root = signed(seal, exclusive_xades(seal))
    changed = reread(root)
    next(changed.iter("{urn:hocba:1.0}CaNam")).text = "9.9"

    assert accepted_by_xmlsec(root, seal)
    assert accepted_by_signxml(reread(root), seal)
    assert not accepted_by_xmlsec(changed, seal)
    assert not accepted_by_signxml(changed, seal)


def test_an_object_wrapped_signature_that_xmlsec_takes_is_refused() -> None:
    seal = infrastructure().seal
    root = signed(seal, exclusive_xades(seal))
    content = root[0]
    forged = parse_secure(etree.tostring(content))
    next(forged.iter("{urn:hocba:1.0}CaNam")).text = "10.0"
    for element in forged.iter(etree.Element):
        element.attrib.pop("Id", "")
    forged.set("Id", "hb-khac")
    root.replace(content, forged)
    etree.SubElement(root[1][0][0], f"{{{DS}}}Object").append(content)

    assert accepted_by_xmlsec(root, seal)
    assert accepted_by_signxml(reread(root), seal)
    assert set(codes(check(root))) == {"KS-007"}
