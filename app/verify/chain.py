"""Certification paths (RFC 5280, 6) from a signer's certificate to a trust anchor, as of a moment.

The path is built and checked by ``cryptography.x509.verification``; what is asked here besides is what that
library leaves to a profile: what the key may be used for, how strong the keys and signatures on the way are.
A path that fails is walked once more to name the reason. Revocation is a separate question.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import verification

from app.findings import Finding, finding
from app.verify.path_walk import MAX_PATH_LENGTH, has_issued, is_authority, walk
from app.verify.place import shown
from app.verify.policy import AcceptancePolicy
from app.verify.signature_value import describe_key, is_strong
from app.verify.verdict import Indication

_QUOTED: Final = re.compile(r":? ?(?:AlgorithmIdentifier|[<{(]).*", re.DOTALL)


class OwnerClass(StrEnum):
    """Whose authorities an anchor stands for."""

    PUBLIC_SECTOR = "public_sector"  # Ban Cơ yếu Chính phủ (VGCA): chữ ký số chuyên dùng công vụ
    LICENSED_PUBLIC = "licensed_public"  # CAs licensed to serve the public (chữ ký số công cộng)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchor:
    """A certificate in which paths end, and for whom."""

    certificate: x509.Certificate
    owner_class: OwnerClass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrustList:
    """The anchors in force, with further authorities' certificates that may stand between.

    Compared by identity, so that it can key caches: make one object for one version and keep it.
    """

    version: str
    anchors: tuple[TrustAnchor, ...]
    intermediates: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PathVerdict:
    """Whether a path leads from a certificate to an anchor.

    Attributes:
        indication: PASSED or FAILED.
        finding: the reason for FAILED, without a place in any document.
        chain: the certificates from the signer's to the anchor; empty where FAILED.
        owner_class: whose anchor the path ends in; None where FAILED.
    """

    indication: Indication
    finding: Finding | None = None
    chain: tuple[x509.Certificate, ...] = ()
    owner_class: OwnerClass | None = None


def build_path(
    leaf: x509.Certificate,
    intermediates: tuple[x509.Certificate, ...],
    trust: TrustList,
    policy: AcceptancePolicy,
    at: datetime,
) -> PathVerdict:
    """Find the path from a signer's certificate to an anchor as it stood at a moment (RFC 5280, 6.1).

    Refuses: outside the certificate's validity (KS-034, KS-035), a version not for signers (KS-056), a
    certificate not made for signing (KS-036) or only for other purposes (KS-058), a weak key (KS-024), a
    weak signature on a certificate (KS-037), an issuer that is no authority (KS-055), an authority's
    certificate outside its validity (KS-038), no path (KS-039), and any other breach of RFC 5280 (KS-040).

    Args:
        leaf: the signer's certificate.
        intermediates: further certificates that came with it; they are believed nothing.
        trust: the trust list.
        policy: what keys and digests are accepted.
        at: the moment, aware.
    """
    known = _path_of_day(leaf, intermediates, trust, policy, at.astimezone(UTC).date().toordinal())
    return known if known is not None else _build_path(leaf, intermediates, trust, policy, at)


@lru_cache(maxsize=1024)
def _path_of_day(
    leaf: x509.Certificate,
    intermediates: tuple[x509.Certificate, ...],
    trust: TrustList,
    policy: AcceptancePolicy,
    day: int,
) -> PathVerdict | None:
    """Give the path that holds for a whole UTC day; None where none does."""
    try:
        start = datetime.combine(datetime.fromordinal(day), time.min, UTC)
        end = start + timedelta(days=1)
    except OverflowError:
        return None
    verdict = _build_path(leaf, intermediates, trust, policy, start)
    if verdict.indication is Indication.PASSED and all(c.not_valid_after_utc >= end for c in verdict.chain):
        return verdict
    return None


def _build_path(
    leaf: x509.Certificate,
    intermediates: tuple[x509.Certificate, ...],
    trust: TrustList,
    policy: AcceptancePolicy,
    at: datetime,
) -> PathVerdict:
    flaw = _leaf_flaw(leaf, policy, at)
    if flaw is not None:
        return _failed(flaw)
    pool = (*intermediates, *trust.intermediates)
    # The library takes seconds without a zone, in UTC.
    moment = at.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    try:
        verifier = _verifier(trust).time(moment).build_client_verifier()
        chain = _verified_chain(verifier, leaf, pool, trust, at)
    except (verification.VerificationError, UnsupportedAlgorithm, ValueError) as error:
        return _failed(_diagnose(leaf, pool, trust, policy=policy, at=at, reason=_reason(error)))
    for certificate in chain[1:-1]:
        flaw = _strength_flaw(certificate, policy)
        if flaw is not None:
            return _failed(flaw)
    anchor = next(anchor for anchor in trust.anchors if anchor.certificate == chain[-1])
    return PathVerdict(indication=Indication.PASSED, chain=chain, owner_class=anchor.owner_class)


def _verified_chain(
    verifier: verification.ClientVerifier,
    leaf: x509.Certificate,
    pool: tuple[x509.Certificate, ...],
    trust: TrustList,
    at: datetime,
) -> tuple[x509.Certificate, ...]:
    """Let the library verify a path, and walk one that it does not read; what is refused it raises."""
    try:
        return tuple(verifier.verify(leaf, list(pool)).chain)
    except verification.VerificationError:
        walked = walk(leaf, tuple(anchor.certificate for anchor in trust.anchors), pool, at)
        if walked is None:
            raise
        return walked


def _reason(error: Exception) -> str:
    """Give the library's reason without what it quotes: it names holders, who are people and have numbers."""
    words = str(error).removeprefix("validation failed: ").removeprefix("candidates exhausted: ")
    return _QUOTED.sub("", words)[:200]


