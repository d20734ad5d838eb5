"""Mutations of valid packages, told by bytes: hypothesis and atheris both make and shrink bytes."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Final, TypeVar

from lxml import etree

from app.formats.parser import parse_secure

T = TypeVar("T")
_DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
_Q: Final = "{urn:hocba:1.0}"
_SNIPPETS: Final = (
    b"<!-- -->", b" ", b"\n", b"&#65;", b"&a;", b'Id="x"', b"<a/>", b"</HocBa>", b"<HocBa>", b"<![CDATA[]]>",
    b"<?x?>", b"\x00", b"\xff", b'xmlns="urn:x"', b"<!DOCTYPE a>", b"]]>", b"\xe2\x80\xae",
)  # fmt: skip
_WORDS: Final = (
    b"NoiDung", b"HocBa", b"Reference", b"ds:", b"CaNam", b"8.4", b"7.3", b"time-1", b"sha256", b"c14n",
    b"Id", b"urn:hocba:1.0", b"http://www.w3.org/2000/09/xmldsig#", b"NHA_TRUONG", b"GVBM",
    b"UTF-8",
)  # fmt: skip
_TAGS: Final = (
    f"{_Q}NoiDung", f"{_Q}HocBa", f"{_Q}ChuKy", f"{_Q}MonHoc", f"{_DS}Signature", f"{_DS}SignedInfo",
    f"{_DS}Reference", f"{_DS}Object", f"{_DS}Transform", f"{_DS}KeyInfo", "{urn:khac}x", "x",
)  # fmt: skip
_NAMES: Final = (
    "Id",
    "ID",
    "id",
    "{urn:khac}Id",
    "{http://www.w3.org/XML/1998/namespace}id",
    "URI",
    "Algorithm",
)
_TEXTS: Final = ("", "9.9", "AAAA", "true", "2026-05-28T09:30:00", "\u202e", "0" * 32)


class Recipe:
    """Choices read from bytes; what is not there any more is zero."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._at = 0

    def number(self, below: int) -> int:
        """Give the next number from 0 on, below that one."""
        taken = self._octets[self._at : self._at + 2]
        self._at += 2
        return int.from_bytes(taken, "big") % below

    def choose(self, options: Sequence[T]) -> T:
        """Give one of several."""
        return options[self.number(len(options))]


def mutated(xml: bytes, recipe: Recipe) -> bytes:
    """Change a package in one to three ways."""
    for _ in range(1 + recipe.number(3)):
        change = recipe.choose(_CHANGES)
        xml = change(xml, recipe)
    return xml


def _flip(xml: bytes, recipe: Recipe) -> bytes:
    at = recipe.number(max(len(xml), 1))
    return xml[:at] + bytes([recipe.number(256)]) + xml[at + 1 :]


def _drop(xml: bytes, recipe: Recipe) -> bytes:
    at = recipe.number(max(len(xml), 1))
    return xml[:at] + xml[at + 1 + recipe.number(20) :]


def _insert(xml: bytes, recipe: Recipe) -> bytes:
    at = recipe.number(len(xml) + 1)
    return xml[:at] + recipe.choose(_SNIPPETS) + xml[at:]


def _repeat(xml: bytes, recipe: Recipe) -> bytes:
    at = recipe.number(max(len(xml), 1))
    piece = xml[at : at + recipe.number(3000)]
    return xml[:at] + piece + xml[at:]


def _replace(xml: bytes, recipe: Recipe) -> bytes:
    return xml.replace(recipe.choose(_WORDS), recipe.choose(_WORDS), recipe.choose((1, 2, -1)))


def _in_tree(change: Callable[[list[etree._Element], Recipe], None]) -> Callable[[bytes, Recipe], bytes]:
    def apply(xml: bytes, recipe: Recipe) -> bytes:
        try:
            root = parse_secure(xml)
            change(list(root.iter(etree.Element)), recipe)
        except (etree.XMLSyntaxError, ValueError):  # not a tree any more, or not one that can be changed so
            return xml
        return etree.tostring(root, encoding="UTF-8", xml_declaration=True)

    return apply


def _move(elements: list[etree._Element], recipe: Recipe) -> None:
    element, other = recipe.choose(elements[1:] or elements), recipe.choose(elements)
    if all(other is not inner for inner in element.iter()):
        other.insert(recipe.number(len(other) + 1), element)


def _copy(elements: list[etree._Element], recipe: Recipe) -> None:
    element, other = recipe.choose(elements), recipe.choose(elements)
    other.insert(recipe.number(len(other) + 1), deepcopy(element))


def _forge(elements: list[etree._Element], recipe: Recipe) -> None:
    """Move a content or a transcript into a signature's object, and leave a changed one in its place."""
    wanted = recipe.choose((f"{_Q}NoiDung", f"{_Q}HocBa", f"{_Q}MonHoc"))
    targets = [element for element in elements if element.tag == wanted]
    signatures = [element for element in elements if element.tag == f"{_DS}Signature"]
    if not targets or not signatures:
        return
    target = recipe.choose(targets)
    parent = target.getparent()
    if parent is None:
        return
    forged = deepcopy(target)
    leaf = recipe.choose([element for element in forged.iter(etree.Element) if not len(element)])
    leaf.text = recipe.choose(_TEXTS)
    if recipe.number(2) and "Id" in forged.attrib:
        forged.set("Id", recipe.choose(("hb-" + "0" * 32, "x")))
    parent.replace(target, forged)
    etree.SubElement(recipe.choose(signatures), f"{_DS}Object").append(target)


def _rename(elements: list[etree._Element], recipe: Recipe) -> None:
    recipe.choose(elements).tag = recipe.choose(_TAGS)


def _attribute(elements: list[etree._Element], recipe: Recipe) -> None:
    known = [element.get("Id", "x") for element in elements if element.get("Id")] or ["x"]
    values = (*known, *(f"#{name}" for name in known), "", "#", "http://www.w3.org/2000/09/xmldsig#sha1")
    recipe.choose(elements).set(recipe.choose(_NAMES), recipe.choose(values))


def _text(elements: list[etree._Element], recipe: Recipe) -> None:
    recipe.choose(elements).text = recipe.choose(_TEXTS)


def _remove(elements: list[etree._Element], recipe: Recipe) -> None:
    element = recipe.choose(elements[1:] or elements)
    parent = element.getparent()
    if parent is not None:
        parent.remove(element)


def _declare(elements: list[etree._Element], recipe: Recipe) -> None:
    """Give an element a namespace declaration more, or its children's prefix another meaning."""
    element = recipe.choose(elements)
    parent = element.getparent()
    if parent is None:
        return
    prefix = recipe.choose(("ds", "x", "xs"))
    wrapped = etree.Element(element.tag, nsmap={prefix: recipe.choose(("urn:x", "urn:hocba:1.0"))})
    wrapped.attrib.update(element.attrib)
    wrapped.text = element.text
    wrapped.extend(list(element))
    parent.replace(element, wrapped)


_CHANGES: Final[tuple[Callable[[bytes, Recipe], bytes], ...]] = (
    _flip, _drop, _insert, _repeat, _replace,
    *(_in_tree(one) for one in (_move, _copy, _forge, _rename, _attribute, _text, _remove, _declare)),
)  # fmt: skip
