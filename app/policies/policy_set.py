"""Which policy value holds for a province, a level and a school year: the most specific choice wins. Pure."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final
from uuid import UUID

Value = str | int | bool


class PolicyKey(StrEnum):
    """What can be chosen; ``defaults-1.toml`` says between which values."""

    RECALL_BEFORE_LOCK = "recall_before_lock"
    RECALL_AFTER_LOCK = "recall_after_lock"
    REPLACE_BEFORE_LOCK = "replace_before_lock"
    TRANSFER_AUTHORITY_STEP = "transfer_authority_step"
    RECALL_REMINDER_DAYS = "recall_reminder_days"
    RECALL_ESCALATION_DAYS = "recall_escalation_days"
    REVOCATION_CHECKING = "revocation_checking"
    FORWARDING_DAYS = "forwarding_days"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDefinition:
    """The values a policy may have: listed ones, or whole numbers of a range (days)."""

    key: PolicyKey
    default: Value
    title_vi: str
    title_en: str
    choices: tuple[Value, ...] = ()
    minimum: int = 0
    maximum: int = 0

    def allows(self, value: Value) -> bool:
        """Say whether the policy may have this value; ``true`` is no number here."""
        if self.choices:
            return any(type(value) is type(choice) and value == choice for choice in self.choices)
        return type(value) is int and self.minimum <= value <= self.maximum

    @property
    def allowed(self) -> str:
        """The values it may have, for people."""
        if self.choices:
            return ", ".join(str(c).lower() if isinstance(c, bool) else str(c) for c in self.choices)
        return f"{self.minimum}-{self.maximum}"


def _read_definitions() -> Mapping[PolicyKey, PolicyDefinition]:
    tables = tomllib.loads(Path(__file__).with_name("defaults-1.toml").read_text("utf-8"))
    definitions = {
        PolicyKey(key): PolicyDefinition(
            key=PolicyKey(key), **{**row, "choices": tuple(row.get("choices", ()))}
        )
        for key, row in tables.items()
    }
    if set(definitions) != set(PolicyKey) or not all(d.allows(d.default) for d in definitions.values()):
        raise RuntimeError("defaults-1.toml does not define every policy with a default it allows")
    return MappingProxyType(definitions)


DEFINITIONS: Final = _read_definitions()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChoice:
    """One choice that was made; it stays in the list for ever, a later one for the same place outweighs it.

    Attributes:
        province: none: for every province; ``level`` and ``school_year`` (its first year) alike.
        value: none takes the earlier choices for this place back.
        valid_from: aware; what was judged before stays judged.
    """

    id: UUID
    key: PolicyKey
    province: str | None
    level: str | None
    school_year: int | None
    value: Value | None
    valid_from: datetime

    @property
    def place(self) -> tuple[str | None, str | None, int | None]:
        """For whom it was made."""
        return self.province, self.level, self.school_year

    @property
    def weight(self) -> tuple[bool, bool, bool]:
        """How specific it is: a province outweighs a level, a level outweighs a school year."""
        return self.province is not None, self.level is not None, self.school_year is not None

    def fits(self, province: str | None, level: str | None, school_year: int | None) -> bool:
        """Say whether it was made for (at least) this place."""
        asked = (province, level, school_year)
        return all(own is None or own == other for own, other in zip(self.place, asked, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """All choices in force at a moment."""

    choices: tuple[PolicyChoice, ...] = ()

    @classmethod
    def as_of(cls, choices: Sequence[PolicyChoice], moment: datetime) -> "PolicySet":
        """Keep, of the choices made for one place, the latest that holds at the moment."""
        latest: dict[tuple[object, ...], PolicyChoice] = {}
        for choice in sorted(choices, key=lambda c: (c.valid_from, c.id)):
            if choice.valid_from <= moment:
                latest[(choice.key, *choice.place)] = choice
        return cls(choices=tuple(choice for choice in latest.values() if choice.value is not None))

    def deciding(
        self,
        key: PolicyKey,
        *,
        province: str | None = None,
        level: str | None = None,
        school_year: int | None = None,
    ) -> PolicyChoice | None:
        """Give the choice that decides; None: nobody chose, the default holds."""
        fitting = [c for c in self.choices if c.key is key and c.fits(province, level, school_year)]
        return max(fitting, key=lambda choice: choice.weight, default=None)

    def value(
        self,
        key: PolicyKey,
        *,
        province: str | None = None,
        level: str | None = None,
        school_year: int | None = None,
    ) -> Value:
        """Give the value that holds there."""
        choice = self.deciding(key, province=province, level=level, school_year=school_year)
        return DEFINITIONS[key].default if choice is None or choice.value is None else choice.value
