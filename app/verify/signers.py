"""Trust: whether the signers of a transcript are who has to sign it, as of each signing time.

``app.verify.signature`` has said what the document alone can say. Here, after ETSI EN 319 102-1, 5.2.6:

    1  the signature was made before it was received
    2  a path leads from its certificate to a trust anchor, as of the signing time      (chain)
       and no authority had revoked any certificate of it by then, as far as is known   (revocation)
    3  a school's seal ends in an anchor of the class that such a school uses
    4  seal and head: the certificate is registered by this school, in this role, and was approved
    5  teachers: the certificate names the person whom the content names                (naming)
    6  every role that the policy requires has signed, and every subject teacher where it asks for each
Each present signature has to hold: one that fails, fails the transcript.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from cryptography import x509

from app.findings import Finding, finding, has_errors
from app.formats.profile import NamedPerson, SignerRole
from app.verify.certificates.standing import CertificateEntry, Standing, standing_at
from app.verify.chain import PathVerdict, TrustList, build_path, fingerprint_of, subject_of
from app.verify.naming import Naming, compare_subject
from app.verify.policy import AcceptancePolicy
from app.verify.revocation.answer import Consulted, RevocationStatus
from app.verify.revocation.known import NOT_CHECKED, RevocationBar, RevocationChecking
from app.verify.signer_policy import SignerPolicy
from app.verify.verdict import Indication, SignatureCheck, SignerSummary, Verdict

Entries = Mapping[str, Sequence[CertificateEntry]]
"""The registered certificates by fingerprint; the same one may be registered by several schools."""

# Causes that what an authority publishes later may take away.
AWAITING_REVOCATION: Final = frozenset({"KS-061", "KS-062"})
# Causes that a later decision may still take away: they hold a transcript, they do not refuse it.
_AWAITING: Final = frozenset({"KS-044", *AWAITING_REVOCATION})

_SHOWN: Final = 200  # characters of a list of subjects

_REGISTERED_ROLES: Final = (SignerRole.SCHOOL, SignerRole.HEAD)

_CAUSES: Final = {
    Standing.PENDING: "KS-044",
    Standing.REJECTED: "KS-046",
    Standing.SUSPENDED: "KS-047",
    Standing.REVOKED: "KS-048",
    Standing.NOT_YET_VALID: "KS-034",
    Standing.EXPIRED: "KS-035",
}
_REVOCATION_CODES: Final = {
    (RevocationStatus.REVOKED, True): "KS-060",
    (RevocationStatus.REVOKED, False): "KS-063",
    (RevocationStatus.ON_HOLD, True): "KS-062",
    (RevocationStatus.ON_HOLD, False): "KS-062",
    (RevocationStatus.UNKNOWN, True): "KS-061",
    (RevocationStatus.UNKNOWN, False): "KS-061",
}
# Where one certificate has several entries of the same school: what bars weighs more than what allows.
_WEIGHT: Final = (
    Standing.REVOKED,
    Standing.SUSPENDED,
    Standing.NOT_YET_VALID,
    Standing.EXPIRED,
    Standing.APPROVED,
    Standing.PENDING,
    Standing.REJECTED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """Everything that one signature is judged by."""

    check: SignatureCheck
    certificate: x509.Certificate
    signing_time: datetime
    own_entries: tuple[CertificateEntry, ...]
    is_registered_elsewhere: bool
    people: Sequence[NamedPerson]
    policy: SignerPolicy

    def finding(self, code: str, **facts: str) -> Finding:
        """Make a finding at the signature; every text of this part names the role."""
        facts = {"role": self.check.role.value, **facts}
        return Finding(code=code, xpath=self.check.xpath, line=self.check.line, facts=facts)


def judge(
    checks: Sequence[SignatureCheck],
    *,
    people: Sequence[NamedPerson],
    entries: Entries,
    school_code: str,
    trust: TrustList,
    policy: SignerPolicy,
    acceptance: AcceptancePolicy,
    received_at: datetime,
    revocation: RevocationBar = NOT_CHECKED,
) -> Verdict:
    """Judge the signatures of one transcript together: PASSED accepts, INDETERMINATE holds, FAILED refuses.

    Args:
        checks: what ``check_signatures`` found.
        people: whom the content names, and in what role.
        entries: the registered certificates among those that signed, by fingerprint.
        school_code: the school that issues the transcript.
        trust: the trust list in force.
        policy: what is asked of the signers.
        acceptance: what algorithms and keys are accepted.
        received_at: when the package was taken in charge, aware; no signing time may lie after it.
        revocation: what is known of revocations, and how much of it is asked for.
    """
    findings: list[Finding] = []
    signers: list[SignerSummary] = []
    sound: list[SignatureCheck] = []
    for check in checks:
        reasons = list(check.findings)
        consulted: tuple[Consulted, ...] = ()
        if check.indication is Indication.PASSED:
            judged, consulted = _judge_signature(
                check,
                people=people,
                entries=entries,
                school_code=school_code,
                trust=trust,
                policy=policy,
                acceptance=acceptance,
                received_at=received_at,
                revocation=revocation,
            )
            reasons += judged
        if check.indication is Indication.PASSED and not has_errors(reasons):
            sound.append(check)
        signers.append(_summary(check, reasons, consulted))
        findings += [reason for reason in reasons if reason not in findings]
    present = {check.role for check in checks}
    missing = [role for role in policy.required if role not in present]
    findings += [finding("KS-051", role=role) for role in missing]
    if policy.every_subject_teacher and SignerRole.SUBJECT_TEACHER not in missing:
        findings += _unsigned_subjects(sound, people)
    return Verdict(
        indication=_indication(findings),
        findings=tuple(findings),
        signers=tuple(signers),
        policy_version=f"{acceptance.version} {policy.version} {trust.version}",
    )


def _judge_signature(
    check: SignatureCheck,
    *,
    people: Sequence[NamedPerson],
    entries: Entries,
    school_code: str,
    trust: TrustList,
    policy: SignerPolicy,
    acceptance: AcceptancePolicy,
    received_at: datetime,
    revocation: RevocationBar,
) -> tuple[list[Finding], tuple[Consulted, ...]]:
    """Steps 1 to 5, for a signature that holds by itself; what was consulted on the way."""
    assert check.certificate is not None
    assert check.fingerprint is not None
    assert check.signing_time is not None
    known = entries.get(check.fingerprint, ())
    own = tuple(entry for entry in known if entry.school_code == school_code)
    case = _Case(
        check=check,
        certificate=check.certificate,
        signing_time=check.signing_time,
        own_entries=own,
        is_registered_elsewhere=len(own) < len(known),
        people=people,
        policy=policy,
    )
    reasons: list[Finding] = []
    if case.signing_time > received_at:
        reasons.append(
            case.finding("KS-041", at=case.signing_time.isoformat(), received_at=received_at.isoformat())
        )
    path = build_path(case.certificate, check.intermediates, trust, acceptance, case.signing_time)
    reasons += _judge_path(case, path)
    barred, consulted = _judge_revocation(case, path, revocation)
    reasons += barred
    registered = _judge_registration(case) if check.role in _REGISTERED_ROLES else _judge_staff(case)
    return reasons + [reason for reason in registered if reason not in reasons], consulted


def _judge_path(case: _Case, path: PathVerdict) -> list[Finding]:
    if path.finding is not None:
        return [_placed(path.finding, case)]
    is_seal = case.check.role is SignerRole.SCHOOL
    if is_seal and path.owner_class is not None and path.owner_class not in case.policy.seal_owner_classes:
        accepted = ", ".join(sorted(case.policy.seal_owner_classes))
        return [case.finding("KS-052", owner_class=path.owner_class, accepted=accepted)]
    return []


def _judge_revocation(
    case: _Case, path: PathVerdict, revocation: RevocationBar
) -> tuple[list[Finding], tuple[Consulted, ...]]:
    """RFC 5280, 6.3, for all below the anchor; that one stands or falls with the trust list."""
    if revocation.checking is RevocationChecking.OFF:
        return [], ()
    reasons: list[Finding] = []
    consulted: list[Consulted] = []
    for above, certificate in enumerate(path.chain[:-1]):
        fingerprint = fingerprint_of(certificate)
        answer = revocation.known.answer(certificate)
        status = answer.status_at(case.signing_time)
        consulted.append(Consulted(fingerprint=fingerprint, status=status, evidence=answer.evidence))
        code = _REVOCATION_CODES.get((status, above == 0))
        if code == "KS-061" and revocation.checking is not RevocationChecking.REQUIRE:
            continue
        if code is not None:
            facts = answer.facts(certificate, case.signing_time)
            # A signer's own name is not repeated; an authority's has to be.
            whose = {"subject": certificate.subject.rfc4514_string()} if code == "KS-063" else {}
            reasons.append(case.finding(code, **facts, **whose))
    return reasons, tuple(consulted)


def _placed(reason: Finding, case: _Case) -> Finding:
    return replace(reason, xpath=case.check.xpath, line=case.check.line)


def _judge_registration(case: _Case) -> list[Finding]:
    """A seal's or a head's certificate speaks for this school only by registration and approval."""
    if not case.own_entries:
        return [case.finding("KS-043" if case.is_registered_elsewhere else "KS-042")]
    role = case.check.role
    if all(entry.role is not role for entry in case.own_entries):
        return [case.finding("KS-045", registered=case.own_entries[0].role)]
    return _standing_findings(case, role)


def _standing_findings(case: _Case, role: SignerRole) -> list[Finding]:
    own = {standing_at(entry, case.signing_time): entry for entry in case.own_entries if entry.role is role}
    standing = next(standing for standing in _WEIGHT if standing in own)
    if standing is Standing.APPROVED:
        return []
    at = case.signing_time.isoformat()
    entry = own[standing]
    if standing is Standing.NOT_YET_VALID:
        return [_placed(finding("KS-034", at=at, since=entry.not_before.isoformat()), case)]
    if standing is Standing.EXPIRED:
        return [_placed(finding("KS-035", at=at, until=entry.not_after.isoformat()), case)]
    return [case.finding(_CAUSES[standing], at=at)]


def _judge_staff(case: _Case) -> list[Finding]:
    """A teacher's certificate need not be registered: it has to name the teacher whom the content names."""
    barred = _barred(case)
    if barred:
        return barred
    if case.policy.head_may_substitute and any(e.role is SignerRole.HEAD for e in case.own_entries):
        return [*_standing_findings(case, SignerRole.HEAD), case.finding("KS-050")]
    named = [person for person in case.people if person.role is case.check.role]
    if case.check.role is SignerRole.SUBJECT_TEACHER and not case.check.covers_content:
        return _judge_parts(case, named)
    return _compare(case, named)


