"""What a signature's references name, and whether it is unchanged.

XMLDSig 1.1, 4.4.3 and 3.2.1 (reference validation); against wrapping: a reference reaches only the very
elements that the format's layout names, or an object inside the same signature.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from hmac import compare_digest
from typing import Final

import pybase64
from lxml import etree

from app.findings import Finding
from app.formats.profile import SignedLayout
from app.verify.canonical import (
    DEFAULT_FORM,
    EXCLUSIVE_NAMESPACE,
    CanonicalForm,
    CanonicalizationError,
    CanonicalOctets,
)
from app.verify.place import SignaturePlace
from app.verify.policy import ENVELOPED_SIGNATURE, AcceptancePolicy, Canonicalization
from app.verify.structure import Reference, SignatureForm, ds
from app.verify.transcript import identifiers_of

XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
_INCLUSIVE_NAMESPACES: Final = f"{{{EXCLUSIVE_NAMESPACE}}}InclusiveNamespaces"
# What inside a signature may be signed along with the content; a manifest may not: nobody would check it.
_OWN_TARGETS: Final = (
    ds("Object"),
    ds("SignatureProperties"),
    ds("SignatureProperty"),
    ds("KeyInfo"),
    f"{{{XADES}}}QualifyingProperties",
    f"{{{XADES}}}SignedProperties",
)


@dataclass(frozen=True, slots=True)
class ResolvedReference:
    """A reference that names an element it may name, in an accepted form."""

    reference: Reference
    target: etree._Element
    form: CanonicalForm
    digest_name: str


class Targets:
    """The elements of a transcript that references may name, and all identifiers that it bears."""

    def __init__(self, layout: SignedLayout) -> None:
        self._layout = layout
        self._shared = {**layout.parts, layout.content_id: layout.content}

    @cached_property
    def identifiers(self) -> frozenset[str]:
        """Every identifier, by whatever name; looked up only where a reference has gone wrong."""
        return frozenset(identifiers_of(self._layout.root))

    def find(self, identifier: str, own: Mapping[str, etree._Element]) -> etree._Element | None:
        """Give what an Id names: the content, a part of it, else something of the signature's own."""
        return self._shared.get(identifier, own.get(identifier))


def _own_targets(form: SignatureForm) -> Mapping[str, etree._Element]:
    """Give what inside a signature its references may name, by Id."""
    return {
        identifier: element
        for element in form.element.iter(*_OWN_TARGETS)
        if (identifier := element.get("Id")) is not None
    }


def resolve(
    form: SignatureForm, targets: Targets, policy: AcceptancePolicy, place: SignaturePlace
) -> Iterator[ResolvedReference | Finding]:
    """Say which element each reference names, and in what form it is digested; or every reason why not.

    Refuses: no URI (KS-008), the empty URI (KS-009), one outside the transcript (KS-010), an XPointer
    (KS-011), an Id that nothing bears (KS-012), an element that may not be signed alone (KS-013), a
    transform (KS-014) or their order (KS-015), a digest (KS-016) that is not accepted.
    """
    own = _own_targets(form)
    for reference in form.references:
        yield from _resolve(reference, form, own, targets, policy=policy, place=place)


def _resolve(
    reference: Reference,
    form: SignatureForm,
    own: Mapping[str, etree._Element],
    targets: Targets,
    *,
    policy: AcceptancePolicy,
    place: SignaturePlace,
) -> Iterator[ResolvedReference | Finding]:
    target = _target(reference, own, targets, place)
    canonical = _form(reference, policy, place)
    uri = reference.digest_method.get("Algorithm", "")
    digest_name = policy.digests.get(uri)
    if isinstance(target, Finding):
        yield target
    if isinstance(canonical, Finding):
        yield canonical
    if digest_name is None:
        yield place.finding("KS-016", reference.digest_method, algorithm=policy.refused_name(uri))
    if isinstance(target, Finding) or isinstance(canonical, Finding) or digest_name is None:
        return
    is_enveloped = reference.transforms and reference.transforms[0].get("Algorithm") == ENVELOPED_SIGNATURE
    if is_enveloped and any(node is form.element for node in target.iterancestors()):
        # Taking the signature out of an element of its own leaves nothing to digest.
        yield place.finding("KS-015", reference.element, transforms="enveloped-signature")
    else:
        yield ResolvedReference(reference, target, canonical, digest_name)


