"""A small public-key infrastructure for tests: authorities and signers, sound ones and rotten ones.

EC keys are derived from fixed numbers. RSA keys cannot be seeded with this library: each is made once a run.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

NOT_BEFORE: Final = datetime(2025, 1, 1, tzinfo=UTC)
NOT_AFTER: Final = datetime(2028, 1, 1, tzinfo=UTC)
SIGNED_AT: Final = datetime(2026, 5, 28, 2, 30, tzinfo=UTC)
RECEIVED_AT: Final = datetime(2026, 5, 30, 1, 0, tzinfo=UTC)
CURVES: Final[dict[str, ec.EllipticCurve]] = {
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
    "p224": ec.SECP224R1(),
    "k256": ec.SECP256K1(),
}


@cache
def private_key(kind: str, seed: int = 1) -> PrivateKey:
    """Give a key: rsa1024, rsa2048, rsa3072, rsa2048e3, p256, p384, p521, p224, k256."""
    if kind in CURVES:
        return ec.derive_private_key(0x5EED_0000 + seed, CURVES[kind])
    exponent = 3 if kind.endswith("e3") else 65537
    return rsa.generate_private_key(exponent, int(kind.removeprefix("rsa").removesuffix("e3")))


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Somebody with a certificate and the key to it; issuers lead up to the anchor."""

    key: PrivateKey
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def fingerprint(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @property
    def pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a certificate's extensions say; None leaves the extension out."""

    is_authority: bool = False
    has_constraints: bool = True
    may_sign: bool | None = True
    may_certify: bool | None = None
    path_length: int | None = None
    critical_unknown: bool = False
    permitted_host: str | None = None
    purposes: tuple[x509.ObjectIdentifier, ...] = ()
    names_keys: bool = False


SIGNER: Final = Usage()
AUTHORITY: Final = Usage(is_authority=True, may_sign=False, may_certify=True)


def issue(
    name: str,
    key: PrivateKey,
    issuer: Holder | None = None,
    *,
    usage: Usage = SIGNER,
    not_before: datetime = NOT_BEFORE,
    not_after: datetime = NOT_AFTER,
    user_id: str | None = None,
    serial_number: str | None = None,
) -> Holder:
    """Issue a certificate; without an issuer it is self-signed."""
    attributes = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
        x509.NameAttribute(NameOID.COMMON_NAME, name),
    ]
    if user_id is not None:
        attributes.append(x509.NameAttribute(NameOID.USER_ID, user_id))
    if serial_number is not None:
        attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serial_number))
    subject = x509.Name(attributes)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(
            int.from_bytes(hashlib.sha256(f"{name}{not_before}{usage}".encode()).digest()[:15]) | 1
        )
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    for extension, is_critical in _extensions(usage):
        builder = builder.add_extension(extension, critical=is_critical)
    if usage.names_keys:
        public = (key if issuer is None else issuer.key).public_key()
        for named in (
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(public),
        ):
            builder = builder.add_extension(named, critical=False)
    certificate = builder.sign(key if issuer is None else issuer.key, hashes.SHA256())
    above = () if issuer is None else (issuer.certificate, *issuer.issuers)
    return Holder(key=key, certificate=certificate, issuers=above)


def _extensions(usage: Usage) -> list[tuple[x509.ExtensionType, bool]]:
    extensions: list[tuple[x509.ExtensionType, bool]] = []
    if usage.has_constraints:
        extensions.append((x509.BasicConstraints(usage.is_authority, usage.path_length), True))
    if usage.may_sign is not None or usage.may_certify is not None:
        signs, certifies = bool(usage.may_sign), bool(usage.may_certify)
        key_usage = x509.KeyUsage(
            digital_signature=signs,
            content_commitment=signs,
            key_encipherment=not signs and not certifies,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=certifies,
            crl_sign=certifies,
            encipher_only=False,
            decipher_only=False,
        )
        extensions.append((key_usage, True))
    if usage.permitted_host is not None:
        constraints = x509.NameConstraints([x509.DNSName(usage.permitted_host)], None)
        extensions.append((constraints, True))
    if usage.purposes:
        extensions.append((x509.ExtendedKeyUsage(usage.purposes), False))
    if usage.critical_unknown:
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")
        extensions.append((x509.UnrecognizedExtension(oid, b"\x05\x00"), True))
    return extensions


_RSA_DIGESTS: Final = {
    "md5": (bytes.fromhex("2a864886f70d010104"), bytes.fromhex("3020300c06082a864886f70d020505000410")),
    "sha1": (bytes.fromhex("2a864886f70d010105"), bytes.fromhex("3021300906052b0e03021a05000414")),
}
_RSA_SHA256: Final = bytes.fromhex("2a864886f70d01010b")


