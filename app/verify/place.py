"""Where in the sender's document a finding about a signature points."""

from dataclasses import dataclass, replace
from typing import cast

from lxml import etree

from app.findings import Finding, finding
from app.formats.place import Place
from app.formats.profile import SignatureSlot

# Names and URIs come from the sender: what is repeated to them is cut here.
MAX_FACT_CHARACTERS = 120


def shown(text: str) -> str:
    """Cut and clean text of the sender's so that it can stand in a message on one line."""
    line = "".join(character if character.isprintable() else "�" for character in text)
    return line if len(line) <= MAX_FACT_CHARACTERS else line[: MAX_FACT_CHARACTERS - 1] + "…"


@dataclass(frozen=True, slots=True)
class SignaturePlace:
    """Makes findings about one signature, placed in the package as it was sent."""

    slot: SignatureSlot

    def finding(self, code: str, element: etree._Element | None = None, /, **facts: str | int) -> Finding:
        """Make a finding at an element inside the signature, or at the signature itself."""
        at = self.slot.element if element is None else element
        cut = {name: shown(value) if isinstance(value, str) else value for name, value in facts.items()}
        return replace(finding(code, xpath=self._xpath(at), line=self._line(at)), facts=cut)

    def _xpath(self, element: etree._Element) -> str:
        """Give a path from the package's root, also for what stands outside the signature."""
        depth = sum(1 for _ in self.slot.element.iterancestors())
        transcript = self.slot.xpath.rsplit("/", depth)[0]
        below = Place().xpath_of(element).split("/")[2:]
        return "/".join([transcript, *below])

    def _line(self, element: etree._Element) -> int:
        # A tree that was built rather than read has no lines.
        here, start = (cast("int | None", node.sourceline) for node in (element, self.slot.element))
        return self.slot.line if here is None or start is None else self.slot.line + here - start
