"""The closed catalogue of causes, read once from the TOML files beside this module."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

FAMILIES: Final = ("DD", "MA", "TR", "KS", "QH", "TH", "NV", "HT")


class Severity(StrEnum):
    """How much a cause weighs."""

    ERROR = "error"  # refuses
    QUERY = "query"  # stands if the school explains it
    WARNING = "warning"  # told, never refuses


class Responsible(StrEnum):
    """Who must act."""

    VENDOR = "vendor"  # the maker of the school's software
    SCHOOL = "school"
    AUTHORITY = "authority"  # the managing commune or department
    OPERATOR = "operator"  # who runs this service


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One entry of the catalogue; the detail texts are templates filled with a finding's facts."""

    code: str
    severity: Severity
    who: Responsible
    title_vi: str
    title_en: str
    detail_vi: str
    detail_en: str
    hint_vi: str
    hint_en: str


def _load() -> Mapping[str, Cause]:
    """Read every family's file; a code outside its family or a missing text is a programming error."""
    causes: dict[str, Cause] = {}
    for family in FAMILIES:
        for path in sorted(Path(__file__).parent.glob(f"{family}*.toml")):
            for code, entry in tomllib.loads(path.read_text("utf-8")).items():
                if not code.startswith(f"{family}-") or code in causes:
                    raise RuntimeError(f"{code} does not belong in {path.name}")
                causes[code] = Cause(
                    code=code,
                    severity=Severity(entry.pop("severity")),
                    who=Responsible(entry.pop("who")),
                    **entry,
                )
    return MappingProxyType(causes)


CATALOGUE: Final = _load()