def _barred(case: _Case) -> list[Finding]:
    """A certificate that this school had suspended or revoked does not sign for its teachers either."""
    for entry in case.own_entries:
        standing = standing_at(entry, case.signing_time)
        if standing in (Standing.SUSPENDED, Standing.REVOKED):
            return [case.finding(_CAUSES[standing], at=case.signing_time.isoformat())]
    return []


def _judge_parts(case: _Case, named: Sequence[NamedPerson]) -> list[Finding]:
    """Each part signed for itself has to be one that this very teacher answers for (giáo viên bộ môn)."""
    reasons: list[Finding] = []
    for part in sorted(case.check.covered_parts):
        answering = [person for person in named if part in person.parts]
        reasons += [reason for reason in _compare(case, answering) if reason not in reasons]
    return reasons


def _unsigned_subjects(sound: Sequence[SignatureCheck], people: Sequence[NamedPerson]) -> list[Finding]:
    """Ask about the subjects of each teacher who has signed neither the content nor all of them."""
    by_teachers = [check for check in sound if check.role is SignerRole.SUBJECT_TEACHER]
    signed = frozenset(part for check in by_teachers for part in check.covered_parts)
    unsigned: set[str] = set()
    for person in people:
        if person.role is not SignerRole.SUBJECT_TEACHER or (person.parts and person.parts <= signed):
            continue
        if not any(check.covers_content and _names(check.certificate, person) for check in by_teachers):
            unsigned |= (person.parts - signed) or {"-"}
    return [finding("KS-057", subjects=", ".join(sorted(unsigned))[:_SHOWN])] if unsigned else []


