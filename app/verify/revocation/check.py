"""What an officer is told of revocation beside a certificate that awaits a decision. Pure; it advises."""

from datetime import datetime

from cryptography import x509

from app.findings import Finding
from app.formats.profile import SignerRole
from app.verify.certificates.checks import Check, CheckName
from app.verify.chain import TrustList, build_path
from app.verify.policy import AcceptancePolicy
from app.verify.revocation.answer import RevocationStatus
from app.verify.revocation.known import KnownRevocations
from app.verify.verdict import Indication


def check_revocation(
    certificate: x509.Certificate,
    *,
    role: SignerRole,
    trust: TrustList,
    acceptance: AcceptancePolicy,
    known: KnownRevocations,
    now: datetime,
) -> Check:
    """Look for revocations on a certificate's path, as of now.

    FAILED where one is known (KS-060, or KS-063 for an authority's), INDETERMINATE where one is on hold
    (KS-062), where nothing is known of one (KS-061), or where there is no path to look along.
    """
    at = min(max(now, certificate.not_valid_before_utc), certificate.not_valid_after_utc)
    path = build_path(certificate, (), trust, acceptance, at)
    if not path.chain:
        return Check(name=CheckName.REVOCATION, indication=Indication.INDETERMINATE, finding=path.finding)
    found = Check(name=CheckName.REVOCATION, indication=Indication.PASSED)
    for asked in path.chain[:-1]:
        answer = known.answer(asked)
        status = answer.status_at(at)
        facts = {**answer.facts(asked, at), "role": role, "subject": asked.subject.rfc4514_string()}
        if status is RevocationStatus.REVOKED:
            reason = Finding(code="KS-060" if asked == certificate else "KS-063", facts=facts)
            return Check(name=CheckName.REVOCATION, indication=Indication.FAILED, finding=reason)
        if status is not RevocationStatus.GOOD:
            reason = Finding(code="KS-062" if status is RevocationStatus.ON_HOLD else "KS-061", facts=facts)
            found = Check(name=CheckName.REVOCATION, indication=Indication.INDETERMINATE, finding=reason)
    return found
