"""Reading the children of a conformant element: by local name, in one pass over the siblings."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from lxml import etree

from app.formats.hocba_1_0.names import NAMESPACE

_PREFIX_LENGTH: Final = len(NAMESPACE) + 2


def children(element: etree._Element) -> dict[str, etree._Element]:
    """Give an element's children by local name; where a name repeats, the last one."""
    return {child.tag[_PREFIX_LENGTH:]: child for child in element}


def text(element: etree._Element) -> str:
    """Give an element's text; empty where it has none."""
    return element.text or ""


def optional_text(fields: Mapping[str, etree._Element], name: str) -> str | None:
    """Give the text of a child that may be missing."""
    child = fields.get(name)
    return None if child is None else text(child)


def is_true(fields: Mapping[str, etree._Element], name: str) -> bool:
    """Read an ``xs:boolean``; a missing one is false."""
    child = fields.get(name)
    return child is not None and text(child).strip() == "true"


def day_month_year(written: str) -> date | None:
    """Read ``dd/MM/yyyy``; None where no such day exists."""
    try:
        return date(int(written[6:10]), int(written[3:5]), int(written[0:2]))
    except ValueError:
        return None
