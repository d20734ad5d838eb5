"""Canonical octets against libxmlsec1's: lxml offers several ways to canonicalise, not all of them right."""

import base64
import hashlib
import hmac
import random
from xml.sax.saxutils import escape, quoteattr

import pytest
import xmlsec
from lxml import etree

from app.formats.parser import parse_secure
from app.verify.canonical import CanonicalForm, CanonicalizationError, CanonicalOctets
from app.verify.policy import Canonicalization
from tests.builders.xmldsig import C14N, C14N_11, DS, EXC_C14N, MORE, SHA256

KEY = b"khong phai bi mat"
URIS = ("", "urn:a", "urn:b", "urn:hocba:1.0")
TEXTS = ("Ánh", "a & b", "1 < 2 > 0", "\r", "\t\n", '"nháy"', "]]&gt;", "'", " ", "𝔘", "")
INCLUSIVE_NAMESPACES = f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="{{}}"/>'
FORMS = (
    (C14N, CanonicalForm(family=Canonicalization.INCLUSIVE)),
    (C14N_11, CanonicalForm(family=Canonicalization.INCLUSIVE)),
    (EXC_C14N, CanonicalForm(family=Canonicalization.EXCLUSIVE)),
    (EXC_C14N, CanonicalForm(family=Canonicalization.EXCLUSIVE, prefixes=("#default", "a"))),
    (EXC_C14N, CanonicalForm(family=Canonicalization.EXCLUSIVE, prefixes=("b", "c", "ds"))),
)


def write(chance: random.Random, scope: dict[str, str], depth: int, targets: list[str]) -> str:
    """Write a random element: prefixes declared, redeclared and undeclared at random, every awkward text."""
    declared: dict[str, str] = {}
    for prefix in ("", "a", "b", "c"):
        if chance.random() < 0.3:
            declared[prefix] = chance.choice(URIS if prefix == "" else URIS[1:])
    scope = scope | declared
    usable = [prefix for prefix in scope if prefix == "" or scope[prefix]]
    name = _qualified(chance.choice([*usable, ""]), f"x{chance.randrange(3)}")
    attributes = {_qualified(prefix, "t"): chance.choice(TEXTS) for prefix in usable if chance.random() < 0.3}
    # Two prefixes may stand for one namespace: the same attribute twice is not well-formed.
    attributes = dict(list(attributes.items())[:1])
    identifier = f"id-{len(targets)}"
    targets.append(identifier)
    head = "".join(f" xmlns{':' if p else ''}{p}={quoteattr(u)}" for p, u in declared.items())
    head += "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items()) + f' Id="{identifier}"'
    inner = "".join(
        escape(chance.choice(TEXTS)).replace("\r", "&#13;")
        if chance.random() < 0.5 or depth == 0
        else write(chance, scope, depth - 1, targets)
        for _ in range(chance.randrange(4))
    )
    return f"<{name}{head}>{inner}</{name}>"


def _qualified(prefix: str, local: str) -> str:
    return f"{prefix}:{local}" if prefix else local


def sign(chance: random.Random, method: str, form: CanonicalForm) -> tuple[etree._Element, str]:
    """Let libxmlsec1 sign one element of a random document, with HMAC: only the octets are of interest."""
    targets: list[str] = []
    body = "".join(write(chance, {"": "", "a": "urn:a"}, 4, targets) for _ in range(3))
    target = chance.choice(targets)
    parameter = INCLUSIVE_NAMESPACES.format(" ".join(form.prefixes)) if form.prefixes else ""
    prefix = chance.choice(["ds", "b", ""])
    signature = (
        f'<ds:Signature><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{method}">{parameter}'
        f'</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{MORE}hmac-sha256"/>'
        f'<ds:Reference URI="#{target}"><ds:Transforms><ds:Transform Algorithm="{method}">{parameter}'
        f'</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="{SHA256}"/><ds:DigestValue/>'
        f"</ds:Reference></ds:SignedInfo><ds:SignatureValue/></ds:Signature>"
    )
    if prefix != "ds":
        signature = signature.replace("<ds:", f"<{prefix}:".replace("<:", "<"))
        signature = signature.replace("</ds:", f"</{prefix}:".replace("</:", "</"))
    declaration = f"xmlns:{prefix}" if prefix else "xmlns"
    document = f'<r xmlns:a="urn:a" xmlns:khac="urn:khac"><s xmlns="urn:hocba:1.0">{body}</s>{signature}</r>'
    signature_tag = f"<{_qualified(prefix, 'Signature')}"
    root = parse_secure(document.replace(signature_tag, f'{signature_tag} {declaration}="{DS}"', 1).encode())
    context = xmlsec.SignatureContext()
    for element in root.iter(etree.Element):
        if element.get("Id") is not None:
            context.register_id(element, "Id")
    context.key = xmlsec.Key.from_binary_data(xmlsec.constants.KeyDataHmac, KEY)
    context.sign(root[-1])
    return root, target


@pytest.mark.parametrize(("method", "form"), FORMS)
def test_octets_are_those_of_libxmlsec(method: str, form: CanonicalForm) -> None:
    for seed in range(150):
        root, target = sign(random.Random(seed), method, form)
        signed_info = root[-1][0]
        element = next(item for item in root.iter(etree.Element) if item.get("Id") == target)
        octets = CanonicalOctets(1 << 24)

        digest = octets.digest(element, form, "sha256")
        value = hmac.digest(KEY, octets.of(signed_info, form), hashlib.sha256)

        stated = base64.b64decode(next(signed_info.iter(f"{{{DS}}}DigestValue")).text or "")
        assert digest == stated, (seed, etree.tostring(root))
        assert value == base64.b64decode(root[-1][1].text or ""), (seed, etree.tostring(root))


def test_a_digest_is_computed_once_for_all_who_sign_the_same() -> None:
    element = parse_secure(b"<a>" + b"x" * 100 + b"</a>")
    octets = CanonicalOctets(150)

    first = octets.digest(element, FORMS[0][1], "sha256")
    second = octets.digest(element, FORMS[0][1], "sha256")

    assert first == second == hashlib.sha256(b"<a>" + b"x" * 100 + b"</a>").digest()


def test_the_budget_of_a_transcript_bounds_what_its_signatures_may_ask_for() -> None:
    element = parse_secure(b"<a>" + b"x" * 100 + b"</a>")
    octets = CanonicalOctets(150)
    octets.digest(element, FORMS[0][1], "sha256")
    octets.digest(element, FORMS[2][1], "sha256")

    with pytest.raises(CanonicalizationError) as caught:
        octets.digest(element, FORMS[3][1], "sha256")

    assert caught.value.is_too_large


def test_an_element_without_a_canonical_form_is_refused() -> None:
    element = parse_secure(b'<a xmlns="khong-co-luoc-do"/>')

    with pytest.raises(CanonicalizationError) as caught:
        CanonicalOctets(1000).of(element, FORMS[0][1])

    assert not caught.value.is_too_large
