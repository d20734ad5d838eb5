"""Judging one transcript's form: it parses alone, is not costly, follows the schema and the rules.

Pure: bytes in, a conformant transcript or findings out. No signature is looked at here, and nothing is
canonicalised before its cost is bounded: canonical XML is quadratic in attributes and in namespaces in scope.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final, cast
from uuid import UUID

from lxml import etree

from app.findings import Finding, Severity, finding, has_errors
from app.formats.parser import first_comment
from app.formats.place import Place
from app.formats.profile import Envelope, FormatProfile, SignedLayout, TranscriptFacts
from app.ingest.limits import Limits, exceeded
from app.ingest.schema_gate import violations
from app.ingest.splitting import TranscriptPiece
from app.ingest.well_formed import parse

MAX_FINDINGS: Final = 50
_SHORTEST_ELEMENT: Final = len("<a/>")
_NAMESPACE_DECLARATION: Final = re.compile(rb"xmlns(?::[^\s=<>]++)?\s*+=\s*+(\"[^\"]*+\"|'[^']*+')")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformantTranscript:
    """A transcript whose form and rules hold; its signatures are still to be judged.

    Attributes:
        position: its place in the package, 1-based.
        place: the same for findings.
        xml: the transcript standing alone: the bytes that are verified and stored.
        root: the tree those bytes gave; what is verified and read comes from it alone.
        layout: what is signed and where the signatures stand.
        facts: the fields the service works with.
        warnings: findings that do not refuse.
    """

    position: int
    place: Place
    xml: bytes
    root: etree._Element
    layout: SignedLayout
    facts: TranscriptFacts
    warnings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NonconformantTranscript:
    """A transcript that is refused for its form or its rules, with every reason found.

    Attributes:
        record_id: the look-up code, where it can be read all the same: by it the sender finds the pupil.
        layout: where its form holds: its signatures can be judged too, so that everything is told at once.
        facts: the same, where every field can be read.
    """

    position: int
    place: Place
    xml: bytes
    record_id: UUID | None
    findings: tuple[Finding, ...]
    layout: SignedLayout | None = None
    facts: TranscriptFacts | None = None


def check_item(
    piece: TranscriptPiece,
    profile: FormatProfile,
    envelope: Envelope,
    limits: Limits,
    *,
    is_explained: bool = True,
) -> ConformantTranscript | NonconformantTranscript:
    """Judge one transcript of a package.

    Steps, each only if the one before it held: size, parse, cost, schema, rules. Findings beyond the first
    fifty are counted, not listed (``DD-076``). Explaining what the schema refuses takes some fifty times as
    long as accepting it: whoever judges very many refused ones may have the later ones told more briefly.
    """
    return check_transcript(
        piece.standing_alone(), piece.place, profile, envelope, limits, is_explained=is_explained
    )


def check_transcript(
    xml: bytes,
    place: Place,
    profile: FormatProfile,
    envelope: Envelope | None,
    limits: Limits,
    *,
    is_explained: bool = True,
) -> ConformantTranscript | NonconformantTranscript:
    """Judge one transcript that stands alone; without an envelope nothing is compared with a header."""
    root = _parse(xml, place, limits)
    if isinstance(root, Finding):
        return NonconformantTranscript(
            position=place.position, place=place, xml=xml, record_id=None, findings=(root,)
        )
    malformed = _form(xml, root, place, profile, limits, is_explained=is_explained)
    if malformed:
        return NonconformantTranscript(
            position=place.position,
            place=place,
            xml=xml,
            record_id=profile.record_id(root),
            findings=_capped(malformed),
        )
    read = profile.read(root, envelope, place)
    if has_errors(read.findings):
        return NonconformantTranscript(
            position=place.position,
            place=place,
            xml=xml,
            record_id=profile.record_id(root),
            findings=_capped(read.findings),
            layout=profile.layout(root, place),
            facts=read.facts,
        )
    assert read.facts is not None
    return ConformantTranscript(
        position=place.position,
        place=place,
        xml=xml,
        root=root,
        layout=profile.layout(root, place),
        facts=read.facts,
        warnings=_capped(read.findings),
    )


def _parse(xml: bytes, place: Place, limits: Limits) -> etree._Element | Finding:
    if len(xml) > limits.transcript_bytes:
        return exceeded("transcript_bytes", limits, xpath=place.xpath, line=place.line, found=len(xml))
    return parse(xml, place, place.xpath)


def _form(
    xml: bytes,
    root: etree._Element,
    place: Place,
    profile: FormatProfile,
    limits: Limits,
    *,
    is_explained: bool,
) -> tuple[Finding, ...]:
    """Give every reason for which the form alone refuses the transcript.

    A comment is refused (KS-004): no signature protects it, and it would be stored among what was signed.
    """
    commented = first_comment(xml)
    if commented is not None:
        xpath, line = place.xpath_of(commented), place.line_of(commented)
        return (finding("KS-004", xpath=xpath, line=line, kind="comment"),)
    costly = cost_findings(xml, root, place, limits)
    if costly:
        return costly
    expected = f"{{{profile.namespace}}}{profile.transcript_name}"
    if root.tag != expected:
        name, namespace = profile.transcript_name, profile.namespace
        return (finding("DD-074", xpath=place.xpath, line=place.line, name=name, expected=namespace),)
    return violations(root, profile, place, is_explained=is_explained)


def cost_findings(xml: bytes, root: etree._Element, place: Place, limits: Limits) -> tuple[Finding, ...]:
    """Refuse what would make canonicalisation or validation costly; counted by libxml2 or on the bytes.

    Where the bytes already bound what is counted from above, the tree is not walked. The patterns may see
    markup in text; they then count too much, never too little, and only absurd text comes near a limit.
    """
    exceeded_names = []
    if len(xml) > limits.elements * _SHORTEST_ELEMENT and cast("float", _count(root)) > limits.elements:
        exceeded_names.append("elements")
    if _deeper_than(limits.depth)(root):
        exceeded_names.append("depth")
    if _more_attributes_than(limits.attributes)(root):
        exceeded_names.append("attributes")
    declared = _NAMESPACE_DECLARATION.findall(xml)
    if len(declared) > limits.namespaces < _namespaces_in_scope(root):
        exceeded_names.append("namespaces")
    if declared and max(map(len, declared)) - 2 > limits.namespace_characters:
        exceeded_names.append("namespace_characters")
    return tuple(exceeded(name, limits, xpath=place.xpath, line=place.line) for name in exceeded_names)


_count: Final = etree.XPath("count(//*)")


@cache
def _deeper_than(depth: int) -> etree.XPath:
    return etree.XPath(f"boolean({'/*' * (depth + 1)})")


@cache
def _more_attributes_than(number: int) -> etree.XPath:
    return etree.XPath(f"boolean(/descendant::*/attribute::*[{number + 1}])")


def _namespaces_in_scope(root: etree._Element) -> int:
    """Count the declarations above and on the element that has most of them."""
    open_declarations = most = 0
    for event, _ in etree.iterwalk(root, events=("start-ns", "end-ns")):
        open_declarations += 1 if event == "start-ns" else -1
        most = max(most, open_declarations)
    return most


def _capped(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Keep errors before the rest and at most as many as a person reads; say how many were left out."""
    if len(findings) <= MAX_FINDINGS:
        return findings
    weighed = sorted(findings, key=lambda item: item.severity is not Severity.ERROR)
    return (
        *weighed[:MAX_FINDINGS],
        finding("DD-076", listed=MAX_FINDINGS, left_out=len(findings) - MAX_FINDINGS),
    )