def _target(
    reference: Reference, own: Mapping[str, etree._Element], targets: Targets, place: SignaturePlace
) -> etree._Element | Finding:
    uri = reference.uri
    code = _uri_flaw(uri)
    if code is not None or uri is None:
        return place.finding(code or "KS-008", reference.element, uri=uri or "")
    element = targets.find(uri[1:], own)
    if element is not None:
        return element
    return place.finding("KS-013" if uri[1:] in targets.identifiers else "KS-012", reference.element, uri=uri)


def _uri_flaw(uri: str | None) -> str | None:
    """Name what keeps a URI from being ``#`` and an identifier."""
    if uri is None:
        return "KS-008"
    if uri == "":
        return "KS-009"
    if not uri.startswith("#"):
        return "KS-010"
    return "KS-011" if uri == "#" or "(" in uri else None


def _form(reference: Reference, policy: AcceptancePolicy, place: SignaturePlace) -> CanonicalForm | Finding:
    transforms = reference.transforms
    for transform in transforms:
        uri = transform.get("Algorithm", "")
        if uri != ENVELOPED_SIGNATURE and uri not in policy.canonicalizations:
            return place.finding("KS-014", transform, algorithm=policy.refused_name(uri))
    rest = (
        transforms[1:] if transforms and transforms[0].get("Algorithm") == ENVELOPED_SIGNATURE else transforms
    )
    if len(rest) > 1 or any(transform.get("Algorithm") == ENVELOPED_SIGNATURE for transform in rest):
        names = " → ".join(transform.get("Algorithm", "") for transform in transforms)
        return place.finding("KS-015", reference.element, transforms=names)
    if len(transforms) > len(rest) and len(transforms[0]):
        return place.finding("KS-015", transforms[0], transforms="enveloped-signature(…)")
    if not rest:
        return DEFAULT_FORM
    return read_form(rest[0], policy.canonicalizations, place)


def read_form(
    element: etree._Element, accepted: Mapping[str, Canonicalization], place: SignaturePlace
) -> CanonicalForm | Finding:
    """Read an accepted canonicalisation with its InclusiveNamespaces; KS-015 for other parameters."""
    family = accepted[element.get("Algorithm", "")]
    if len(element) == 0:
        return CanonicalForm(family=family)
    parameter = element[0]
    if family is not Canonicalization.EXCLUSIVE or len(element) > 1 or parameter.tag != _INCLUSIVE_NAMESPACES:
        return place.finding("KS-015", element, transforms=str(parameter.tag))
    # Order and repetition mean nothing; sorting lets equal forms share one digest.
    prefixes = tuple(sorted(set(parameter.get("PrefixList", "").split())))
    return CanonicalForm(family=family, prefixes=prefixes)


def check_digest(
    resolved: ResolvedReference, octets: CanonicalOctets, place: SignaturePlace, limit: int
) -> Finding | None:
    """Compare the digest with the stated one; KS-017 names both, KS-018 and KS-003 where none can be made."""
    reference = resolved.reference
    try:
        computed = octets.digest(resolved.target, resolved.form, resolved.digest_name)
    except CanonicalizationError as error:
        return cannot_canonicalize(error, reference.element, place, limit)
    if compare_digest(computed, reference.stated_digest):
        return None
    return place.finding(
        "KS-017",
        reference.element,
        uri=reference.uri or "",
        algorithm=resolved.digest_name,
        stated=pybase64.b64encode(reference.stated_digest).decode("ascii"),
        computed=pybase64.b64encode(computed).decode("ascii"),
    )


def cannot_canonicalize(
    error: CanonicalizationError, element: etree._Element, place: SignaturePlace, limit: int
) -> Finding:
    """Make a finding of a canonicalisation that was refused."""
    if error.is_too_large:
        return place.finding("KS-003", element, what="canonical_bytes", count=limit + 1, limit=limit)
    return place.finding("KS-018", element)
