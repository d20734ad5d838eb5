"""A test PKI for the demo province: two hierarchies of certification authorities and what they issue.

One stands for the public-sector authorities (Ban Cơ yếu Chính phủ), one for the licensed public ones. Every
name says THỬ NGHIỆM (test), so that nobody mistakes one of these for a real authority.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

# Nghị định 23/2025: root 25 years, a public authority 10, a subscriber at most 3.
ROOT_LIFE: Final = timedelta(days=25 * 365)
ISSUING_LIFE: Final = timedelta(days=10 * 365)
SUBSCRIBER_LIFE: Final = timedelta(days=3 * 365)
# A certificate is a while old when it first signs for the year.
LEAD_TIME: Final = timedelta(days=120)


class OwnerClass(StrEnum):
    """Whose authorities these are: which class of schools may use their certificates."""

    PUBLIC_SECTOR = "public_sector"
    LICENSED_PUBLIC = "licensed_public"


class KeyKind(StrEnum):
    """The keys the demo mixes."""

    RSA_2048 = "rsa-2048"
    P_256 = "p-256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A certificate with its private key (chứng thư số và khóa bí mật)."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone, as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The private key as PKCS#8 PEM, not encrypted: it protects nothing but a demo."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A root and the authority below it that issues to subscribers."""

    owner_class: OwnerClass
    root: Credential
    issuing: Credential

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """What a trust list holds of this hierarchy: signers send their own certificate only."""
        return (self.root.certificate, self.issuing.certificate)


_NAMES: Final = {
    OwnerClass.PUBLIC_SECTOR: (
        "Ban Cơ yếu Chính phủ (THỬ NGHIỆM)",
        "CA gốc chuyên dùng Chính phủ (THỬ NGHIỆM)",
        "CA phục vụ các cơ quan nhà nước (THỬ NGHIỆM)",
    ),
    OwnerClass.LICENSED_PUBLIC: (
        "Tổ chức cung cấp dịch vụ chứng thực công cộng (THỬ NGHIỆM)",
        "CA gốc quốc gia (THỬ NGHIỆM)",
        "CA công cộng được cấp phép (THỬ NGHIỆM)",
    ),
}


def found_authority(owner_class: OwnerClass, *, at: datetime) -> Authority:
    """Found a hierarchy that is valid from two years before the moment, with new random keys."""
    organisation, root_name, issuing_name = _NAMES[owner_class]
    founded_at = at - timedelta(days=730)
    root_key, issuing_key = new_key(KeyKind.RSA_2048), new_key(KeyKind.RSA_2048)
    root_subject = _subject(organisation=organisation, common_name=root_name)
    root = _certificate(
        subject=root_subject,
        issuer=root_subject,
        public_key=root_key,
        signing_key=root_key,
        valid_from=founded_at,
        life=ROOT_LIFE,
        path_length=1,
    )
    issuing = _certificate(
        subject=_subject(organisation=organisation, common_name=issuing_name),
        issuer=root_subject,
        public_key=issuing_key,
        signing_key=root_key,
        valid_from=founded_at + timedelta(days=1),
        life=ISSUING_LIFE,
        path_length=0,
    )
    return Authority(
        owner_class=owner_class,
        root=Credential(certificate=root, key=root_key),
        issuing=Credential(certificate=issuing, key=issuing_key),
    )


def issue_seal(
    authority: Authority,
    *,
    school_name: str,
    locality: str,
    at: datetime,
    kind: KeyKind = KeyKind.RSA_2048,
) -> Credential:
    """Issue an organisation's certificate (con dấu số): it names the school, and carries no school code."""
    subject = _subject(organisation=school_name, common_name=school_name, locality=locality)
    return _issue(authority, subject, at=at, kind=kind)


def issue_personal(
    authority: Authority,
    *,
    full_name: str,
    identity_number: str,
    school_name: str,
    title: str,
    at: datetime,
    kind: KeyKind = KeyKind.P_256,
) -> Credential:
    """Issue a person's certificate: name, title, organisation, and the identity number in UID."""
    subject = _subject(
        organisation=school_name, common_name=full_name, title=title, user_id=f"CCCD:{identity_number}"
    )
    return _issue(authority, subject, at=at, kind=kind)


def new_key(kind: KeyKind) -> PrivateKey:
    """Make a random key."""
    if kind is KeyKind.P_256:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _issue(authority: Authority, subject: x509.Name, *, at: datetime, kind: KeyKind) -> Credential:
    key = new_key(kind)
    certificate = _certificate(
        subject=subject,
        issuer=authority.issuing.certificate.subject,
        public_key=key,
        signing_key=authority.issuing.key,
        valid_from=at - LEAD_TIME,
        life=SUBSCRIBER_LIFE,
        path_length=None,
    )
    return Credential(certificate=certificate, key=key)


def _subject(
    *,
    organisation: str,
    common_name: str,
    locality: str | None = None,
    title: str | None = None,
    user_id: str | None = None,
) -> x509.Name:
    # RFC 5280, appendix A: at most 64 characters each; longer school names are cut, as real issuers do.
    named = [
        (NameOID.COUNTRY_NAME, "VN"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Đắk Lắk" if locality or title else None),
        (NameOID.LOCALITY_NAME, locality),
        (NameOID.ORGANIZATION_NAME, organisation[:64]),
        (NameOID.TITLE, title),
        (NameOID.COMMON_NAME, common_name[:64]),
        (NameOID.USER_ID, user_id),
    ]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in named if value])


def _certificate(
    *,
    subject: x509.Name,
    issuer: x509.Name,
    public_key: PrivateKey,
    signing_key: PrivateKey,
    valid_from: datetime,
    life: timedelta,
    path_length: int | None,
) -> x509.Certificate:
    is_authority = path_length is not None
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(public_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid_from)
        .not_valid_after(valid_from + life)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=path_length), critical=True)
        .add_extension(_key_usage(is_authority=is_authority), critical=True)
        .add_extension(key_identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False
        )
    )
    return builder.sign(signing_key, hashes.SHA256())


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=not is_authority,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
