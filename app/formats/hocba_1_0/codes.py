"""The code lists and thresholds of format 1.0's rules: versioned data, read once."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject (môn học): whether it is scored, and in which grades it is taught."""

    name: str
    is_scored: bool
    grades: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A level of education (cấp học) with its grades; lenient where subjects are not bound to a grade."""

    grades: frozenset[int]
    final_grades: frozenset[int]
    subjects: Mapping[str, Subject]
    is_lenient: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLevel:
    """What a level of learning result asks for (Thông tư 22/2021, Điều 9)."""

    name: str
    every_mark: Decimal
    strong_mark: Decimal
    strong_count: int
    failed_comments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimarySummary:
    """What an overall primary result asks for (Thông tư 27/2020, Điều 9)."""

    name: str
    subjects: frozenset[str]
    qualities: frozenset[str]
    mark: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """One edition of the lists.

    Attributes:
        subject_codes: all subject codes of all levels.
        circulars: for each level and grade, the circulars with the first and the first-no-longer year.
        conduct: the year's conduct level by those of the two terms.
    """

    version: str
    levels: Mapping[str, Level]
    result_grades: Mapping[str, frozenset[int]]
    half_days_for_promotion: int
    male: str
    female: str
    first_century: int
    nationality: str
    earliest_age: int
    latest_age: int
    circulars: Mapping[tuple[str, int], tuple[tuple[str, int, int], ...]]
    study: Mapping[str, tuple[StudyLevel, ...]]
    conduct: Mapping[tuple[str, str], str]
    conduct_circulars: frozenset[str]
    primary_summaries: tuple[PrimarySummary, ...]
    primary_circulars: frozenset[str]
    technology_grades: frozenset[int]
    listed_circulars: frozenset[str]
    subject_codes: frozenset[str]

    def circulars_for(self, level: str, grade: int, first_year: int) -> frozenset[str]:
        """Give the circulars under which a pupil of this level and grade was assessed in this school year."""
        return frozenset(
            name
            for name, begins, ends in self.circulars.get((level, grade), ())
            if begins <= first_year < ends
        )


def load_codes(path: Path) -> Codes:
    """Read an edition; a missing or superfluous entry is an error of the data (KeyError, TypeError)."""
    raw = tomllib.loads(path.read_text("utf-8"), parse_float=Decimal)
    lists = {
        stage: {code: _subject(entry) for code, entry in entries.items()}
        for stage, entries in raw["subjects"].items()
        if stage != "circulars"
    }
    conduct = raw["conduct"]
    identity = raw["identity"]
    return Codes(
        version=raw["version"],
        levels={
            code: Level(
                grades=frozenset(entry["grades"]),
                final_grades=frozenset(entry["final_grades"]),
                subjects={code: item for stage in entry["subjects"] for code, item in lists[stage].items()},
                is_lenient=entry.get("is_lenient", False),
            )
            for code, entry in raw["levels"].items()
        },
        result_grades={name: frozenset(grades) for name, grades in raw["results"].items()},
        half_days_for_promotion=raw["attendance"]["half_days_for_promotion"],
        male=identity["male"],
        female=identity["female"],
        first_century=identity["first_century"],
        nationality=identity["nationality"],
        earliest_age=raw["ages"]["earliest"],
        latest_age=raw["ages"]["latest"],
        circulars=_circulars(raw["circulars"]),
        study={
            name: tuple(_study_level(entry) for entry in table["levels"])
            for name, table in raw["study"].items()
        },
        conduct={
            (pair.split()[0], pair.split()[1]): year
            for year, pairs in conduct.items()
            if year != "circulars"
            for pair in pairs
        },
        conduct_circulars=frozenset(conduct["circulars"]),
        primary_summaries=tuple(_primary_summary(entry) for entry in raw["primary_summary"]),
        primary_circulars=frozenset(raw["primary"]["circulars"]),
        technology_grades=frozenset(raw["primary"]["technology_grades"]),
        listed_circulars=frozenset(raw["subjects"]["circulars"]),
        subject_codes=frozenset(code for entries in lists.values() for code in entries),
    )


def _subject(entry: Mapping[str, Any]) -> Subject:
    return Subject(name=entry["name"], is_scored=entry["is_scored"], grades=frozenset(entry["grades"]))


def _study_level(entry: Mapping[str, Any]) -> StudyLevel:
    return StudyLevel(
        name=entry["name"],
        every_mark=entry["all"],
        strong_mark=entry["strong"],
        strong_count=entry["count"],
        failed_comments=entry["failed"],
    )


def _primary_summary(entry: Mapping[str, Any]) -> PrimarySummary:
    return PrimarySummary(
        name=entry["name"],
        subjects=frozenset(entry["subjects"]),
        qualities=frozenset(entry["qualities"]),
        mark=entry["mark"],
    )


def _circulars(
    entries: list[Mapping[str, Any]],
) -> dict[tuple[str, int], tuple[tuple[str, int, int], ...]]:
    found: dict[tuple[str, int], tuple[tuple[str, int, int], ...]] = {}
    for entry in entries:
        begins, ends = entry.get("from", {}), entry.get("until", {})
        for grade in {*begins, *ends}:
            rows = tuple((name, begins.get(grade, 0), ends.get(grade, 9999)) for name in entry["names"])
            for level in entry["levels"]:
                key = (level, int(grade))
                found[key] = found.get(key, ()) + rows
    return found
