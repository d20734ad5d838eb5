"""Elements of format 1.0, written node by node."""

from lxml import etree

from app.client.packaging import NAMESPACE
from app.demo.people import Person


def transcript_root() -> etree._Element:
    """Open a HocBa that declares the format's namespace as its default."""
    return etree.fromstring(f'<HocBa xmlns="{NAMESPACE}"/>')


def add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    """Append an element of the format's namespace, with its text and attributes."""
    node = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", attributes)
    node.text = text
    return node


def add_teacher(parent: etree._Element, name: str, person: Person) -> etree._Element:
    """Append a person: full name and identity number."""
    node = add(parent, name)
    add(node, "HoTen", person.full_name)
    add(node, "SoDinhDanh", person.identity_number)
    return node


def yes_or_no(value: bool) -> str:  # noqa: FBT001 - FBT001: one value, one word
    """Write a boolean as the format does."""
    return "true" if value else "false"
