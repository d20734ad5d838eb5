"""Rules on written text: names in NFC, nothing invisible, real letters (Unicode 15, UAX 15)."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Final

from lxml import etree

from app.findings import Finding, finding
from app.formats.place import Place, local_name

# Cc, Cf, Co, Cs, Cn, Zl, Zp are invisible or mean nothing; of the white space only U+0020 belongs in a name.
_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
# What reorders text on a screen is refused in every text: it shows other words than were signed.
_REORDERING_CHARACTERS: Final = (
    *("\u202a", "\u202b", "\u202c", "\u202d", "\u202e"),
    *("\u2066", "\u2067", "\u2068", "\u2069"),
    *("\ufff9", "\ufffa", "\ufffb"),
)
_REORDERING: Final = re.compile(f"[{''.join(_REORDERING_CHARACTERS)}]")
# The same in UTF-8, by first octet: what begins with one octet is searched for by that octet, which is rare.
_REORDERING_OCTETS: Final = tuple(
    re.compile(b"|".join(character.encode() for character in group))
    for _, group in groupby(_REORDERING_CHARACTERS, key=lambda character: character.encode()[0])
)
_LETTERS: Final = "A-Za-z\u00c0-\u024f\u1e00-\u1eff'\u2019.\\-"
_ORDINARY_PERSON: Final = re.compile(f"[{_LETTERS}]++(?: [{_LETTERS}]++)*+")
_ORDINARY_NAME: Final = re.compile(f"[{_LETTERS}0-9,()]++(?: [{_LETTERS}0-9,()]++)*+")
_PERSON: Final = re.compile(r"(?:[^\W\d_]|[ '\u2019.\-]|[\u0300-\u036f])++")


def name_findings(element: etree._Element, place: Place) -> Iterator[Finding]:
    """Check a name (họ tên, tên trường): its value is personal and never shown.

    ``DD-081`` not NFC, ``DD-082`` invisible character, ``DD-085`` blank, ``DD-083`` needless white space.
    """
    written = element.text or ""
    if _ORDINARY_NAME.fullmatch(written) is not None and unicodedata.is_normalized("NFC", written):
        return
    xpath, line, name = place.xpath_of(element), place.line_of(element), local_name(element)
    position = _first_invisible(written)
    if position is not None:
        yield finding(
            "DD-082",
            xpath=xpath,
            line=line,
            name=name,
            character=f"U+{ord(written[position]):04X}",
            position=position + 1,
        )
    if not unicodedata.is_normalized("NFC", written):
        yield finding("DD-081", xpath=xpath, line=line, name=name)
    if not written.strip():
        yield finding("DD-085", xpath=xpath, line=line, name=name)
    elif " ".join(written.split()) != written and position is None:
        yield finding("DD-083", xpath=xpath, line=line, name=name)


def person_findings(element: etree._Element, place: Place) -> Iterator[Finding]:
    """Check a person's name; ``DD-084`` warns of anything but letters, spaces, hyphens, apostrophes, dots."""
    written = element.text or ""
    if _ORDINARY_PERSON.fullmatch(written) is not None and unicodedata.is_normalized("NFC", written):
        return
    yield from name_findings(element, place)
    if written.strip() and _PERSON.fullmatch(written) is None and _first_invisible(written) is None:
        yield finding(
            "DD-084", xpath=place.xpath_of(element), line=place.line_of(element), name=local_name(element)
        )


def reordering_findings(content: etree._Element, place: Place) -> Iterator[Finding]:
    """Refuse characters that reorder text on a screen (``DD-086``), wherever they stand."""
    written = etree.tostring(content, method="text", encoding="utf-8", with_tail=False)
    if not any(pattern.search(written) for pattern in _REORDERING_OCTETS):
        return
    for element in content.iter():
        hit = _REORDERING.search(element.text or "")
        if hit is not None:
            yield finding(
                "DD-086",
                xpath=place.xpath_of(element),
                line=place.line_of(element),
                name=local_name(element),
                character=f"U+{ord(hit[0]):04X}",
                position=hit.start() + 1,
            )


def _first_invisible(written: str) -> int | None:
    """Give the index of the first character that a name may not hold; None where there is none."""
    for index, character in enumerate(written):
        if character != " " and (
            character.isspace() or unicodedata.category(character) in _INVISIBLE_CATEGORIES
        ):
            return index
    return None
