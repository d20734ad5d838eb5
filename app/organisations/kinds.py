"""What kinds of organisation there are and what each may be: pure rules over versioned data."""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

from app.actors import Role


class OrganisationKind(StrEnum):
    """The four storeys of the tree."""

    MINISTRY = "ministry"  # Bộ GDĐT
    DEPARTMENT = "department"  # Sở GDĐT
    COMMUNE = "commune"  # UBND xã, phường, đặc khu
    SCHOOL = "school"  # cơ sở giáo dục


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """One organisation (đơn vị) of the tree; ``valid_to`` is the first day it no longer exists."""

    id: int
    code: str
    kind: OrganisationKind
    name: str
    parent_id: int | None
    province_code: str | None
    levels: tuple[str, ...]
    is_public: bool
    valid_from: date
    valid_to: date | None

    def exists(self, on: date) -> bool:
        """Say whether the organisation is in being on that day."""
        return self.valid_from <= on and (self.valid_to is None or on < self.valid_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A school level (cấp học) and the kind of authority that manages a school whose highest it is.

    Attributes:
        grades: that a school of this level can have.
        every_grade: whether it has all of them.
    """

    code: str
    name_vi: str
    name_en: str
    rank: int
    grades: frozenset[int]
    every_grade: bool
    managed_by: OrganisationKind


def _read_levels() -> Mapping[str, Level]:
    rows = tomllib.loads(Path(__file__).with_name("levels.toml").read_text("utf-8"))
    return MappingProxyType(
        {
            code: Level(
                code=code,
                **{
                    **row,
                    "grades": frozenset(row["grades"]),
                    "managed_by": OrganisationKind(row["managed_by"]),
                },
            )
            for code, row in rows.items()
        }
    )


LEVELS: Final = _read_levels()

PARENTS: Final[Mapping[OrganisationKind, frozenset[OrganisationKind]]] = {
    OrganisationKind.MINISTRY: frozenset(),
    OrganisationKind.DEPARTMENT: frozenset({OrganisationKind.MINISTRY}),
    OrganisationKind.COMMUNE: frozenset({OrganisationKind.DEPARTMENT}),
    OrganisationKind.SCHOOL: frozenset({OrganisationKind.COMMUNE, OrganisationKind.DEPARTMENT}),
}

# Which organisations a role can belong to: its scope follows from there.
ROLE_KINDS: Final[Mapping[Role, frozenset[OrganisationKind]]] = {
    Role.SCHOOL_SOFTWARE: frozenset(),
    Role.PROVINCE_SYSTEM: frozenset(),
    Role.SECTOR_SYSTEM: frozenset(),
    Role.COMMUNE_OFFICER: frozenset({OrganisationKind.COMMUNE}),
    Role.DEPARTMENT_OFFICER: frozenset({OrganisationKind.DEPARTMENT}),
    Role.MINISTRY_OFFICER: frozenset({OrganisationKind.MINISTRY}),
    Role.INSPECTOR: frozenset(OrganisationKind) - {OrganisationKind.SCHOOL},
    Role.ADMINISTRATOR: frozenset({OrganisationKind.MINISTRY, OrganisationKind.DEPARTMENT}),
}

# A department carries its province's code; a commune's are those of Decision 19/2025/QĐ-TTg.
_CODE_FORMS: Final[Mapping[OrganisationKind, re.Pattern[str]]] = {
    OrganisationKind.MINISTRY: re.compile(r"[0-9A-Z]{2,20}"),
    OrganisationKind.DEPARTMENT: re.compile(r"[0-9]{2}"),
    OrganisationKind.COMMUNE: re.compile(r"[0-9]{5}"),
    OrganisationKind.SCHOOL: re.compile(r"[0-9A-Za-z]{6,20}"),
}


def has_form(kind: OrganisationKind, code: str) -> bool:
    """Say whether a code has the form of its kind."""
    return _CODE_FORMS[kind].fullmatch(code) is not None


def managing_kind(levels: Collection[str]) -> OrganisationKind | None:
    """Give the kind of authority that manages a school with these levels; None where one is unknown.

    The highest level decides (TT 10/2025/TT-BGDĐT).
    """
    if not levels or any(code not in LEVELS for code in levels):
        return None
    return max((LEVELS[code] for code in levels), key=lambda level: level.rank).managed_by
