"""The certificates that a signature carries; they only name a signer, they never grant anything.

XMLDSig 1.1, 4.5; RFC 5280.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import pybase64
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key
from lxml import etree

from app.findings import Finding
from app.verify.place import SignaturePlace
from app.verify.policy import SignatureLimits
from app.verify.structure import DS11, SignatureForm, ds, read_base64

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

# XMLDSig 1.1, 4.5.2.3.1; RFC 5480, 2.1.1.1
_CURVE_URNS: Final = {
    "urn:oid:1.2.840.10045.3.1.7": "secp256r1",
    "urn:oid:1.3.132.0.34": "secp384r1",
    "urn:oid:1.3.132.0.35": "secp521r1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedCertificate:
    """A certificate read from a document, with its key; the key is None where it is of no accepted kind.

    Attributes:
        rsa_exponent: of an RSA key; reading it from the key takes a big number each time.
    """

    certificate: x509.Certificate
    der: bytes
    public_key: PublicKey | None
    rsa_exponent: int | None
    fingerprint: str

    def digest(self, algorithm: str) -> bytes:
        """Give the digest of its DER by the name that hashlib has for the algorithm."""
        return (
            bytes.fromhex(self.fingerprint)
            if algorithm == "sha256"
            else hashlib.new(algorithm, self.der).digest()
        )


@lru_cache(maxsize=2048)
def read_certificate(text: str) -> CarriedCertificate | None:
    """Read a certificate from base64 DER; None where it is none. Cached: a school signs all with one."""
    try:
        der = pybase64.b64decode("".join(text.split()), validate=True)
        certificate = x509.load_der_x509_certificate(der)
        # Parsing is lazy: what is read later must be readable now, so that no later step can fail on it.
        _ = certificate.subject, certificate.issuer, certificate.extensions, certificate.serial_number
        _ = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    except (
        ValueError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ):
        return None
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        key = None
    return CarriedCertificate(
        certificate=certificate,
        der=der,
        public_key=key if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else None,
        rsa_exponent=key.public_numbers().e if isinstance(key, rsa.RSAPublicKey) else None,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )


def read_key_info(
    form: SignatureForm, limits: SignatureLimits, place: SignaturePlace
) -> tuple[CarriedCertificate, ...] | Finding:
    """Give the certificates of a signature, in document order, each once.

    Refuses: none there (KS-019), one that cannot be read (KS-020), too many or too long (KS-003).
    """
    elements = [] if form.key_info is None else list(form.key_info.iter(ds("X509Certificate")))
    if not elements:
        return place.finding("KS-019", form.key_info)
    longest = max(len(element.text or "") for element in elements)
    counts = (
        ("certificates", len(elements), limits.certificates),
        ("certificate_characters", longest, limits.certificate_characters),
    )
    for what, count, limit in counts:
        if count > limit:
            return place.finding("KS-003", form.key_info, what=what, count=count, limit=limit)
    found: dict[str, CarriedCertificate] = {}
    for element in elements:
        carried = read_certificate(element.text or "")
        if carried is None:
            return place.finding("KS-020", element)
        found.setdefault(carried.fingerprint, carried)
    return tuple(found.values())


def check_key_values(
    form: SignatureForm, signer: CarriedCertificate, place: SignaturePlace
) -> Finding | None:
    """Refuse a bare key beside the certificate that is not the certificate's (KS-021)."""
    assert form.key_info is not None
    for element in form.key_info.iter(ds("KeyValue"), f"{{{DS11}}}DEREncodedKeyValue"):
        if not _is_key(element, signer.public_key):
            return place.finding("KS-021", element)
    return None


def _is_key(element: etree._Element, key: PublicKey | None) -> bool:
    """Say whether an element states this key; what cannot be read states another."""
    if element.tag != ds("KeyValue"):
        return _is_der_key(read_base64(element), key)
    if len(element) != 1:
        return False
    value = element[0]
    if value.tag == ds("RSAKeyValue") and isinstance(key, rsa.RSAPublicKey):
        stated = [read_base64(child) for child in value]
        numbers = key.public_numbers()
        tags = [child.tag for child in value] == [ds("Modulus"), ds("Exponent")]
        return tags and [_number(part) for part in stated] == [numbers.n, numbers.e]
    if value.tag == f"{{{DS11}}}ECKeyValue" and isinstance(key, ec.EllipticCurvePublicKey):
        curve = value.find(f"{{{DS11}}}NamedCurve")
        point = value.find(f"{{{DS11}}}PublicKey")
        if curve is None or point is None or _CURVE_URNS.get(curve.get("URI", "")) != key.curve.name:
            return False
        return read_base64(point) == _point(key)
    return False


def _is_der_key(der: bytes | None, key: PublicKey | None) -> bool:
    try:
        return der is not None and key is not None and load_der_public_key(der) == key
    except (ValueError, UnsupportedAlgorithm):
        return False


def _number(octets: bytes | None) -> int | None:
    return None if octets is None else int.from_bytes(octets, "big")


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    """Encode a point uncompressed (SEC 1, 2.3.3)."""
    numbers = key.public_numbers()
    width = (key.curve.key_size + 7) // 8
    return b"\x04" + numbers.x.to_bytes(width, "big") + numbers.y.to_bytes(width, "big")
