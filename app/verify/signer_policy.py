"""Who has to sign a transcript (quy định người ký), by province, level and school year: versioned data."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from app.formats.profile import SignerRole
from app.verify.chain import OwnerClass


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerPolicy:
    """What is asked of the signers of one transcript.

    Attributes:
        version: named by every verdict.
        required: roles of which at least one signature must be there.
        every_subject_teacher: whether each teacher whom a subject names is asked for, not only one of them.
        head_may_substitute: whether the head (thủ trưởng) may sign in the place of a teacher.
        seal_owner_classes: whose anchors a school's seal may lead to.
    """

    version: str
    required: tuple[SignerRole, ...]
    every_subject_teacher: bool
    head_may_substitute: bool
    seal_owner_classes: frozenset[OwnerClass]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRow:
    """One row of the policy; a condition that is None holds for everything."""

    required: tuple[SignerRole, ...]
    head_may_substitute: bool
    every_subject_teacher: bool = False
    province: str | None = None
    level: str | None = None
    from_school_year: str | None = None
    until_school_year: str | None = None
    is_digitised: bool | None = None

    def holds(self, *, province: str, level: str, school_year: str, is_digitised: bool) -> bool:
        """Say whether the row speaks of such a transcript; school years compare as they are written."""
        return (
            self.province in (None, province)
            and self.level in (None, level)
            and (self.from_school_year is None or self.from_school_year <= school_year)
            and (self.until_school_year is None or school_year <= self.until_school_year)
            and self.is_digitised in (None, is_digitised)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRules:
    """One version of the policy: its rows in order, the last without a condition."""

    version: str
    rows: tuple[SignerRow, ...]
    seal_owner_classes: Mapping[bool, frozenset[OwnerClass]]

    def select(
        self, *, province: str, level: str, school_year: str, is_digitised: bool, school_is_public: bool
    ) -> SignerPolicy:
        """Give what is asked of the signers of such a transcript.

        Args:
            province: the school's province, 2 digits.
            level: 02 | 03 | 04 | 05, as the transcript has it.
            school_year: for example 2025-2026.
            is_digitised: whether it was digitised from paper (trích lục).
            school_is_public: whether the school is a public one (công lập).
        """
        row = next(
            row
            for row in self.rows
            if row.holds(province=province, level=level, school_year=school_year, is_digitised=is_digitised)
        )
        return SignerPolicy(
            version=self.version,
            required=row.required,
            every_subject_teacher=row.every_subject_teacher,
            head_may_substitute=row.head_may_substitute,
            seal_owner_classes=self.seal_owner_classes[school_is_public],
        )


def read_signer_rules(toml: str) -> SignerRules:
    """Read the rules from their TOML text.

    Raises:
        ValueError: a row requires nobody, or the last row does not hold for everything.
    """
    data: dict[str, Any] = tomllib.loads(toml)
    rows = tuple(
        SignerRow(**{**row, "required": tuple(SignerRole(role) for role in row["required"])})
        for row in data["row"]
    )
    if not all(row.required for row in rows):
        raise ValueError("every row requires somebody")
    last = rows[-1]
    unconditional = SignerRow(
        required=last.required,
        head_may_substitute=last.head_may_substitute,
        every_subject_teacher=last.every_subject_teacher,
    )
    if last != unconditional:
        raise ValueError("the last row must hold for everything")
    classes = data["seal_owner_classes"]
    return SignerRules(
        version=data["version"],
        rows=rows,
        seal_owner_classes=MappingProxyType(
            {
                True: frozenset(OwnerClass(name) for name in classes["public"]),
                False: frozenset(OwnerClass(name) for name in classes["private"]),
            }
        ),
    )


SIGNER_RULES: Final = read_signer_rules(
    Path(__file__).with_name("policies").joinpath("signers-1.toml").read_text("utf-8")
)
"""The rules in force."""
