import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.verify.key_info import read_certificate
from app.verify.policy import ACCEPTANCE
from tests.builders.pki import Holder, infrastructure, issue, private_key
from tests.builders.xmldsig import DS, Template, check, codes, der64, reread, signed

DS11 = "http://www.w3.org/2009/xmldsig11#"
CURVE_URNS = {"secp256r1": "1.2.840.10045.3.1.7", "secp384r1": "1.3.132.0.34", "secp521r1": "1.3.132.0.35"}


def certificate_of(holder: Holder) -> str:
    return f"<ds:X509Data><ds:X509Certificate>{der64(holder.certificate)}</ds:X509Certificate></ds:X509Data>"


def key_value_of(holder: Holder) -> str:
    key = holder.key.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        modulus, exponent = (
            base64.b64encode(number.to_bytes((number.bit_length() + 7) // 8)).decode()
            for number in (numbers.n, numbers.e)
        )
        value = f"<ds:Modulus>{modulus}</ds:Modulus><ds:Exponent>{exponent}</ds:Exponent>"
        value = f"<ds:RSAKeyValue>{value}</ds:RSAKeyValue>"
    else:
        assert isinstance(key, ec.EllipticCurvePublicKey)
        point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        value = (
            f'<e:ECKeyValue xmlns:e="{DS11}"><e:NamedCurve URI="urn:oid:{CURVE_URNS[key.curve.name]}"/>'
            f"<e:PublicKey>{base64.b64encode(point).decode()}</e:PublicKey></e:ECKeyValue>"
        )
    return f"<ds:KeyValue>{value}</ds:KeyValue>"


def der_value_of(holder: Holder) -> str:
    der = holder.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    encoded = base64.b64encode(der).decode()
    return f'<e:DEREncodedKeyValue xmlns:e="{DS11}">{encoded}</e:DEREncodedKeyValue>'


def judged(signer: Holder, key_info: str) -> list[str]:
    return codes(check(signed(signer, Template(key_info=key_info))))


@pytest.mark.parametrize("kind", ["rsa2048", "p256", "p384", "p521"])
def test_a_key_value_beside_its_certificate_is_accepted(kind: str) -> None:
    holder = issue("Trường thử nghiệm số 1", private_key(kind, 41))

    assert judged(holder, key_value_of(holder) + certificate_of(holder)) == []
    assert judged(holder, certificate_of(holder) + der_value_of(holder)) == []


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
@pytest.mark.parametrize("other", ["rsa2048", "p256"])
def test_a_key_value_of_another_key_is_refused(kind: str, other: str) -> None:
    holder = issue("Trường thử nghiệm số 1", private_key(kind, 41))
    stranger = issue("Kẻ mạo danh", private_key(other, 42))

    assert judged(holder, certificate_of(holder) + key_value_of(stranger)) == ["KS-021"]
    assert judged(holder, certificate_of(holder) + der_value_of(stranger)) == ["KS-021"]


@pytest.mark.parametrize(
    "value",
    [
        "<ds:KeyValue/>",
        "<ds:KeyValue><ds:DSAKeyValue/></ds:KeyValue>",
        "<ds:KeyValue><ds:RSAKeyValue/></ds:KeyValue>",
        "<ds:KeyValue><ds:RSAKeyValue/><ds:RSAKeyValue/></ds:KeyValue>",
        f'<ds:KeyValue><e:ECKeyValue xmlns:e="{DS11}"/></ds:KeyValue>',
        f'<e:DEREncodedKeyValue xmlns:e="{DS11}">AAAA</e:DEREncodedKeyValue>',
        f'<e:DEREncodedKeyValue xmlns:e="{DS11}">?</e:DEREncodedKeyValue>',
    ],
)
def test_a_key_value_that_cannot_be_read_is_refused(value: str) -> None:
    seal = infrastructure().seal

    assert judged(seal, certificate_of(seal) + value) == ["KS-021"]


def test_a_bare_key_is_refused() -> None:
    seal = infrastructure().seal

    assert judged(seal, key_value_of(seal)) == ["KS-019"]
    assert judged(seal, "<ds:KeyName>seal</ds:KeyName>") == ["KS-019"]


def test_a_signature_without_key_info_is_refused() -> None:
    root = signed(infrastructure().seal)
    info = next(root.iter(f"{{{DS}}}KeyInfo"))
    root[1][0][0].remove(info)

    assert codes(check(reread(root))) == ["KS-019"]


@pytest.mark.parametrize("text", ["", "AAAA", "-----BEGIN CERTIFICATE-----", "MIIB", "Ă"])
def test_what_is_no_certificate_is_refused(text: str) -> None:
    root = signed(infrastructure().seal)
    next(root.iter(f"{{{DS}}}X509Certificate")).text = text

    assert codes(check(reread(root))) == ["KS-020"]


def test_certificates_are_bounded() -> None:
    seal = infrastructure().seal

    (finding,) = check(
        signed(seal, Template(key_info=certificate_of(seal) * (ACCEPTANCE.limits.certificates + 1)))
    ).findings

    assert (finding.code, finding.facts["what"]) == ("KS-003", "certificates")


def test_a_certificates_length_is_bounded() -> None:
    seal = infrastructure().seal
    padding = " " * ACCEPTANCE.limits.certificate_characters

    (finding,) = check(
        signed(seal, Template(key_info=certificate_of(seal).replace("MII", f"{padding}MII", 1)))
    ).findings

    assert (finding.code, finding.facts["what"]) == ("KS-003", "certificate_characters")


def test_a_certificate_repeated_is_one_certificate() -> None:
    seal = infrastructure().seal

    found = check(signed(seal, Template(key_info=certificate_of(seal) * 3)))

    assert codes(found) == []
    assert found.intermediates == ()


def test_names_of_certificates_beside_them_are_not_read() -> None:
    seal = infrastructure().seal
    names = "<ds:X509Data><ds:X509SubjectName>CN=Ai đó</ds:X509SubjectName></ds:X509Data>"

    assert judged(seal, f"<ds:KeyName>x</ds:KeyName>{names}{certificate_of(seal)}") == []


def test_key_substitution_with_another_certificate_of_the_same_key_names_that_one() -> None:
    people = infrastructure()
    other = issue("Trường khác", people.seal.key, people.authority)

    found = check(signed(people.seal, Template(key_info=certificate_of(other))))

    assert codes(found) == []
    assert found.certificate == other.certificate


def test_a_certificate_of_another_kind_of_key_has_no_key_for_us() -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ed25519

    from tests.builders.pki import NOT_AFTER, NOT_BEFORE

    key = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Ed25519")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .sign(key, None)
    )

    carried = read_certificate(der64(certificate))

    assert carried is not None
    assert carried.public_key is None
    seal = infrastructure().seal
    root = signed(seal)
    for element in list(root.iter(f"{{{DS}}}X509Certificate")):
        element.text = der64(certificate)
    assert codes(check(reread(root))) == ["KS-024"]
