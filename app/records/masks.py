"""Masks (che dữ liệu): what of a transcript's content an audience sees, as versioned data says; pure."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from app.formats.profile import Section

SHOWN_OF_PARTLY: Final = 3
_DOT: Final = "•"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """What is hidden from one audience, by group of data."""

    version: str
    hidden: frozenset[str]
    partly: frozenset[str]

    def over(self, sections: Sequence[Section]) -> tuple[Section, ...]:
        """Give the sections with hidden values left out: the place is shown, and that it is masked."""
        return tuple(self._over(section) for section in sections)

    def _over(self, section: Section) -> Section:
        return replace(
            section,
            lines=tuple(
                replace(line, value=self._value(line.group, line.value), is_masked=self._masks(line.group))
                for line in section.lines
            ),
            columns=tuple(replace(column, is_masked=self._masks(column.group)) for column in section.columns),
            rows=tuple(
                tuple(
                    self._value(column.group, value)
                    for column, value in zip(section.columns, row, strict=True)
                )
                for row in section.rows
            ),
        )

    def _masks(self, group: str) -> bool:
        return group in self.hidden or group in self.partly

    def _value(self, group: str, value: str | None) -> str | None:
        if group in self.hidden:
            return None
        if value is None or group not in self.partly:
            return value
        kept = value[-SHOWN_OF_PARTLY:] if len(value) > 2 * SHOWN_OF_PARTLY else ""
        return _DOT * (len(value) - len(kept)) + kept


def read_masks(toml: str) -> Mapping[str, Mask]:
    """Read an edition: a mask by audience."""
    content = tomllib.loads(toml)
    return {
        name: Mask(
            version=content["version"],
            hidden=frozenset(audience["hidden"]),
            partly=frozenset(audience["partly"]),
        )
        for name, audience in content["audiences"].items()
    }


MASKS: Final[Mapping[str, Mask]] = read_masks(Path(__file__).with_name("masks-1.toml").read_text("utf-8"))
PUBLIC: Final = "public"