def weakly_signed(holder: Holder, issuer: Holder, digest: str) -> Holder:
    """Sign a certificate anew with RSA and MD5 or SHA-1, as authorities once did; no library will."""
    oid, prefix = _RSA_DIGESTS[digest]
    tbs = holder.certificate.tbs_certificate_bytes.replace(_RSA_SHA256, oid, 1)
    return _assembled(holder, issuer, tbs, oid, prefix + hashlib.new(digest, tbs).digest())


def with_exponent_one(holder: Holder, issuer: Holder) -> Holder:
    """Give a certificate whose RSA key has the exponent 1: everything is its own signature."""
    assert isinstance(holder.key, rsa.RSAPrivateKey)
    modulus = holder.key.public_key().public_numbers().n
    number = b"\x00" + modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")
    key = _der(0x30, _der(0x02, number) + _der(0x02, b"\x01"))
    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    spki = _der(0x30, algorithm + _der(0x03, b"\x00" + key))
    tbs = holder.certificate.tbs_certificate_bytes
    old = holder.key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert tbs[:2] == b"\x30\x82"
    assert old in tbs
    tbs = _der(0x30, tbs[4:].replace(old, spki))
    prefix = bytes.fromhex("3031300d060960864801650304020105000420")
    return _assembled(holder, issuer, tbs, _RSA_SHA256, prefix + hashlib.sha256(tbs).digest())


def of_first_version(holder: Holder, issuer: Holder) -> Holder:
    """Sign a certificate anew as X.509 version 1, without extensions; no library will."""
    content = _elements(holder.certificate.tbs_certificate_bytes)[0][1]
    # RFC 5280, 4.1: version is tagged [0], extensions [3].
    tbs = _der(
        0x30, b"".join(_der(tag, value) for tag, value in _elements(content) if tag not in {0xA0, 0xA3})
    )
    algorithm = next(_der(tag, value) for tag, value in _elements(content) if tag == 0x30)
    digest = hashes.SHA256()
    if isinstance(issuer.key, rsa.RSAPrivateKey):
        value = issuer.key.sign(tbs, padding.PKCS1v15(), digest)
    else:
        value = issuer.key.sign(tbs, ec.ECDSA(digest))
    der = _der(0x30, tbs + algorithm + _der(0x03, b"\x00" + value))
    certificate = x509.load_der_x509_certificate(der)
    return Holder(key=holder.key, certificate=certificate, issuers=holder.issuers)


def _assembled(holder: Holder, issuer: Holder, tbs: bytes, oid: bytes, digest_value: bytes) -> Holder:
    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    numbers = issuer.key.private_numbers()
    size = (numbers.public_numbers.n.bit_length() + 7) // 8
    padded = b"\x00\x01" + b"\xff" * (size - len(digest_value) - 3) + b"\x00" + digest_value
    value = pow(int.from_bytes(padded), numbers.d, numbers.public_numbers.n).to_bytes(size)
    algorithm = _der(0x30, _der(0x06, oid) + b"\x05\x00")
    der = _der(0x30, tbs + algorithm + _der(0x03, b"\x00" + value))
    certificate = x509.load_der_x509_certificate(der)
    return Holder(key=holder.key, certificate=certificate, issuers=holder.issuers)


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """Split DER into tags and contents."""
    found = []
    while der:
        size, head = der[1], 2
        if size & 0x80:
            head += size & 0x7F
            size = int.from_bytes(der[2:head])
        found.append((der[0], der[head : head + size]))
        der = der[head + size :]
    return found


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


@dataclass(frozen=True, kw_only=True)
class Infrastructure:
    """The authorities of a province, and the people of one school."""

    root: Holder
    authority: Holder
    public_root: Holder
    public_authority: Holder
    seal: Holder
    head: Holder
    class_teacher: Holder
    subject_teacher: Holder

    @property
    def intermediates(self) -> Sequence[x509.Certificate]:
        return (self.authority.certificate, self.public_authority.certificate)


@cache
def infrastructure() -> Infrastructure:
    """Give the one infrastructure of this run, with the people of ``builders.transcripts``."""
    root = issue("Root CA thử nghiệm", private_key("p384", 1), usage=AUTHORITY)
    authority = issue("CA cơ quan nhà nước thử nghiệm", private_key("rsa2048", 2), root, usage=AUTHORITY)
    public_root = issue("Root CA công cộng thử nghiệm", private_key("p384", 3), usage=AUTHORITY)
    public_authority = issue("CA công cộng thử nghiệm", private_key("p256", 4), public_root, usage=AUTHORITY)
    return Infrastructure(
        root=root,
        authority=authority,
        public_root=public_root,
        public_authority=public_authority,
        seal=issue("Trường thử nghiệm số 1", private_key("rsa2048", 5), authority),
        head=issue("Y Bhăm Êban", private_key("p256", 6), authority, user_id="CCCD:066080000002"),
        class_teacher=issue("H'Blơm Niê", private_key("p256", 7), authority, user_id="CCCD:066190000001"),
        subject_teacher=issue("Trần Văn Đức", private_key("p384", 8), authority),
    )
