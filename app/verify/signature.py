"""Verification of the signatures beside a transcript, as a numbered plan.

What the document alone can say: whether each signature is exactly in form, made with what we accept, over the
very element that is read, and unbroken. Trust (whose certificate, until when, for which school) is judged
afterwards by ``app.verify.signers``.

For the whole transcript
    0  costs, hidden nodes, identifiers, place of the content          (transcript)
For every signature, after XMLDSig 1.1, 3.2 and ETSI EN 319 102-1, 5.2
    1  form: exactly the standard's elements in their order            (structure)
    2  algorithms of SignedInfo: accepted, or refused by name          (references, signature_value)
    3  references: to accepted targets, through accepted transforms    (references)
    4  certificate carried, key of the right kind and strength         (key_info, signature_value)
    5  digests of all references                                       (references)
    6  signature value over the canonical SignedInfo                   (signature_value)
    7  coverage: what this role has to cover                           (here)
    8  signing time, and certificate named by it                       (signing_time)
Steps 1 to 4 look at form only: nothing is computed for a signature that could not be accepted anyway.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from lxml import etree

from app.findings import Finding, has_errors
from app.formats.profile import SignatureSlot, SignedLayout, SignerRole
from app.verify.canonical import CanonicalForm, CanonicalizationError, CanonicalOctets
from app.verify.key_info import CarriedCertificate, check_key_values, read_key_info
from app.verify.place import SignaturePlace
from app.verify.policy import AcceptancePolicy, SignatureMethod
from app.verify.references import (
    ResolvedReference,
    Targets,
    cannot_canonicalize,
    check_digest,
    read_form,
    resolve,
)
from app.verify.signature_value import check_key, fits, is_valid, read_method
from app.verify.signing_time import check_signing_certificate, read_signing_time
from app.verify.structure import SignatureForm, read_signature
from app.verify.transcript import check_transcript
from app.verify.verdict import Indication, SignatureCheck

_count: Final = etree.XPath("count(descendant-or-self::*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transcript:
    """What the signatures of one transcript share."""

    layout: SignedLayout
    targets: Targets
    octets: CanonicalOctets


@dataclass(frozen=True, slots=True, kw_only=True)
class _AcceptableSignature:
    """What steps 1 to 4 leave: a signature that may be computed."""

    form: SignatureForm
    canonical_form: CanonicalForm
    method: SignatureMethod
    references: tuple[ResolvedReference, ...]
    certificates: tuple[CarriedCertificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _IntactSignature:
    """What steps 5 and 6 leave: who signed which elements."""

    signer: CarriedCertificate
    covered: frozenset[etree._Element]


def check_signatures(
    layout: SignedLayout,
    policy: AcceptancePolicy,
    *,
    octets: CanonicalOctets | None = None,
    source: bytes | None = None,
) -> tuple[SignatureCheck, ...]:
    """Check every signature of one transcript by the document alone; never raises for what a document holds.

    Args:
        layout: where the transcript keeps its content and signatures.
        policy: what is accepted.
        octets: what was canonicalised of this transcript before, so that it is not done again.
        source: the UTF-8 that the tree was read from, where it is at hand.

    Returns:
        One check for each slot, in document order. All findings of step 0 stand at every one of them.
    """
    unsound = check_transcript(layout, policy.limits, source)
    if unsound:
        return tuple(_failed(slot, unsound) for slot in layout.slots)
    transcript = _Transcript(
        layout=layout,
        targets=Targets(layout),
        octets=octets or CanonicalOctets(policy.limits.canonical_bytes),
    )
    seen: set[bytes] = set()
    checks: list[SignatureCheck] = []
    for slot in layout.slots:
        place = SignaturePlace(slot)
        form = read_signature(place)
        if isinstance(form, Finding):
            checks.append(_failed(slot, (form,)))
        elif form.value in seen:
            checks.append(_failed(slot, (place.finding("KS-031"),)))
        else:
            seen.add(form.value)
            checks.append(_check(form, transcript, policy, place))
    return tuple(checks)


def _check(
    form: SignatureForm, transcript: _Transcript, policy: AcceptancePolicy, place: SignaturePlace
) -> SignatureCheck:
    acceptable = _accept(form, transcript.targets, policy, place)
    if isinstance(acceptable, tuple):
        return _failed(place.slot, acceptable)
    intact = _compute(acceptable, policy, transcript.octets, place)
    if isinstance(intact, tuple):
        return _failed(place.slot, intact, acceptable)
    return _conclude(acceptable, intact, transcript.layout, policy, place)


def _accept(
    form: SignatureForm, targets: Targets, policy: AcceptancePolicy, place: SignaturePlace
) -> _AcceptableSignature | tuple[Finding, ...]:
    """Steps 2 to 4: everything that can be refused without computing; all reasons at once."""
    excess = _excess(form, policy, place)
    if excess is not None:
        return (excess,)
    findings: list[Finding] = []
    canonical_form = _read_canonicalization(form, policy, place)
    method = read_method(form, policy, place)
    certificates = read_key_info(form, policy.limits, place)
    findings.extend(item for item in (canonical_form, method, certificates) if isinstance(item, Finding))
    references: list[ResolvedReference] = []
    for resolved in resolve(form, targets, policy, place):
        if isinstance(resolved, Finding):
            findings.append(resolved)
        else:
            references.append(resolved)
    if isinstance(method, SignatureMethod) and not isinstance(certificates, Finding):
        flaw = None
        if not any(fits(carried, method, policy) for carried in certificates):
            flaw = check_key(certificates[0], method, policy, place)
        findings.extend(() if flaw is None else (flaw,))
    if findings or isinstance(canonical_form, Finding) or isinstance(method, Finding):
        return tuple(findings)
    assert not isinstance(certificates, Finding)
    return _AcceptableSignature(
        form=form,
        canonical_form=canonical_form,
        method=method,
        references=tuple(references),
        certificates=certificates,
    )


def _excess(form: SignatureForm, policy: AcceptancePolicy, place: SignaturePlace) -> Finding | None:
    limits = policy.limits
    counts = (
        ("references", len(form.references), limits.references),
        ("objects", len(form.objects), limits.objects),
        ("signature_elements", cast("int", _count(form.element)), limits.signature_elements),
    )
    for what, count, limit in counts:
        if count > limit:
            return place.finding("KS-003", what=what, count=count, limit=limit)
    return None


def _read_canonicalization(
    form: SignatureForm, policy: AcceptancePolicy, place: SignaturePlace
) -> CanonicalForm | Finding:
    element = form.canonicalization_method
    uri = element.get("Algorithm", "")
    if uri not in policy.canonicalizations:
        return place.finding("KS-014", element, algorithm=policy.refused_name(uri))
    return read_form(element, policy.canonicalizations, place)


def _compute(
    acceptable: _AcceptableSignature, policy: AcceptancePolicy, octets: CanonicalOctets, place: SignaturePlace
) -> _IntactSignature | tuple[Finding, ...]:
    """Steps 5 and 6: what was signed is unchanged, and a certificate carried here has signed it."""
    limit = policy.limits.canonical_bytes
    findings = [
        finding
        for resolved in acceptable.references
        if (finding := check_digest(resolved, octets, place, limit)) is not None
    ]
    form = acceptable.form
    try:
        signed_info = octets.of(form.signed_info, acceptable.canonical_form)
    except CanonicalizationError as error:
        return (*findings, cannot_canonicalize(error, form.signed_info, place, limit))
    signer = _signer(acceptable, policy, signed_info)
    if signer is None:
        # The first certificate is the signer's by custom: where its key was not tried, that is the reason.
        untried = check_key(acceptable.certificates[0], acceptable.method, policy, place)
        broken = place.finding("KS-032", form.element[1], algorithm=acceptable.method.name)
        findings.append(untried or broken)
    if findings or signer is None:
        return tuple(findings)
    covered = frozenset(resolved.target for resolved in acceptable.references)
    return _IntactSignature(signer=signer, covered=covered)


def _signer(
    acceptable: _AcceptableSignature, policy: AcceptancePolicy, signed_info: bytes
) -> CarriedCertificate | None:
    """Find the certificate whose key made the signature: KeyInfo may carry its issuers too, in any order."""
    for carried in acceptable.certificates:
        if carried.public_key is None or not fits(carried, acceptable.method, policy):
            continue
        if is_valid(carried.public_key, acceptable.method, acceptable.form.value, signed_info):
            return carried
    return None


def _conclude(
    acceptable: _AcceptableSignature,
    intact: _IntactSignature,
    layout: SignedLayout,
    policy: AcceptancePolicy,
    place: SignaturePlace,
) -> SignatureCheck:
    """Steps 7 and 8: whether the unbroken signature says enough."""
    form, slot, signer = acceptable.form, place.slot, intact.signer
    covers_content = layout.content in intact.covered
    covered_parts = frozenset(
        identifier
        for resolved in acceptable.references
        if (identifier := resolved.target.get("Id", "")) in layout.parts
    )
    findings: list[Finding] = []
    if not covers_content and not (slot.role is SignerRole.SUBJECT_TEACHER and covered_parts):
        findings.append(place.finding("KS-033", form.signed_info, role=slot.role, id=layout.content_id))
    signing_time: datetime | None = None
    read = read_signing_time(form, intact.covered, policy, place)
    if isinstance(read, Finding):
        findings.append(read)
    else:
        signing_time = read
    flaws = (
        check_signing_certificate(form, intact.covered, signer, policy=policy, place=place),
        check_key_values(form, signer, place),
    )
    findings.extend(flaw for flaw in flaws if flaw is not None)
    others = (carried.certificate for carried in acceptable.certificates if carried is not signer)
    return SignatureCheck(
        position=slot.position,
        role=slot.role,
        xpath=slot.xpath,
        line=slot.line,
        indication=Indication.FAILED if has_errors(findings) else Indication.PASSED,
        findings=tuple(findings),
        certificate=signer.certificate,
        fingerprint=signer.fingerprint,
        intermediates=tuple(others),
        signing_time=signing_time,
        covers_content=covers_content,
        covered_parts=covered_parts,
        algorithm=acceptable.method.name,
    )


def _failed(
    slot: SignatureSlot, findings: Iterable[Finding], acceptable: _AcceptableSignature | None = None
) -> SignatureCheck:
    """Make the answer for a signature that proves nothing; its certificate is only what it claims."""
    return SignatureCheck(
        position=slot.position,
        role=slot.role,
        xpath=slot.xpath,
        line=slot.line,
        indication=Indication.FAILED,
        findings=tuple(findings),
        certificate=acceptable.certificates[0].certificate if acceptable else None,
        fingerprint=acceptable.certificates[0].fingerprint if acceptable else None,
        intermediates=(),
        signing_time=None,
        covers_content=False,
        covered_parts=frozenset(),
        algorithm=acceptable.method.name if acceptable else None,
    )
