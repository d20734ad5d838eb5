"""Where an element stands in the package as it was sent, though its transcript was taken out of it."""

from dataclasses import dataclass
from typing import Final, cast

from lxml import etree

# A name may have 50,000 characters, and a path many of those: what is told is cut here. Ours are shorter.
MAX_NAME_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a transcript stood in its package.

    Attributes:
        prefix: path of the element that held the transcripts, ``/GoiHocBa``; empty if it came alone.
        name: local name of a transcript's root.
        position: the transcript's place among the package's transcripts, 1-based; 0 if it came alone.
        line: the line of the unpacked XML on which the transcript begins, 1-based.
    """

    prefix: str = ""
    name: str = "*"
    position: int = 0
    line: int = 1

    @property
    def xpath(self) -> str:
        """The transcript's own path in the package."""
        return f"{self.prefix}/{self.name}[{self.position}]" if self.position else f"/{self.name}"

    def line_of(self, element: etree._Element) -> int:
        """Give the element's line in the unpacked XML."""
        return self.line + (cast("int | None", element.sourceline) or 1) - 1

    def xpath_of(self, element: etree._Element) -> str:
        """Give the element's path from the package's root: local names, positions among namesakes."""
        steps: list[str] = []
        parent = element.getparent()
        while parent is not None:
            steps.append(_step(element))
            element, parent = parent, parent.getparent()
        root = _shown_name(element)
        steps.append(f"{root}[{self.position}]" if self.position else root)
        return f"{self.prefix}/{'/'.join(reversed(steps))}"


def local_name(element: etree._Element) -> str:
    """Give an element's name without its namespace."""
    return etree.QName(element).localname


def _step(element: etree._Element) -> str:
    before = sum(1 for _ in element.itersiblings(element.tag, preceding=True))
    is_alone = before == 0 and next(element.itersiblings(element.tag), None) is None
    name = _shown_name(element)
    return name if is_alone else f"{name}[{before + 1}]"


def _shown_name(element: etree._Element) -> str:
    name = local_name(element)
    return name if len(name) <= MAX_NAME_CHARACTERS else f"{name[: MAX_NAME_CHARACTERS - 1]}…"
