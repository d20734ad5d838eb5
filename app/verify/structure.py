"""The exact form of a ds:Signature, and what it says, read once.

XMLDSig 1.1 (W3C REC 2013-04-11), section 4. Nothing is trusted here; nothing unknown is skipped over.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Final, cast

import pybase64
from lxml import etree

from app.findings import Finding
from app.verify.canonical import EXCLUSIVE_NAMESPACE
from app.verify.place import SignaturePlace

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
DS11: Final = "http://www.w3.org/2009/xmldsig11#"
DSMORE: Final = "http://www.w3.org/2007/05/xmldsig-more#"

_USUAL_ELEMENTS: Final = 200

# An element's name, its attributes, whether text stands beside its children, and these; the children of what
# is no part of the skeleton are left out.
_Shape = tuple[str, tuple[str, ...], bool, tuple["_Shape", ...]]


@dataclass(frozen=True, slots=True)
class _Form:
    """What an element of the skeleton may hold.

    Attributes:
        children: in order, a pattern over names each ended by a blank; None where they are open, to be
            looked at by the step that gives them a meaning.
        attributes: all that it may carry.
        required: those that it must carry.
    """

    children: re.Pattern[str] | None
    attributes: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()


def _form(children: str | None, *attributes: str, required: str = "") -> _Form:
    pattern = None if children is None else re.compile(children)
    names = frozenset(required.split())
    return _Form(pattern, names.union(attributes), names)


_FORMS: Final = {
    "Signature": _form(r"SignedInfo SignatureValue (KeyInfo )?(Object )*", "Id"),
    "SignedInfo": _form(r"CanonicalizationMethod SignatureMethod (Reference )+", "Id"),
    "CanonicalizationMethod": _form(None, required="Algorithm"),
    "SignatureMethod": _form(r"(HMACOutputLength |pss:RSAPSSParams )?", required="Algorithm"),
    "Reference": _form(r"(Transforms )?DigestMethod DigestValue ", "Id", "URI", "Type"),
    "Transforms": _form(r"(Transform )+"),
    "Transform": _form(None, required="Algorithm"),
    "DigestMethod": _form(r"", required="Algorithm"),
    "DigestValue": _form(r""),
    "SignatureValue": _form(r"", "Id"),
    "KeyInfo": _form(r"(KeyName |KeyValue |X509Data |dsig11:DEREncodedKeyValue )+", "Id"),
    "KeyName": _form(r""),
    "X509Data": _form(
        r"(X509Certificate |X509SubjectName |X509IssuerSerial |X509SKI |X509CRL |dsig11:X509Digest )+"
    ),
    "X509Certificate": _form(r""),
}


# Elements of the open places, and those that belong nowhere but are sent.
_OTHERS: Final = {
    DS: "Object KeyValue HMACOutputLength X509SubjectName X509IssuerSerial X509SKI X509CRL Manifest"
    " RetrievalMethod PGPData SPKIData MgmtData SignatureProperties",
    DS11: "dsig11:DEREncodedKeyValue dsig11:X509Digest",
    DSMORE: "pss:RSAPSSParams",
    EXCLUSIVE_NAMESPACE: "ec:InclusiveNamespaces",
}
_SHORT: Final = {f"{{{DS}}}{name}": name for name in _FORMS} | {
    f"{{{namespace}}}{name.rpartition(':')[2]}": name
    for namespace, names in _OTHERS.items()
    for name in names.split()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One ds:Reference as it is written."""

    element: etree._Element
    uri: str | None
    transforms: tuple[etree._Element, ...]
    digest_method: etree._Element
    stated_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureForm:
    """A ds:Signature taken apart; every element stands where the standard puts it."""

    element: etree._Element
    signed_info: etree._Element
    canonicalization_method: etree._Element
    signature_method: etree._Element
    references: tuple[Reference, ...]
    value: bytes
    key_info: etree._Element | None
    objects: tuple[etree._Element, ...]


def ds(name: str) -> str:
    """Give the qualified name of an XMLDSig element."""
    return f"{{{DS}}}{name}"


def read_base64(element: etree._Element) -> bytes | None:
    """Decode an element's xs:base64Binary (RFC 4648, 4, white space allowed); None where it is none."""
    try:
        return pybase64.b64decode("".join((element.text or "").split()), validate=True)
    except ValueError:
        return None