def _names(certificate: x509.Certificate | None, person: NamedPerson) -> bool:
    return certificate is not None and compare_subject(certificate, person) is Naming.SAME


def _compare(case: _Case, named: Sequence[NamedPerson]) -> list[Finding]:
    if not named:
        return [case.finding("KS-053")]
    comparisons = [compare_subject(case.certificate, person) for person in named]
    if Naming.SAME in comparisons:
        return []
    return [case.finding("KS-049" if Naming.OTHER_IDENTITY in comparisons else "KS-054")]


def _indication(findings: Iterable[Finding]) -> Indication:
    errors = [item for item in findings if has_errors([item])]
    if not errors:
        return Indication.PASSED
    is_awaited = all(item.code in _AWAITING for item in errors)
    return Indication.INDETERMINATE if is_awaited else Indication.FAILED


def _summary(
    check: SignatureCheck, reasons: Sequence[Finding], consulted: tuple[Consulted, ...]
) -> SignerSummary:
    certificate = check.certificate
    failed = check.indication is Indication.FAILED
    return SignerSummary(
        position=check.position,
        role=check.role,
        indication=Indication.FAILED if failed else _indication(reasons),
        fingerprint=check.fingerprint,
        subject=subject_of(certificate) if certificate is not None else None,
        signing_time=check.signing_time,
        algorithm=check.algorithm,
        evidence=tuple(one.stored for one in consulted),
    )
