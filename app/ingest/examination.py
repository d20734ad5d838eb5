"""What a package's bytes alone say: unpacked, told apart, conformant or not, signatures computed.

Pure and heavy: it runs off the event loop. The ladder is climbed here rung by rung, and what falls off a rung
carries every reason with it: received, opened, conformant, and verified as far as mathematics goes.
"""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from app.findings import Finding, finding
from app.formats.place import Place
from app.formats.profile import Envelope, FormatProfile, SignedLayout, TranscriptFacts
from app.ingest.conformance import (
    ConformantTranscript,
    NonconformantTranscript,
    check_item,
    check_transcript,
)
from app.ingest.duplicates import repeated
from app.ingest.envelope import OuterFields, check_envelope, unpack
from app.ingest.limits import Limits
from app.ingest.splitting import OpenedPackage, TranscriptPiece, split
from app.verify.canonical import EXCLUSIVE_FORM, CanonicalizationError, CanonicalOctets
from app.verify.policy import AcceptancePolicy
from app.verify.signature import check_signatures
from app.verify.verdict import SignatureCheck

# Of one package: whoever has corrected these has corrected the rest, or sends it once more to see.
MOST_EXPLAINED: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedItem:
    """One transcript after everything that its bytes alone can tell.

    Attributes:
        xml: the bytes that were examined, standing alone.
        has_form: whether it was laid out as the format has it, so that its signatures could be looked at.
        facts: what the content says; None where it cannot be read.
        checks: each signature's own answer; none where the layout is unknown.
        content_sha256: of the signed content in exclusive canonical form.
    """

    place: Place
    record_id: UUID | None
    xml: bytes
    format_version: str
    has_form: bool
    facts: TranscriptFacts | None
    checks: tuple[SignatureCheck, ...]
    content_sha256: bytes | None
    xml_sha256: bytes
    findings: tuple[Finding, ...]

    @property
    def position(self) -> int:
        """Its place in the package, 1-based."""
        return self.place.position


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """A package after everything that its bytes alone can tell; ``findings`` refuse it as a whole."""

    findings: tuple[Finding, ...]
    envelope: Envelope | None
    items: tuple[ExaminedItem, ...]

    @property
    def fingerprints(self) -> frozenset[str]:
        """The certificates that signed anywhere in the package."""
        return frozenset(
            check.fingerprint for item in self.items for check in item.checks if check.fingerprint is not None
        )


def examine(
    payload: bytes, outer: OuterFields, profile: FormatProfile, limits: Limits, acceptance: AcceptancePolicy
) -> Examination:
    """Examine a package's gzip; nothing is looked up and nothing is stored."""
    work = examining(payload, outer, profile, limits, acceptance)
    try:
        while True:
            next(work)
    except StopIteration as ended:
        examination: Examination = ended.value
        return examination


def examining(
    payload: bytes, outer: OuterFields, profile: FormatProfile, limits: Limits, acceptance: AcceptancePolicy
) -> Generator[None, None, Examination]:
    """Examine as ``examine`` does, resting after each transcript, so that other work may take its turn."""
    xml = unpack(payload, limits)
    if isinstance(xml, Finding):
        return _refused(xml)
    opened = split(xml, profile, limits)
    if not isinstance(opened, OpenedPackage):
        return _refused(*opened)
    differences = check_envelope(outer, opened.envelope)
    if differences:
        return _refused(*differences, envelope=opened.envelope)
    items = []
    for item in _examined(opened, profile, limits, acceptance):
        items.append(item)
        yield
    return Examination(findings=(), envelope=opened.envelope, items=tuple(_repeats_told(items)))


def _examined(
    opened: OpenedPackage, profile: FormatProfile, limits: Limits, acceptance: AcceptancePolicy
) -> Iterator[ExaminedItem]:
    """Examine the transcripts in turn; once very many had no form, the rest are told more briefly.

    Such a package repeats one mistake of its software, and explaining it each time would cost the package's
    worth of judging many times over.
    """
    malformed = 0
    for piece in opened.pieces:
        is_explained = malformed < MOST_EXPLAINED
        item = _examine(piece, profile, opened.envelope, limits, acceptance, is_explained=is_explained)
        malformed += not item.has_form
        yield item


def _repeats_told(items: Sequence[ExaminedItem]) -> Iterator[ExaminedItem]:
    """Add to each transcript that repeats an earlier one of the package that it does."""
    again = repeated((item.place, item.facts) for item in items if item.facts is not None)
    for item in items:
        found = again.get(item.position)
        yield item if found is None else replace(item, findings=(*item.findings, found))


def _refused(*findings: Finding, envelope: Envelope | None = None) -> Examination:
    return Examination(findings=findings, envelope=envelope, items=())


def _examine(
    piece: TranscriptPiece,
    profile: FormatProfile,
    envelope: Envelope,
    limits: Limits,
    acceptance: AcceptancePolicy,
    *,
    is_explained: bool,
) -> ExaminedItem:
    checked = check_item(piece, profile, envelope, limits, is_explained=is_explained)
    return _with_signatures(checked, profile, acceptance)


def examine_alone(
    xml: bytes, profile: FormatProfile, limits: Limits, acceptance: AcceptancePolicy
) -> ExaminedItem:
    """Examine one transcript as it was stored: in no package, so that no header is asked.

    What the schema refuses is told briefly: whoever stored it was told everything.
    """
    place = Place(name=profile.transcript_name)
    checked = check_transcript(xml, place, profile, None, limits, is_explained=False)
    return _with_signatures(checked, profile, acceptance)


def _with_signatures(
    checked: ConformantTranscript | NonconformantTranscript,
    profile: FormatProfile,
    acceptance: AcceptancePolicy,
) -> ExaminedItem:
    if isinstance(checked, ConformantTranscript):
        record_id: UUID | None = checked.facts.record_id
        findings = checked.warnings
    else:
        record_id, findings = checked.record_id, checked.findings
    layout = checked.layout
    octets = CanonicalOctets(acceptance.limits.canonical_bytes)
    digest = None if layout is None else _content_digest(layout, octets, checked.place)
    if isinstance(digest, Finding):
        findings, digest = (*findings, digest), None
    return ExaminedItem(
        place=checked.place,
        record_id=record_id,
        xml=checked.xml,
        format_version=profile.version,
        has_form=layout is not None,
        facts=checked.facts,
        content_sha256=digest,
        checks=()
        if layout is None
        else check_signatures(layout, acceptance, octets=octets, source=checked.xml),
        xml_sha256=hashlib.sha256(checked.xml).digest(),
        findings=findings,
    )


def _content_digest(layout: SignedLayout, octets: CanonicalOctets, place: Place) -> bytes | Finding:
    """Digest the content; KS-018 where it has no canonical form, whatever its signatures digest."""
    try:
        return octets.digest(layout.content, EXCLUSIVE_FORM, "sha256")
    except CanonicalizationError:
        return finding("KS-018", xpath=place.xpath_of(layout.content), line=place.line_of(layout.content))
