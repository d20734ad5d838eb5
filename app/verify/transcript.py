"""What must hold of a whole transcript before any of its signatures is looked at.

Each check stands for a known attack on signed XML: one identifier with two meanings, text that two readers
see differently, a second content element, and canonicalisation made to cost more than it is worth.
"""

from collections.abc import Iterator
from functools import cache
from itertools import chain, islice
from typing import Final, Protocol, cast

from lxml import etree

from app.findings import Finding
from app.formats.profile import SignedLayout
from app.verify.place import SignaturePlace
from app.verify.policy import SignatureLimits
from app.verify.structure import ds

# Enough to act upon; a document that was made to hold thousands is not worth the time to tell them all.
MAX_FINDINGS: Final = 50

_ATTRIBUTES = etree.XPath("//@*")
_IDENTIFIERS = etree.XPath(
    "descendant-or-self::*/@*[translate(local-name(), 'ID', 'id') = 'id']", smart_strings=False
)
_HAS_XML_ATTRIBUTE = etree.XPath("boolean(descendant-or-self::*/@xml:*)")
_XML_NAMESPACE = "{http://www.w3.org/XML/1998/namespace}"


class _AttributeValue(Protocol):
    """What XPath gives for an attribute: a text that knows where it stands."""

    attrname: str

    def getparent(self) -> etree._Element:
        """Give the element that bears it."""
        ...


def check_transcript(
    layout: SignedLayout, limits: SignatureLimits, source: bytes | None = None
) -> tuple[Finding, ...]:
    """Give every reason why no signature of this transcript can be relied on; none where there is no reason.

    Refuses what costs too much (KS-003), comments, processing instructions and entities (KS-004),
    attributes of the ``xml`` prefix (KS-005), an identifier given twice (KS-006), and content that
    stands anywhere but in its one place (KS-007).

    Args:
        layout: where the transcript keeps its content and signatures.
        limits: what its signatures may cost.
        source: the UTF-8 that the tree was read from, where it is at hand.
    """
    if not layout.slots:
        return ()
    place = SignaturePlace(layout.slots[0])
    excess = _excess(layout, limits, place, source)
    if excess is not None:
        return (excess,)
    may_hide = source is None or b"!" in source or b"?" in source  # what hides begins with <! or <?
    hidden = _hidden_nodes(layout, place) if may_hide else ()
    findings = chain(hidden, _identifiers(layout, place), _misplaced(layout, place))
    return tuple(islice(findings, MAX_FINDINGS))


def identifiers_of(root: etree._Element) -> list[str]:
    """Give the values of all attributes that any tool might take for an identifier, in document order."""
    return cast("list[str]", _IDENTIFIERS(root))


def _excess(
    layout: SignedLayout, limits: SignatureLimits, place: SignaturePlace, source: bytes | None
) -> Finding | None:
    if len(layout.slots) > limits.signatures:
        count, limit = len(layout.slots), limits.signatures
        return place.finding("KS-003", layout.root, what="signatures", count=count, limit=limit)
    # Bytes bound both counts: counting them is linear whatever the document holds, and text that looks like
    # an attribute only makes the count larger. What the sender wrote is counted as freely as it is written.
    octets = source or b""
    attributes, declarations = octets.count(b"="), octets.count(b"xmlns")
    if source is None or attributes > limits.attributes or declarations > limits.namespace_declarations:
        octets = etree.tostring(layout.root, encoding="utf-8", with_tail=False)
        attributes, declarations = octets.count(b'="'), octets.count(b" xmlns")
    counts = (
        ("attributes", attributes, limits.attributes),
        ("namespace_declarations", declarations, limits.namespace_declarations),
    )
    for what, count, limit in counts:
        if count > limit:
            return place.finding("KS-003", layout.root, what=what, count=count, limit=limit)
    crowded = None if declarations <= limits.namespaces_in_scope else _crowded(layout.root, limits)
    if crowded is None:
        return None
    count, limit = len(crowded.nsmap), limits.namespaces_in_scope
    return place.finding("KS-003", crowded, what="namespaces_in_scope", count=count, limit=limit)


def _crowded(root: etree._Element, limits: SignatureLimits) -> etree._Element | None:
    """Give the first element with too many namespaces in scope; XPath says quickly whether there is any."""
    if not _more_in_scope_than(limits.namespaces_in_scope)(root):
        return None
    elements = root.iter(etree.Element)
    return next((item for item in elements if len(item.nsmap) > limits.namespaces_in_scope), None)


@cache
def _more_in_scope_than(number: int) -> etree.XPath:
    # Every element also has the namespace of the xml prefix in scope.
    return etree.XPath(f"boolean(descendant-or-self::*/namespace::*[{number + 2}])")


def _hidden_nodes(layout: SignedLayout, place: SignaturePlace) -> Iterator[Finding]:
    """Canonical XML drops comments, so one may be put into signed text without breaking the signature."""
    if layout.root.getroottree().docinfo.internalDTD is not None:
        yield place.finding("KS-004", layout.root, kind="DOCTYPE")
    for node in layout.root.iter(etree.Comment, etree.PI, etree.Entity):
        parent = node.getparent()
        kind = {etree.Comment: "comment", etree.PI: "processing instruction"}.get(node.tag, "entity")  # type: ignore[call-overload]
        yield place.finding("KS-004", parent if parent is not None else layout.root, kind=kind)
        return


def _identifiers(layout: SignedLayout, place: SignaturePlace) -> Iterator[Finding]:
    """Every tool has its own idea of which attribute is an identifier: by any of them, each is unique."""
    identifiers = identifiers_of(layout.root)
    if len(set(identifiers)) == len(identifiers) and not _HAS_XML_ATTRIBUTE(layout.root):
        return
    seen: set[str] = set()
    for value in cast("list[_AttributeValue]", _ATTRIBUTES(layout.root)):
        name, identifier = value.attrname, str(value)
        if name.startswith(_XML_NAMESPACE):
            yield place.finding("KS-005", value.getparent(), attribute=f"xml:{name.rpartition('}')[2]}")
        if name.rpartition("}")[2].lower() == "id":
            if identifier in seen:
                yield place.finding("KS-006", value.getparent(), id=identifier)
            seen.add(identifier)


def _misplaced(layout: SignedLayout, place: SignaturePlace) -> Iterator[Finding]:
    """The signed content is the one that is read: there is no second one, and none inside a signature."""
    root, content = layout.root, layout.content
    if content.getparent() is not root or content.get("Id") != layout.content_id:
        yield place.finding("KS-007", content, element=etree.QName(content).localname)
    for twin in root.iter(content.tag):
        if twin is not content:
            yield place.finding("KS-007", twin, element=etree.QName(twin).localname)
    own = etree.QName(root).namespace
    for slot in layout.slots:
        if slot.element.tag != ds("Signature"):
            continue
        foreign = next(slot.element.iter(f"{{{own}}}*"), None)
        if foreign is not None:
            at = SignaturePlace(slot)
            yield at.finding("KS-007", foreign, element=etree.QName(foreign).localname)
