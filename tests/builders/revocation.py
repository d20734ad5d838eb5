"""Revocation lists and OCSP answers of test authorities, sound ones and rotten ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from app.client.keys import PrivateKey
from app.demo.authority import Authority, Credential
from tests.builders.pki import private_key

Signer = tuple[x509.Certificate, PrivateKey]


@dataclass(frozen=True, kw_only=True)
class Revoked:
    """One entry of a list."""

    at: datetime
    reason: x509.ReasonFlags | None = None
    invalid_since: datetime | None = None
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = ()


def make_crl(
    signer: Signer,
    *,
    this_update: datetime,
    revoked: Mapping[int, Revoked] | None = None,
    lasts: timedelta = timedelta(days=7),
    number: int = 1,
    digest: hashes.SHA224 | hashes.SHA256 | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """Make a list, DER; ``extensions`` come besides its number."""
    certificate, key = signer
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate.subject)
        .last_update(this_update)
        .next_update(this_update + lasts)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    for serial, entry in (revoked or {}).items():
        builder = builder.add_revoked_certificate(_entry(serial, entry))
    return builder.sign(key, digest or hashes.SHA256()).public_bytes(Encoding.DER)


def _entry(serial: int, entry: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(entry.at)
    if entry.reason is not None:
        builder = builder.add_extension(x509.CRLReason(entry.reason), critical=False)
    if entry.invalid_since is not None:
        builder = builder.add_extension(x509.InvalidityDate(entry.invalid_since), critical=False)
    for extension, is_critical in entry.extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    return builder.build()


def point(
    *,
    address: str | None = None,
    users: bool = False,
    authorities: bool = False,
    indirect: bool = False,
    attributes: bool = False,
    reasons: frozenset[x509.ReasonFlags] | None = None,
) -> x509.IssuingDistributionPoint:
    """The extension that says what a list is for."""
    return x509.IssuingDistributionPoint(
        full_name=None if address is None else [x509.UniformResourceIdentifier(address)],
        relative_name=None,
        only_contains_user_certs=users,
        only_contains_ca_certs=authorities,
        only_some_reasons=reasons,
        indirect_crl=indirect,
        only_contains_attribute_certs=attributes,
    )


def seal_with_responder(authority: Authority, address: str) -> Credential:
    """A seal that names a responder."""
    described = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(address)
    )
    return _issued(authority, "Trường có OCSP", 0x0C5F, x509.AuthorityInformationAccess([described]))


def delegate(authority: Authority) -> Credential:
    """A responder by the authority's leave."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    return _issued(authority, "OCSP", 0x0C5A, usage)


def _issued(authority: Authority, name: str, serial: int, extension: x509.ExtensionType) -> Credential:
    key = private_key("p256", serial)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.issuing.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(datetime(2026, 5, 1, tzinfo=UTC))
        # The library stamps an answer with the machine's own time.
        .not_valid_after(datetime(2126, 1, 1, tzinfo=UTC))
        .add_extension(extension, critical=False)
        .sign(authority.issuing.key, hashes.SHA256())
    )
    return Credential(certificate=certificate, key=key)


def make_ocsp(
    signer: Signer,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    *,
    this_update: datetime,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    lasts: timedelta | None = timedelta(days=1),
    revoked_at: datetime | None = None,
    reason: x509.ReasonFlags | None = None,
    carried: Sequence[x509.Certificate] = (),
    digest: hashes.SHA224 | hashes.SHA256 | None = None,
) -> bytes:
    """Make an answer, DER."""
    responder, key = signer
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certificate,
            issuer=issuer,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=this_update,
            next_update=None if lasts is None else this_update + lasts,
            revocation_time=revoked_at,
            revocation_reason=reason,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder)
    )
    if carried:
        builder = builder.certificates(list(carried))
    return builder.sign(key, digest or hashes.SHA256()).public_bytes(Encoding.DER)
