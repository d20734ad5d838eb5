"""Certificate revocation lists (CRL, danh sách chứng thư số bị thu hồi; RFC 5280, 5 and 6.3). Pure.

A list is believed when its issuer, an authority on the trust list, has signed it. Lists that tell a part only
are refused, each with a code of its own: differences to another list (delta), other authorities' certificates
(indirect), only some reasons.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from app.findings import Finding, finding
from app.verify.policy import AcceptancePolicy
from app.verify.revocation.answer import (
    NOTHING_KNOWN,
    Evidence,
    EvidenceKind,
    RevocationAnswer,
    RevocationStatus,
)
from app.verify.signature_value import describe_key, is_strong

_PEM_BEGIN: Final = b"-----BEGIN X509 CRL-----"

# What a list may say as critical, because it is read here. AuthorityKeyIdentifier only names the key that the
# signature is verified with anyway.
_KNOWN: Final = (
    x509.AuthorityKeyIdentifier,
    x509.CRLNumber,
    x509.DeltaCRLIndicator,
    x509.IssuingDistributionPoint,
)
_KNOWN_OF_ENTRY: Final = (x509.CRLReason, x509.InvalidityDate, x509.CertificateIssuer)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedEntry:
    """One revoked certificate."""

    revoked_at: datetime
    reason: x509.ReasonFlags
    invalid_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListScope:
    """Which certificates of its issuer a list speaks of (RFC 5280, 5.2.5).

    Attributes:
        addresses: of the distribution point it is for; empty: for all.
    """

    only_users: bool = False
    only_authorities: bool = False
    addresses: frozenset[str] = frozenset()

    def covers(self, certificate: x509.Certificate) -> bool:
        """Say whether the list speaks of this certificate."""
        is_authority = _is_authority(certificate)
        if (self.only_users and is_authority) or (self.only_authorities and not is_authority):
            return False
        return not self.addresses or not self.addresses.isdisjoint(list_addresses(certificate))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RevocationList:
    """A list that was checked, ready to be asked.

    Attributes:
        issuer: whose certificates it speaks of.
        entries: the revoked ones by serial number.
    """

    issuer: x509.Name
    evidence: Evidence
    scope: ListScope
    entries: Mapping[int, RevokedEntry]

    def answer(self, certificate: x509.Certificate) -> RevocationAnswer:
        """Say what the list knows of a certificate of its issuer's; nothing, where it does not speak of it.

        That an expired certificate is not named means nothing: authorities take those off their lists.
        """
        if certificate.issuer != self.issuer or not self.scope.covers(certificate):
            return NOTHING_KNOWN
        entry = self.entries.get(certificate.serial_number)
        if entry is None:
            if certificate.not_valid_after_utc < self.evidence.produced_at:
                return NOTHING_KNOWN
            return RevocationAnswer(status=RevocationStatus.GOOD, evidence=self.evidence)
        is_held = entry.reason is x509.ReasonFlags.certificate_hold
        return RevocationAnswer(
            status=RevocationStatus.ON_HOLD if is_held else RevocationStatus.REVOKED,
            evidence=self.evidence,
            revoked_at=entry.revoked_at,
            invalid_since=entry.invalid_since,
            reason=entry.reason,
        )


def parse_crl(content: bytes) -> x509.CertificateRevocationList | Finding:
    """Read one list, PEM or DER; KS-070 where it is none, or none that can be read to its end."""
    try:
        load = x509.load_pem_x509_crl if _PEM_BEGIN in content else x509.load_der_x509_crl
        crl = load(content)
        # Read lazily by the library: what is unreadable shall show here, and only here.
        _ = (crl.issuer, list(crl.extensions), crl.last_update_utc, crl.next_update_utc)
        for entry in crl:
            _ = list(entry.extensions)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return finding("KS-070")
    return crl


def crl_flaw(
    crl: x509.CertificateRevocationList, issuer: x509.Certificate, acceptance: AcceptancePolicy, now: datetime
) -> Finding | None:
    """Give the reason why a list is not believed, if there is one.

    Refuses a weak digest or key (KS-073), an authority that may not sign lists (KS-074), a signature that
    does not hold (KS-072), a list from the future or without a next update (KS-079), and what
    ``_scope_flaw`` and ``_entry_flaw`` say.

    Args:
        crl: as ``parse_crl`` gave it.
        issuer: the authority's certificate; it has the list's issuer for its subject, and is trusted.
        acceptance: what keys and digests are accepted.
        now: aware.
    """
    name = crl.issuer.rfc4514_string()
    weakness = _weakness(crl, issuer, acceptance)
    if weakness is not None:
        return finding("KS-073", issuer=name, algorithm=weakness)
    if not _may_sign_lists(issuer):
        return finding("KS-074", issuer=name)
    if crl.issuer != issuer.subject or not _has_signed(issuer, crl):
        return finding("KS-072", issuer=name)
    if crl.next_update_utc is None or crl.last_update_utc > now:
        since, until = crl.last_update_utc.isoformat(), crl.next_update_utc
        return finding("KS-079", issuer=name, since=since, until="-" if until is None else until.isoformat())
    return _scope_flaw(crl, name) or _entry_flaw(crl, name)


def _weakness(
    crl: x509.CertificateRevocationList, issuer: x509.Certificate, acceptance: AcceptancePolicy
) -> str | None:
    """Name the digest or key that is not accepted."""
    try:
        digest, key = crl.signature_hash_algorithm, issuer.public_key()
    except (UnsupportedAlgorithm, ValueError):
        return crl.signature_algorithm_oid.dotted_string
    if digest is None or digest.name not in acceptance.certificate_digests:
        return digest.name if digest is not None else crl.signature_algorithm_oid.dotted_string
    return None if is_strong(key, acceptance) else describe_key(key)


def _has_signed(issuer: x509.Certificate, crl: x509.CertificateRevocationList) -> bool:
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # others: TypeError
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return False


def _scope_flaw(crl: x509.CertificateRevocationList, name: str) -> Finding | None:
    """Refuse differences (KS-076), indirect lists (KS-075), partial ones (KS-078), the unknown (KS-077)."""
    unknown = _unknown_critical(crl.extensions, _KNOWN)
    if unknown is not None:
        return finding("KS-077", issuer=name, extension=unknown)
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            return finding("KS-076", issuer=name, number=str(value.crl_number))
        if isinstance(value, x509.IssuingDistributionPoint):
            if value.indirect_crl:
                return finding("KS-075", issuer=name)
            if value.only_some_reasons or value.only_contains_attribute_certs or value.relative_name:
                return finding("KS-078", issuer=name)
            if value.full_name is not None and not _addresses(value.full_name):
                return finding("KS-078", issuer=name)
    return None


def _entry_flaw(crl: x509.CertificateRevocationList, name: str) -> Finding | None:
    for entry in crl:
        unknown = _unknown_critical(entry.extensions, _KNOWN_OF_ENTRY)
        if unknown is not None:
            return finding("KS-077", issuer=name, extension=unknown)
        if any(isinstance(extension.value, x509.CertificateIssuer) for extension in entry.extensions):
            return finding("KS-075", issuer=name)
    return None


def _unknown_critical(
    extensions: Iterable[x509.Extension[x509.ExtensionType]], known: tuple[type[x509.ExtensionType], ...]
) -> str | None:
    """RFC 5280, 5.2: a list with a critical extension that is not understood says nothing."""
    for extension in extensions:
        if extension.critical and not isinstance(extension.value, known):
            return extension.oid.dotted_string
    return None


def _may_sign_lists(issuer: x509.Certificate) -> bool:
    """RFC 5280, 6.3.3 (f): an issuer whose key usage is stated may sign lists."""
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True


def revocation_list(crl: x509.CertificateRevocationList) -> RevocationList:
    """Make a list that has no flaw ready to be asked."""
    assert crl.next_update_utc is not None
    entries: dict[int, RevokedEntry] = {}
    for revoked in crl:
        entry = _entry(revoked)
        known = entries.get(revoked.serial_number)
        if known is None or entry.revoked_at < known.revoked_at:
            entries[revoked.serial_number] = entry
    return RevocationList(
        issuer=crl.issuer,
        evidence=Evidence(
            kind=EvidenceKind.CRL,
            sha256=hashlib.sha256(crl.public_bytes(Encoding.DER)).hexdigest(),
            number=crl_number(crl),
            produced_at=crl.last_update_utc,
            next_update=crl.next_update_utc,
        ),
        scope=crl_scope(crl),
        entries=MappingProxyType(entries),
    )


def _entry(revoked: x509.RevokedCertificate) -> RevokedEntry:
    reason, invalid_since = x509.ReasonFlags.unspecified, None
    for extension in revoked.extensions:
        if isinstance(extension.value, x509.CRLReason):
            reason = extension.value.reason
        elif isinstance(extension.value, x509.InvalidityDate):
            invalid_since = extension.value.invalidity_date_utc
    return RevokedEntry(revoked_at=revoked.revocation_date_utc, reason=reason, invalid_since=invalid_since)


def crl_number(crl: x509.CertificateRevocationList) -> int | None:
    """Give the list's number, where it has one."""
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None


def crl_scope(crl: x509.CertificateRevocationList) -> ListScope:
    """Give which certificates the list speaks of."""
    try:
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return ListScope()
    return ListScope(
        only_users=point.only_contains_user_certs,
        only_authorities=point.only_contains_ca_certs,
        addresses=_addresses(point.full_name or ()),
    )


def list_addresses(certificate: x509.Certificate) -> frozenset[str]:
    """Give where a certificate says that its issuer's lists are (RFC 5280, 4.2.1.13)."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return frozenset()
    return frozenset().union(*(_addresses(point.full_name or ()) for point in points))


def _addresses(names: Iterable[x509.GeneralName]) -> frozenset[str]:
    return frozenset(
        name.value if isinstance(name, x509.UniformResourceIdentifier) else name.value.rfc4514_string()
        for name in names
        if isinstance(name, x509.UniformResourceIdentifier | x509.DirectoryName)
    )


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