def read_signature(place: SignaturePlace) -> SignatureForm | Finding:
    """Take a signature apart; KS-001 where its form is not exactly the standard's, KS-002 for bad base64."""
    signature = place.slot.element
    if signature.tag != ds("Signature"):
        return place.finding("KS-001", found=_short(signature.tag), expected="Signature")
    flaw = _flaw(signature, place)
    if flaw is not None:
        return flaw
    signed_info, value, *rest = signature
    key_info = rest.pop(0) if rest and rest[0].tag == ds("KeyInfo") else None
    canonicalization, method, *references = signed_info
    read: list[Reference] = []
    for element in references:
        digest = read_base64(element[-1])
        if digest is None:
            return place.finding("KS-002", element[-1], element="DigestValue")
        read.append(
            Reference(
                element=element,
                uri=element.get("URI"),
                transforms=tuple(element[0]) if len(element) == 3 else (),
                digest_method=element[-2],
                stated_digest=digest,
            )
        )
    octets = read_base64(value)
    if not octets:
        return place.finding("KS-002", value, element="SignatureValue")
    return SignatureForm(
        element=signature,
        signed_info=signed_info,
        canonicalization_method=canonicalization,
        signature_method=method,
        references=tuple(read),
        value=octets,
        key_info=key_info,
        objects=tuple(rest),
    )


def _flaw(signature: etree._Element, place: SignaturePlace) -> Finding | None:
    """Find the first place, in document order, where the skeleton departs from the standard."""
    is_usual = next(islice(signature.iter(), _USUAL_ELEMENTS, None), None) is None
    shape = _shape(signature)
    known = _flaw_of_usual(shape) if is_usual else _flaw_of(shape)
    if known is None:
        return None
    path, found = known
    element = signature
    for index in path:
        element = element[index]
    return place.finding("KS-001", element, found=found, expected=_expected(_short(element.tag)))


def _shape(element: etree._Element) -> _Shape:
    tag = element.tag
    name = _SHORT.get(tag) or _short(tag)
    attributes = cast("list[str]", element.keys())
    if not len(element):
        return name, tuple(attributes), False, ()
    has_text = bool((element.text or "").strip())
    return name, tuple(attributes), has_text, tuple(map(_shape, element)) if name in _FORMS else ()


def _flaw_of(shape: _Shape) -> tuple[tuple[int, ...], str] | None:
    """Give the way to the first element that departs from the standard, and what is found there."""
    name, attributes, has_text, children = shape
    found = _attribute_flaw(name, frozenset(attributes)) or _child_flaw(
        name, [child[0] for child in children], has_text=has_text
    )
    if found is not None:
        return (), found
    for index, child in enumerate(children):
        flaw = _flaw_of(child) if child[0] in _FORMS else None
        if flaw is not None:
            return (index, *flaw[0]), flaw[1]
    return None


# One software signs in one shape; only a few are kept, as senders can make up any number.
_flaw_of_usual = lru_cache(maxsize=32)(_flaw_of)


def _attribute_flaw(name: str, attributes: frozenset[str]) -> str | None:
    if attributes == _FORMS[name].required:
        return None
    if foreign := attributes - _FORMS[name].attributes:
        return f"@{min(foreign)}"
    return f"{name}(@)" if _FORMS[name].required - attributes else None


def _child_flaw(name: str, children: list[str], *, has_text: bool) -> str | None:
    pattern = _FORMS[name].children
    if pattern is None:
        return None
    if not pattern.fullmatch("".join([f"{child} " for child in children])):
        return f"{name}({', '.join(children)})"
    return f"{name}/text()" if has_text else None


def _expected(name: str) -> str:
    """Say what an element may hold, for people."""
    form = _FORMS[name]
    children = "" if form.children is None else " ".join(form.children.pattern.replace(" )", ")").split())
    attributes = " ".join(f"@{attribute}" for attribute in sorted(form.attributes))
    return " ".join(part for part in (attributes, children) if part) or "text()"


def _short(tag: str) -> str:
    """Name an element: XMLDSig's own names bare, its companions' with a prefix, others in full.

    There are elements only: comments and the like were refused with the whole transcript.
    """
    return _SHORT.get(tag) or (tag if tag.startswith("{") else f"{{}}{tag}")
