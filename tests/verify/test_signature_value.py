import base64
from dataclasses import replace

import pytest
import xmlsec
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from app.verify.policy import ACCEPTANCE, SignatureMethod
from app.verify.signature_value import is_strong, is_valid
from tests.builders.pki import Holder, infrastructure, issue, private_key, with_exponent_one
from tests.builders.xmldsig import DS, MORE, Template, check, codes, reread, signed, unsigned

PSS = "http://www.w3.org/2007/05/xmldsig-more#"


def read(method: str, signer: Holder | None = None) -> list[str]:
    """Judge a signature whose value is nothing: what is refused by its form is refused before that."""
    text = Template(method=method).write(signer or infrastructure().seal)
    root = unsigned(signature=text)
    next(root.iter(f"{{{DS}}}SignatureValue")).text = "AAAA"
    return codes(check(reread(root)))


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        (f"{DS}rsa-sha1", "RSA-SHA1"),
        (f"{DS}dsa-sha1", "DSA-SHA1"),
        ("http://www.w3.org/2009/xmldsig11#dsa-sha256", "DSA-SHA256"),
        (f"{DS}hmac-sha1", "HMAC-SHA1"),
        (f"{MORE}hmac-sha256", "HMAC-SHA256"),
        (f"{MORE}rsa-md5", "RSA-MD5"),
        (f"{PSS}sha1-rsa-MGF1", "RSA-PSS with SHA-1"),
        (f"{MORE}ecdsa-sha1", "ECDSA-SHA1"),
        ("", ""),
        ("urn:la", "urn:la"),
    ],
)
def test_any_other_method_is_refused_by_name(uri: str, name: str) -> None:
    root = unsigned(
        signature=Template(method=f'<ds:SignatureMethod Algorithm="{uri}"/>').write(infrastructure().seal)
    )
    next(root.iter(f"{{{DS}}}SignatureValue")).text = "AAAA"

    (finding,) = check(reread(root)).findings

    assert finding.code == "KS-022"
    assert finding.facts["algorithm"] == name


def test_sha1_made_by_a_real_signer_is_refused() -> None:
    assert codes(check(signed(infrastructure().seal, Template(method=f"{DS}rsa-sha1")))) == ["KS-022"]


def test_a_method_takes_no_parameters_but_its_own() -> None:
    length = "<ds:HMACOutputLength>8</ds:HMACOutputLength>"

    assert read(f'<ds:SignatureMethod Algorithm="{MORE}rsa-sha256">{length}</ds:SignatureMethod>') == [
        "KS-022"
    ]


@pytest.mark.parametrize(
    ("kind", "method"),
    [("p256", f"{MORE}rsa-sha256"), ("p256", f"{PSS}sha256-rsa-MGF1"), ("rsa2048", f"{MORE}ecdsa-sha256")],
)
def test_the_key_is_of_the_methods_kind(kind: str, method: str) -> None:
    holder = issue("Trường thử nghiệm số 1", private_key(kind, 31))

    assert read(method, holder) == ["KS-023"]


@pytest.mark.parametrize(
    ("kind", "method"),
    [("rsa1024", f"{MORE}rsa-sha256"), ("p224", f"{MORE}ecdsa-sha256"), ("k256", f"{MORE}ecdsa-sha256")],
)
def test_weak_keys_and_other_curves_are_refused(kind: str, method: str) -> None:
    holder = issue("Trường thử nghiệm số 1", private_key(kind, 32))

    assert read(method, holder) == ["KS-024"]


def test_an_exponent_of_one_is_refused() -> None:
    people = infrastructure()
    holder = with_exponent_one(people.seal, people.authority)

    assert read(f"{MORE}rsa-sha256", replace(holder, issuers=())) == ["KS-024"]
    assert read(f"{MORE}rsa-sha256", holder) == ["KS-017", "KS-017", "KS-024"]


def test_a_key_that_costs_too_much_is_refused_before_it_is_used() -> None:
    public = rsa.RSAPublicNumbers(65537, 2**9000 + 1).public_key()

    assert not is_strong(public, ACCEPTANCE)
    assert not is_strong(rsa.RSAPublicNumbers(65537, 2**2046 + 1).public_key(), ACCEPTANCE)
    assert is_strong(rsa.RSAPublicNumbers(65537, 2**2047 + 1).public_key(), ACCEPTANCE)