def _failed(reason: Finding) -> PathVerdict:
    return PathVerdict(indication=Indication.FAILED, finding=reason)


@lru_cache(maxsize=8)
def _verifier(trust: TrustList) -> verification.PolicyBuilder:
    """Prepare RFC 5280 without the web's additions: a person's certificate names no host."""
    authority = (
        verification.ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _require_certificate_signing)
    )
    store = verification.Store([anchor.certificate for anchor in trust.anchors])
    return (
        verification.PolicyBuilder()
        .store(store)
        .max_chain_depth(MAX_PATH_LENGTH)
        .extension_policies(ca_policy=authority, ee_policy=verification.ExtensionPolicy.permit_all())
    )


def _require_certificate_signing(
    _policy: verification.Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    """RFC 5280, 6.1.4 (n): an authority whose key usage is stated may sign certificates."""
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("keyCertSign is not asserted")


def _leaf_flaw(leaf: x509.Certificate, policy: AcceptancePolicy, at: datetime) -> Finding | None:
    if at < leaf.not_valid_before_utc:
        return finding("KS-034", at=at.isoformat(), since=leaf.not_valid_before_utc.isoformat())
    if at > leaf.not_valid_after_utc:
        return finding("KS-035", at=at.isoformat(), until=leaf.not_valid_after_utc.isoformat())
    if _version(leaf) not in policy.signer_versions:
        return finding("KS-056", version=str(_version(leaf)))
    if not _may_sign(leaf):
        return finding("KS-036")
    foreign = _foreign_purposes(leaf, policy)
    if foreign:
        return finding("KS-058", purposes=", ".join(foreign))
    return _strength_flaw(leaf, policy)


def _version(certificate: x509.Certificate) -> int:
    """Give the version as it is spoken of: it is written one less (RFC 5280, 4.1.2.1)."""
    return certificate.version.value + 1


def _may_sign(leaf: x509.Certificate) -> bool:
    """RFC 5280, 4.2.1.3: where key usage is stated, it allows signing; an authority's does not count."""
    try:
        if leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return usage.digital_signature or usage.content_commitment


def _foreign_purposes(leaf: x509.Certificate, policy: AcceptancePolicy) -> list[str]:
    """RFC 5280, 4.2.1.12: name the purposes of a certificate that is for no signing."""
    try:
        purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return []
    names = [policy.foreign_purposes.get(purpose.dotted_string) for purpose in purposes]
    return [] if None in names else [name for name in names if name is not None]


def _strength_flaw(certificate: x509.Certificate, policy: AcceptancePolicy) -> Finding | None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return finding("KS-024", key=certificate.public_key_algorithm_oid.dotted_string)
    if not is_strong(key, policy):
        return finding("KS-024", key=describe_key(key))
    algorithm = _digest_name(certificate)
    if algorithm not in policy.certificate_digests:
        return finding("KS-037", algorithm=algorithm, issuer=_issuer(certificate))
    return None


def _digest_name(certificate: x509.Certificate) -> str:
    """Name the digest that a certificate is signed with, or the algorithm's number where it has none."""
    try:
        digest = certificate.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError):
        digest = None
    return digest.name if digest is not None else certificate.signature_algorithm_oid.dotted_string


def _issuer(certificate: x509.Certificate) -> str:
    """Name a certificate's issuer; whoever made the certificate chose the words."""
    names = certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return shown(str(names[0].value) if names else certificate.issuer.rfc4514_string())


def _diagnose(
    leaf: x509.Certificate,
    pool: tuple[x509.Certificate, ...],
    trust: TrustList,
    *,
    policy: AcceptancePolicy,
    at: datetime,
    reason: str,
) -> Finding:
    """Walk up from a certificate without a path, and name the first thing in the way."""
    anchors = tuple(anchor.certificate for anchor in trust.anchors)
    current = leaf
    for _ in range(MAX_PATH_LENGTH):
        if current in anchors:
            break
        issuer = next((c for c in (*anchors, *pool) if has_issued(c, current)), None)
        if issuer is None or issuer == current:
            return finding("KS-039", issuer=_issuer(current))
        if not is_authority(issuer):
            return finding("KS-055", issuer=_issuer(current))
        if not issuer.not_valid_before_utc <= at <= issuer.not_valid_after_utc:
            return finding(
                "KS-038",
                issuer=_issuer(current),
                since=issuer.not_valid_before_utc.isoformat(),
                until=issuer.not_valid_after_utc.isoformat(),
            )
        flaw = _strength_flaw(issuer, policy) if issuer not in anchors else None
        if flaw is not None:
            return flaw
        current = issuer
    return finding("KS-040", reason=reason)


@lru_cache(maxsize=4096)
def fingerprint_of(certificate: x509.Certificate) -> str:
    """Give the SHA-256 of a certificate's DER as 64 lower-case hex digits."""
    return certificate.fingerprint(hashes.SHA256()).hex()


@lru_cache(maxsize=4096)
def subject_of(certificate: x509.Certificate) -> str:
    """Give the name of a certificate's holder as one line (RFC 4514)."""
    return certificate.subject.rfc4514_string()
