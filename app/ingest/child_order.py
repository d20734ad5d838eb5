"""Explaining children that break their parent's content model: missing, unknown, repeated, misplaced."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree
from xmlschema.validators import XMLSchemaChildrenValidationError, XsdElement, XsdGroup

from app.findings import Finding, finding
from app.formats.place import Place, local_name


@dataclass(frozen=True, slots=True, kw_only=True)
class _Slot:
    """One place in a sequence: one element name, or several of which one must stand there."""

    names: tuple[str, ...]
    is_required: bool
    maximum: int | None


def child_findings(
    error: XMLSchemaChildrenValidationError, parent: etree._Element, place: Place
) -> Iterator[tuple[str, Finding]]:
    """Give all findings about one element's children, each with the child's name.

    ``DD-060`` missing, ``DD-061`` unknown, ``DD-064`` misplaced, ``DD-065`` repeated too often, ``DD-066``
    alternatives together, ``DD-074`` known by another namespace.
    """
    group = error.validator
    while isinstance(group, XsdGroup) and isinstance(group.parent, XsdGroup):
        group = group.parent
    slots = _slots(group) if isinstance(group, XsdGroup) else None
    is_told = False
    for told in _by_slots(slots, parent, place) if slots is not None else ():
        is_told = True
        yield told
    if is_told:
        return
    wrong = None if error.invalid_tag is None else parent[error.index]
    expected = ", ".join(_local(item.name) for item in error.expected or () if item.name) or "—"
    if wrong is None:
        yield "*", finding("DD-060", xpath=place.xpath_of(parent), line=place.line_of(parent), name=expected)
    else:
        yield (
            "*",
            finding(
                "DD-064",
                xpath=place.xpath_of(wrong),
                line=place.line_of(wrong),
                name=local_name(wrong)[:80],
                expected=expected,
            ),
        )


def _slots(group: XsdGroup) -> list[_Slot] | None:
    """Read a content model that is a sequence of elements and of choices between elements; else None."""
    if group.model != "sequence":
        return None
    slots = []
    for particle in group:
        if isinstance(particle, XsdElement) and particle.name:
            names: tuple[str, ...] = (particle.name,)
        elif isinstance(particle, XsdGroup) and particle.model == "choice":
            if not all(isinstance(item, XsdElement) for item in particle):
                return None
            names = tuple(item.name for item in particle if isinstance(item, XsdElement) and item.name)
        else:
            return None
        slots.append(_Slot(names=names, is_required=particle.min_occurs > 0, maximum=particle.max_occurs))
    return slots


def _by_slots(slots: list[_Slot], parent: etree._Element, place: Place) -> Iterator[tuple[str, Finding]]:
    counts = Counter(str(child.tag) for child in parent)
    known = {name: slot for slot in slots for name in slot.names}
    by_local_name = {_local(name): name for name in known}
    misnamed = set()
    for child in parent:
        tag = str(child.tag)
        if tag in known:
            continue
        name, xpath, line = _local(tag)[:80], place.xpath_of(child), place.line_of(child)
        if name in by_local_name:
            misnamed.add(by_local_name[name])
            expected = by_local_name[name][1:].partition("}")[0]
            yield tag, finding("DD-074", xpath=xpath, line=line, name=name, expected=expected)
        else:
            yield tag, finding("DD-061", xpath=xpath, line=line, name=name, parent=local_name(parent))
    for slot in slots:
        names = " | ".join(_local(name) for name in slot.names)
        present = sum(counts[name] for name in slot.names)
        if present == 0 and slot.is_required and not misnamed.intersection(slot.names):
            yield (
                names,
                finding("DD-060", xpath=place.xpath_of(parent), line=place.line_of(parent), name=names),
            )
        elif slot.maximum is not None and present > slot.maximum:
            surplus = [child for child in parent if child.tag in slot.names][slot.maximum]
            yield (
                names,
                finding(
                    "DD-065" if len(slot.names) == 1 else "DD-066",
                    xpath=place.xpath_of(surplus),
                    line=place.line_of(surplus),
                    name=names,
                    maximum=slot.maximum,
                ),
            )


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
