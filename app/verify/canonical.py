"""Canonical XML: the octets that a digest or a signature is computed over.

C14N 1.0 (W3C REC 2001-03-15), C14N 1.1 (2008-05-02), Exclusive C14N 1.0 (2002-07-18), without comments.
"""

import hashlib
from dataclasses import dataclass

from lxml import etree

from app.formats.parser import secure_parser
from app.verify.policy import Canonicalization

EXCLUSIVE_NAMESPACE = "http://www.w3.org/2001/10/xml-exc-c14n#"


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalForm:
    """A canonicalisation with its parameters.

    Attributes:
        family: inclusive or exclusive.
        prefixes: of the exclusive form: the prefixes treated as in the inclusive one (InclusiveNamespaces).
    """

    family: Canonicalization
    prefixes: tuple[str, ...] = ()


# XMLDSig 1.1, 4.4.3.2: a reference that ends in nodes and names no canonicalisation gets C14N 1.0.
DEFAULT_FORM = CanonicalForm(family=Canonicalization.INCLUSIVE)
# In which content is compared whatever package it stands in; most signatures digest this very form.
EXCLUSIVE_FORM = CanonicalForm(family=Canonicalization.EXCLUSIVE)


class CanonicalizationError(Exception):
    """The element has no canonical form (for example a relative namespace URI), or it costs too much."""

    def __init__(self, *, is_too_large: bool) -> None:
        super().__init__("too large" if is_too_large else "no canonical form")
        self.is_too_large = is_too_large


class CanonicalOctets:
    """Canonical octets of the elements of one transcript, within a budget, and each digest computed once.

    Several signatures usually sign the same content in the same way. An attacker would let each of them
    differ: what all of them together may produce is bounded.
    """

    def __init__(self, budget: int) -> None:
        self._left = budget
        self._digests: dict[tuple[etree._Element, CanonicalForm, str], bytes] = {}

    def of(self, element: etree._Element, form: CanonicalForm) -> bytes:
        """Give an element's canonical octets, with the namespaces and nothing else of its ancestors.

        Attributes of the ``xml`` prefix are not inherited: the caller has refused documents with any.

        Raises:
            CanonicalizationError: there is no canonical form, or the budget is used up.
        """
        if self._left <= 0:
            raise CanonicalizationError(is_too_large=True)
        try:
            octets = _canonical(element, form)
        except etree.LxmlError as error:
            raise CanonicalizationError(is_too_large=False) from error
        self._left -= len(octets)
        return octets

    def digest(self, element: etree._Element, form: CanonicalForm, algorithm: str) -> bytes:
        """Give the digest of an element's canonical octets; the same refusals as ``of``."""
        key = (element, form, algorithm)
        known = self._digests.get(key)
        if known is None:
            known = self._digests[key] = hashlib.new(algorithm, self.of(element, form)).digest()
        return known


def _canonical(element: etree._Element, form: CanonicalForm) -> bytes:
    if form.family is Canonicalization.EXCLUSIVE and not form.prefixes:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False, with_tail=False)
    # Where inherited namespaces count, lxml is exact for a document's root only (below it, it writes a false
    # xmlns="" on grandchildren). Written out with all its namespaces and read again, the element is one.
    written = etree.tostring(element, encoding="utf-8", with_tail=False)
    if form.family is Canonicalization.INCLUSIVE and _has_one_namespace(element, written):
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False, with_tail=False)
    alone = etree.fromstring(written, secure_parser())
    if form.family is Canonicalization.INCLUSIVE:
        return etree.tostring(alone, method="c14n", with_comments=False)
    if "#default" in form.prefixes:
        # lxml drops prefixes that no document of this thread has ever named; this one is no name, so that
        # it has to be met as the URI of a namespace once.
        etree.fromstring(b'<x xmlns="#default"/>', secure_parser())
    prefixes = list(form.prefixes)
    return etree.tostring(
        alone, method="c14n", exclusive=True, inclusive_ns_prefixes=prefixes, with_comments=False
    )


def _has_one_namespace(element: etree._Element, written: bytes) -> bool:
    """Say whether its own namespace is all that an element has in scope or declares within.

    Then every declaration is used where it stands, and the inclusive form is the exclusive one. Text that
    looks like a declaration only makes the answer no.
    """
    return element.tag.startswith("{") and written.count(b" xmlns") == 1