def pss(parameters: str) -> str:
    return f'<ds:SignatureMethod Algorithm="{PSS}rsa-pss">{parameters}</ds:SignatureMethod>'


def parameters(digest: str, mask: str, salt: int, trailer: str = "") -> str:
    message, inner = (f'<ds:DigestMethod Algorithm="{uri}"/>' if uri else "" for uri in (digest, mask))
    return (
        f'<pss:RSAPSSParams xmlns:pss="{PSS}">{message}'
        f'<pss:MaskGenerationFunction Algorithm="{PSS}MGF1">{inner}</pss:MaskGenerationFunction>'
        f"<pss:SaltLength>{salt}</pss:SaltLength>{trailer}</pss:RSAPSSParams>"
    )


SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
SHA1 = f"{DS}sha1"


@pytest.mark.parametrize(
    "stated",
    [
        "",
        parameters("", "", 32),
        parameters(SHA256, SHA256, 32),
        parameters(SHA512, SHA512, 64, f'<pss:TrailerField xmlns:pss="{PSS}">1</pss:TrailerField>'),
    ],
)
def test_pss_parameters_that_say_the_usual_are_read(stated: str) -> None:
    # The form is accepted: what is left is that nothing was computed for it.
    assert read(pss(stated)) == ["KS-017", "KS-017", "KS-032"]


@pytest.mark.parametrize(
    "stated",
    [
        parameters(SHA1, SHA1, 20),
        parameters(SHA256, SHA1, 32),
        parameters(SHA256, SHA512, 32),
        parameters(SHA512, "", 64),
        parameters(SHA256, SHA256, 0),
        parameters(SHA256, SHA256, 20),
        parameters(SHA256, SHA256, 32, f'<pss:TrailerField xmlns:pss="{PSS}">2</pss:TrailerField>'),
        parameters(SHA256, SHA256, 32, f'<pss:Khac xmlns:pss="{PSS}"/>'),
    ],
)
def test_other_pss_parameters_are_refused(stated: str) -> None:
    assert read(pss(stated)) == ["KS-022"]


def test_ecdsa_values_are_two_numbers_of_full_width_side_by_side() -> None:
    key = private_key("p521", 33)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    method = SignatureMethod(
        scheme=ACCEPTANCE.signature_methods[f"{MORE}ecdsa-sha512"].scheme, digest="sha512"
    )
    der = key.sign(b"m", ec.ECDSA(hashes.SHA512()))
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(66, "big") + s.to_bytes(66, "big")
    public = key.public_key()

    assert is_valid(public, method, raw, b"m")
    assert not is_valid(public, method, raw, b"n")
    assert not is_valid(public, method, der, b"m")
    assert not is_valid(public, method, raw + b"\x00", b"m")
    assert not is_valid(public, method, raw[:66] + b"\x00" + raw[66:], b"m")
    assert not is_valid(public, method, raw[:-1], b"m")
    assert not is_valid(public, method, b"", b"m")
    assert not is_valid(public, method, bytes(132), b"m")
    assert not is_valid(public, method, b"\xff" * 132, b"m")


def test_a_value_of_another_length_is_not_valid() -> None:
    root = signed(infrastructure().seal)
    value = next(root.iter(f"{{{DS}}}SignatureValue"))
    value.text = base64.b64encode(b"\x00" + base64.b64decode(value.text or "")).decode()

    assert codes(check(reread(root))) == ["KS-032"]


def test_hmac_keyed_with_the_public_key_is_refused() -> None:
    people = infrastructure()
    root = unsigned(signature=Template(method=f"{MORE}hmac-sha256").write(people.seal))
    context = xmlsec.SignatureContext()
    for element in root.iter(etree.Element):
        if element.get("Id") is not None:
            context.register_id(element, "Id")
    octets = people.seal.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    context.key = xmlsec.Key.from_binary_data(xmlsec.constants.KeyDataHmac, octets)
    context.sign(root[1][0][0])

    assert codes(check(reread(root))) == ["KS-022"]
