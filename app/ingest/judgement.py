"""The answer for each transcript, from what was examined, who signed, and what the ledger already holds.

Pure: it decides on facts that were fetched for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from app.deadlines.calendar import Calendar
from app.deadlines.rules import Extension, Punctuality, Timeliness, obligation_of, timeliness
from app.findings import Finding, finding, has_errors
from app.formats.profile import TranscriptFacts
from app.ids import hex32
from app.ingest.examination import ExaminedItem
from app.ingest.package import ItemState, school_year_of
from app.policies.policy_set import PolicyKey, PolicySet
from app.records.entry import Clash, Entry, SignatureView
from app.verify.chain import TrustList
from app.verify.policy import AcceptancePolicy
from app.verify.revocation.known import KnownRevocations, RevocationBar, RevocationChecking
from app.verify.signer_policy import SignerRules
from app.verify.signers import Entries, judge
from app.verify.verdict import Indication, SignerSummary, Verdict

_CLASH_CODES: Final[Mapping[Clash, str]] = {
    Clash.CODE_TAKEN: "TR-012",
    Clash.PUPIL_HAS_RECORD: "TR-013",
    Clash.PUPIL_HAS_RECORD_ELSEWHERE: "TR-014",
    Clash.REPLACED_NOT_STANDING: "TR-015",
    Clash.REPLACED_IS_LOCKED: "TH-061",
    Clash.RECALL_FIRST: "TR-062",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a package comes from: the school as registered, and when it was taken in charge."""

    package_id: UUID
    school_id: int
    school_code: str
    province_code: str
    school_is_public: bool
    school_year: int
    received_at: datetime
    is_atomic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """By what a package's transcripts are measured.

    Attributes:
        calendar: of the school's province.
        extensions: that the school was granted.
        policies: of the package's receipt.
        revocations: what is known of revoked certificates.
    """

    trust: TrustList
    rules: SignerRules
    acceptance: AcceptancePolicy
    calendar: Calendar
    extensions: tuple[Extension, ...]
    policies: PolicySet
    revocations: KnownRevocations


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer for one transcript.

    Attributes:
        state: accepted, rejected with at least one error, or held.
        findings: everything found, errors and warnings.
        timeliness: whether it came in time; None where it cannot be read. A transcript that is recorded
            already is not measured again.
        entry: what is appended to the ledger; there exactly for newly accepted ones.
        is_repeat: the same content is recorded already; the answer is the one given then.
        student_code: whose transcript it is, where that could be read.
    """

    position: int
    state: ItemState
    findings: tuple[Finding, ...]
    record_id: UUID | None
    content_sha256: bytes | None
    xml_sha256: bytes | None
    verdict: Verdict | None
    timeliness: Timeliness | None
    entry: Entry | None = None
    is_repeat: bool = False
    student_code: str | None = None

    @property
    def is_late(self) -> bool:
        """Whether it is recorded now, and late."""
        return self.entry is not None and self.entry.is_late

    @property
    def codes(self) -> list[str]:
        """The codes of all findings, each once, in order."""
        return list(dict.fromkeys(found.code for found in self.findings))


def weigh(items: Sequence[ExaminedItem], origin: Origin, *, entries: Entries, bars: Bars) -> list[Outcome]:
    """Judge the signers of each item and give its outcome, before the ledger is asked."""
    return [_weigh(item, origin, entries, bars) for item in items]


def _weigh(item: ExaminedItem, origin: Origin, entries: Entries, bars: Bars) -> Outcome:
    verdict = None
    findings = list(item.findings)
    if item.facts is not None:
        verdict = judge(
            item.checks,
            people=item.facts.people,
            entries=entries,
            school_code=origin.school_code,
            trust=bars.trust,
            policy=bars.rules.select(
                province=origin.province_code,
                level=item.facts.level,
                school_year=item.facts.school_year,
                is_digitised=item.facts.is_digitised,
                school_is_public=origin.school_is_public,
            ),
            acceptance=bars.acceptance,
            received_at=origin.received_at,
            revocation=_revocation(item.facts, origin, bars),
        )
        findings += verdict.findings
    else:
        findings += [found for check in item.checks for found in check.findings]
    state = _state(item, verdict)
    timed = None if item.facts is None else _timeliness(item.facts, origin, bars)
    return Outcome(
        position=item.position,
        state=state,
        findings=tuple(findings),
        record_id=item.record_id,
        content_sha256=item.content_sha256,
        xml_sha256=item.xml_sha256,
        verdict=verdict,
        timeliness=timed,
        student_code=None if item.facts is None else item.facts.student_code,
        entry=(
            _entry(item, origin, verdict, timed, bars)
            if state is ItemState.ACCEPTED and verdict and timed
            else None
        ),
    )


def _revocation(facts: TranscriptFacts, origin: Origin, bars: Bars) -> RevocationBar:
    checking = bars.policies.value(
        PolicyKey.REVOCATION_CHECKING,
        province=origin.province_code,
        level=facts.level,
        school_year=origin.school_year,
    )
    return RevocationBar(checking=RevocationChecking(str(checking)), known=bars.revocations)


def _timeliness(facts: TranscriptFacts, origin: Origin, bars: Bars) -> Timeliness:
    obligation = obligation_of(
        school_year=origin.school_year,
        level=facts.level,
        grade=facts.grade,
        is_completed=facts.is_completed,
        is_digitised=facts.is_digitised,
        received_at=origin.received_at,
        calendar=bars.calendar,
    )
    return timeliness(origin.received_at, obligation, bars.calendar, bars.extensions)


def _state(item: ExaminedItem, verdict: Verdict | None) -> ItemState:
    if verdict is None or has_errors(item.findings) or verdict.indication is Indication.FAILED:
        return ItemState.REJECTED
    return ItemState.HELD if verdict.indication is Indication.INDETERMINATE else ItemState.ACCEPTED


def _entry(item: ExaminedItem, origin: Origin, verdict: Verdict, timed: Timeliness, bars: Bars) -> Entry:
    assert item.facts is not None
    assert item.content_sha256 is not None
    assert item.xml_sha256 is not None
    return Entry(
        school_id=origin.school_id,
        school_year=origin.school_year,
        package_id=origin.package_id,
        position=item.position,
        facts=item.facts,
        xml=item.xml,
        xml_sha256=item.xml_sha256,
        content_sha256=item.content_sha256,
        format_version=item.format_version,
        policy_version=verdict.policy_version,
        signatures=tuple(_signature(signer) for signer in verdict.signers),
        received_at=origin.received_at,
        is_late=timed.punctuality is Punctuality.LATE,
        calendar_version=bars.calendar.version,
    )


def _signature(signer: SignerSummary) -> SignatureView:
    return SignatureView(
        position=signer.position,
        role=signer.role,
        indication=signer.indication,
        fingerprint=signer.fingerprint,
        subject=signer.subject,
        signed_at=signer.signing_time,
        algorithm=signer.algorithm,
        evidence=signer.evidence,
    )


def settle_clashes(
    outcomes: Sequence[Outcome], clashes: Mapping[int, tuple[Clash, UUID]], origin: Origin
) -> list[Outcome]:
    """Hold accepted outcomes against the ledger and all against the calendar; then all-or-nothing, if asked.

    What is recorded already came in time once and is answered as it was then.
    """
    settled = [
        _refused_if_too_late(
            _against_ledger(outcome, *clashes[outcome.position], origin)
            if outcome.position in clashes
            else outcome
        )
        for outcome in outcomes
    ]
    if origin.is_atomic:
        settled = _all_or_nothing(settled)
    return [_told_if_late(outcome) for outcome in settled]


def _against_ledger(outcome: Outcome, clash: Clash, other: UUID, origin: Origin) -> Outcome:
    if clash is Clash.REPEATED:
        return replace(outcome, is_repeat=True, entry=None)
    assert outcome.entry is not None
    facts: dict[str, str] = {}
    if clash in {Clash.PUPIL_HAS_RECORD, Clash.PUPIL_HAS_RECORD_ELSEWHERE}:
        facts = {"school_year": school_year_of(origin.school_year), "level": outcome.entry.facts.level}
    if clash is not Clash.PUPIL_HAS_RECORD_ELSEWHERE:
        facts["record_id"] = hex32(other)
    reason = Finding(code=_CLASH_CODES[clash], facts=facts)
    return replace(outcome, state=ItemState.REJECTED, findings=(*outcome.findings, reason), entry=None)


def _refused_if_too_late(outcome: Outcome) -> Outcome:
    """Refuse what came too late, a held one too: no approval would make it come earlier."""
    if not _came(outcome, Punctuality.REFUSED):
        return outcome
    return replace(_timed(outcome), state=ItemState.REJECTED, entry=None)


def _told_if_late(outcome: Outcome) -> Outcome:
    """Tell of what is taken, or may still be, that it is late; what is refused was not taken late."""
    is_told = outcome.state is not ItemState.REJECTED and _came(outcome, Punctuality.LATE)
    return _timed(outcome) if is_told else outcome


def _came(outcome: Outcome, punctuality: Punctuality) -> bool:
    timed = outcome.timeliness
    return not outcome.is_repeat and timed is not None and timed.punctuality is punctuality


def _timed(outcome: Outcome) -> Outcome:
    assert outcome.timeliness is not None
    assert outcome.timeliness.finding is not None
    return replace(outcome, findings=(*outcome.findings, outcome.timeliness.finding))


def _all_or_nothing(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """One refusal refuses all; short of that, one that has to wait makes all wait."""
    states = {outcome.state for outcome in outcomes}
    if ItemState.REJECTED in states:
        reason = finding("TR-016")
        return [
            outcome
            if outcome.state is ItemState.REJECTED or outcome.is_repeat
            else replace(outcome, state=ItemState.REJECTED, findings=(*outcome.findings, reason), entry=None)
            for outcome in outcomes
        ]
    if ItemState.HELD in states:
        return [
            outcome if outcome.is_repeat else replace(outcome, state=ItemState.HELD, entry=None)
            for outcome in outcomes
        ]
    return list(outcomes)
