"""Judging one forwarded transcript: against the manifest, by its signatures, as the province approved. Pure.

The gates are those of intake (form, rules, signatures, trust), but for time: whether a transcript came in
time was decided when the province took it in charge, and the province's receipt says when that was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app.findings import has_errors
from app.formats.profile import TranscriptFacts
from app.formats.registry import profile_for
from app.forwarding.disputes import (
    NO_RECEIPT,
    OTHER_OCTETS,
    UNTOLD_SCHOOL,
    form_codes,
    octets_differ,
    received_at,
)
from app.forwarding.wire import SentTranscript
from app.ingest.examination import ExaminedItem, examine_alone
from app.ingest.limits import Limits
from app.ingest.package import first_year
from app.policies.policy_set import PolicyKey, PolicySet
from app.records.packing import pack_alone
from app.snapshots.manifest import Line
from app.verify.chain import TrustList
from app.verify.policy import AcceptancePolicy
from app.verify.revocation.known import KnownRevocations, RevocationBar, RevocationChecking
from app.verify.signer_policy import SignerRules
from app.verify.signers import Entries, judge
from app.verify.verdict import SignerSummary

UNKNOWN_FORMAT = "DD-044"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """By what forwarded transcripts are measured.

    Attributes:
        province: the province's code.
        keys: what the province signs with.
        schools: whether each school is public, by code, as the province told it.
        entries: registered certificates among those that signed, as the province decided on them.
        trust: the ministry's own list; no province widens it.
    """

    province: str
    keys: Sequence[Mapping[str, Any]]
    schools: Mapping[str, bool]
    entries: Entries
    trust: TrustList
    rules: SignerRules
    acceptance: AcceptancePolicy
    policies: PolicySet
    revocations: KnownRevocations


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A transcript for which everything holds, ready to be kept."""

    sent: SentTranscript
    packed: bytes
    facts: TranscriptFacts
    school_year: int
    received_at: datetime
    policy_version: str
    signers: tuple[SignerSummary, ...]


def examined(
    sent: Sequence[SentTranscript], lines: Mapping[UUID, Line], limits: Limits, acceptance: AcceptancePolicy
) -> Mapping[UUID, ExaminedItem | Sequence[str]]:
    """Examine what is, octet for octet, what the manifest speaks of; for all else give why not."""
    return {
        one.record_id: _examined(one, lines[one.record_id], limits, acceptance)
        for one in sent
        if one.record_id in lines
    }


def _examined(
    sent: SentTranscript, line: Line, limits: Limits, acceptance: AcceptancePolicy
) -> ExaminedItem | Sequence[str]:
    if octets_differ(sent, line):
        return [OTHER_OCTETS]
    profile = profile_for(sent.format_version)
    if profile is None:
        return [UNKNOWN_FORMAT]
    item = examine_alone(sent.xml, profile, limits, acceptance)
    return form_codes(item, line) or item


def verified(
    sent: SentTranscript, line: Line, item: ExaminedItem | Sequence[str], bars: Bars
) -> Verified | Sequence[str]:
    """Judge what was examined by who signed it; gives why it is disputed where anything does not hold."""
    if not isinstance(item, ExaminedItem):
        return item
    assert item.facts is not None
    at = received_at(sent.receipt, bars.keys, line)
    if at is None:
        return [NO_RECEIPT]
    if line.school_code not in bars.schools:
        return [UNTOLD_SCHOOL]
    facts = item.facts
    verdict = judge(
        item.checks,
        people=facts.people,
        entries=bars.entries,
        school_code=line.school_code,
        trust=bars.trust,
        policy=bars.rules.select(
            province=bars.province,
            level=facts.level,
            school_year=facts.school_year,
            is_digitised=facts.is_digitised,
            school_is_public=bars.schools[line.school_code],
        ),
        acceptance=bars.acceptance,
        received_at=at,
        revocation=_revocation(facts, bars),
    )
    codes = [found.code for found in verdict.findings if has_errors([found])]
    return codes or Verified(
        sent=sent,
        packed=pack_alone(sent.xml).xml,
        facts=facts,
        school_year=first_year(facts.school_year),
        received_at=at,
        policy_version=verdict.policy_version,
        signers=verdict.signers,
    )


def _revocation(facts: TranscriptFacts, bars: Bars) -> RevocationBar:
    checking = bars.policies.value(
        PolicyKey.REVOCATION_CHECKING,
        province=bars.province,
        level=facts.level,
        school_year=first_year(facts.school_year),
    )
    return RevocationBar(checking=RevocationChecking(str(checking)), known=bars.revocations)
