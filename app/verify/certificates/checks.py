"""Automatic checks (kiểm tra tự động) that an officer sees beside a certificate; pure.

They advise. What is refused here is refused again at every signature, so an approval by mistake lets
nothing forged in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509

from app.findings import Finding, finding
from app.formats.profile import SignerRole
from app.verify.chain import OwnerClass, PathVerdict, TrustList, build_path
from app.verify.policy import AcceptancePolicy
from app.verify.signature_value import describe_key, is_strong
from app.verify.verdict import Indication

_USAGE_CODES: Final = frozenset({"KS-036", "KS-058"})


class CheckName(StrEnum):
    """What is looked at."""

    VALIDITY = "validity"
    KEY_SIZE = "key_size"
    KEY_USAGE = "key_usage"
    CHAIN = "chain"
    OWNER_CLASS = "owner_class"
    REVOCATION = "revocation"
    SAME_KEY = "same_key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check's answer; INDETERMINATE where an earlier failure leaves it open, or people must judge."""

    name: CheckName
    indication: Indication
    finding: Finding | None = None


def check_certificate(
    certificate: x509.Certificate,
    *,
    role: SignerRole,
    trust: TrustList,
    acceptance: AcceptancePolicy,
    seal_owner_classes: frozenset[OwnerClass],
    same_key: Sequence[str],
    now: datetime,
) -> tuple[Check, ...]:
    """Check a certificate that awaits a decision.

    Args:
        certificate: as registered.
        role: what it is registered to sign as.
        trust: the trust list in force.
        acceptance: what keys and digests are accepted.
        seal_owner_classes: whose anchors this school's seal may lead to (Ban Cơ yếu for public schools).
        same_key: where else the key is registered.
        now: aware.
    """
    # An expired certificate is looked at as of its last day, so that its other flaws show as well.
    at = min(max(now, certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    path = build_path(certificate, (), trust, acceptance, at)
    return (
        _validity(certificate, now),
        _key_size(certificate, acceptance),
        _key_usage(path),
        _chain(path),
        _owner_class(path, role, seal_owner_classes),
        _same_key(same_key),
    )


def _answer(name: CheckName, reason: Finding | None, otherwise: Indication = Indication.FAILED) -> Check:
    return Check(name=name, indication=Indication.PASSED if reason is None else otherwise, finding=reason)


def _validity(certificate: x509.Certificate, now: datetime) -> Check:
    since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    is_current = since <= now <= until
    reason = finding("QH-035", since=since.isoformat(), until=until.isoformat())
    return _answer(CheckName.VALIDITY, None if is_current else reason)


def _key_size(certificate: x509.Certificate, acceptance: AcceptancePolicy) -> Check:
    key = certificate.public_key()
    reason = None if is_strong(key, acceptance) else finding("KS-024", key=describe_key(key))
    return _answer(CheckName.KEY_SIZE, reason)


def _key_usage(path: PathVerdict) -> Check:
    is_for_signing = path.finding is None or path.finding.code not in _USAGE_CODES
    return _answer(CheckName.KEY_USAGE, None if is_for_signing else path.finding)


def _chain(path: PathVerdict) -> Check:
    """A certificate whose own key or usage is refused is not followed up to an anchor."""
    is_unfollowed = path.finding is not None and path.finding.code in {*_USAGE_CODES, "KS-024"}
    return _answer(
        CheckName.CHAIN, path.finding, Indication.INDETERMINATE if is_unfollowed else Indication.FAILED
    )


def _owner_class(path: PathVerdict, role: SignerRole, accepted: frozenset[OwnerClass]) -> Check:
    if role is not SignerRole.SCHOOL:
        return _answer(CheckName.OWNER_CLASS, None)
    if path.owner_class is None:
        return _answer(CheckName.OWNER_CLASS, path.finding, Indication.INDETERMINATE)
    if path.owner_class in accepted:
        return _answer(CheckName.OWNER_CLASS, None)
    names = ", ".join(sorted(accepted))
    return _answer(
        CheckName.OWNER_CLASS, finding("KS-052", role=role, owner_class=path.owner_class, accepted=names)
    )


def _same_key(places: Sequence[str]) -> Check:
    reason = finding("QH-034", places=", ".join(places)) if places else None
    return _answer(CheckName.SAME_KEY, reason, Indication.INDETERMINATE)
