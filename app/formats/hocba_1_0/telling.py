"""What a transcript says, section by section, in words that people read: for showing and printing."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lxml import etree

from app.formats.place import local_name
from app.formats.profile import Column, Line, Section

_WORDS: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("told-1.toml").read_text("utf-8"))
_SECTIONS: Final[Mapping[str, str]] = _WORDS["sections"]
_TABLES: Final[Mapping[str, str]] = _WORDS["tables"]
_GROUPS: Final[Mapping[str, str]] = _WORDS["groups"]
_LABELS: Final[Mapping[str, str]] = _WORDS["labels"]
_VALUES: Final[Mapping[str, Mapping[str, str]]] = _WORDS["values"]
_YES_OR_NO: Final = {"true": "Có", "false": "Không"}
GENERAL: Final = "general"
# What only holds others together has no words of its own.
_SILENT: Final = frozenset({"TieuHoc", "TrungHoc", *_SECTIONS}) - frozenset(_TABLES)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A text of the document: the names above it inside its section, its group, its value."""

    path: tuple[str, ...]
    group: str
    value: str


def tell(content: etree._Element) -> tuple[Section, ...]:
    """Give the content's sections in the order of the printed form; every text of it is in one of them."""
    leaves: dict[str, list[_Leaf]] = {}
    rows: dict[str, list[list[_Leaf]]] = {}
    for child in content:
        name = local_name(child)
        section = name if name in _SECTIONS else "NoiDung"
        for element in _parts(child):
            place = _TABLES.get(local_name(element))
            if place is not None:
                rows.setdefault(place, []).append(list(_leaves(element, (), GENERAL, is_top=True)))
            else:
                leaves.setdefault(section, []).extend(_leaves(element, (), GENERAL, is_top=False))
    return tuple(
        _section(name, leaves.get(name, []), rows.get(name, []))
        for name in _SECTIONS
        if name in leaves or name in rows
    )


def _parts(child: etree._Element) -> Iterator[etree._Element]:
    """Give what a section is made of: below what is silent, its children; else itself."""
    if local_name(child) in _SILENT:
        for part in child:
            yield from _parts(part)
    else:
        yield child


def _leaves(element: etree._Element, above: tuple[str, ...], group: str, *, is_top: bool) -> Iterator[_Leaf]:
    name = local_name(element)
    path = above if is_top else (*above, name)
    within = "/".join((*above[-1:], name))
    own = _GROUPS.get(within) or _GROUPS.get(name) or group
    if not len(element):
        written = (element.text or "").strip()
        yield _Leaf(path, own, _VALUES.get(name, _YES_OR_NO).get(written, written))
    for child in element:
        yield from _leaves(child, path, own, is_top=False)


def _section(name: str, leaves: list[_Leaf], rows: list[list[_Leaf]]) -> Section:
    columns: dict[tuple[str, ...], _Leaf] = {}
    for row in rows:
        for leaf in row:
            columns.setdefault(leaf.path, leaf)
    ordered = sorted(columns, key=_place)
    return Section(
        name=name,
        title=_SECTIONS[name],
        lines=tuple(
            Line(name="/".join(leaf.path), label=_label(leaf.path), group=leaf.group, value=leaf.value)
            for leaf in leaves
        ),
        columns=tuple(
            Column(name="/".join(path), label=_label(path), group=columns[path].group) for path in ordered
        ),
        rows=tuple(_row(row, ordered) for row in rows),
    )


def _place(path: tuple[str, ...]) -> list[int]:
    """Order columns as the labels are listed: subjects need not have the same fields."""
    order = list(_LABELS)
    return [order.index(name) if name in order else len(order) for name in path]


def _row(row: list[_Leaf], ordered: list[tuple[str, ...]]) -> tuple[str | None, ...]:
    values = {leaf.path: leaf.value for leaf in row}
    return tuple(values.get(path) for path in ordered)


def _label(path: tuple[str, ...]) -> str:
    return " – ".join(_LABELS.get(name, name) for name in path)
