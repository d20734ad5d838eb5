"""Subjects by level and grade, and what teachers write about a pupil (chương trình, nhận xét)."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from random import Random
from typing import Any, Final

_DATA: Final[dict[str, Any]] = tomllib.loads(
    files("app.demo").joinpath("curriculum.toml").read_text(encoding="utf-8")
)
REMARKS: Final[dict[str, Any]] = _DATA["remarks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject; where it is not scored, it is assessed by comment alone."""

    code: str
    name: str
    is_scored: bool
    comments: dict[str, list[str]]

    def comment(self, random: Random, level: str) -> str:
        """Choose one of the comments that fit a level."""
        return random.choice(self.comments[level])


def primary_subjects(grade: int) -> tuple[Subject, ...]:
    """Give the subjects of a primary grade (chương trình tiểu học 2018)."""
    return tuple(_subject(item) for item in _DATA["primary"] if grade in item["grades"])


def secondary_subjects(level: str) -> tuple[Subject, ...]:
    """Give the subjects of lower (03) or upper (04) secondary, or of continuing education (05)."""
    return tuple(_subject(item) for item in _DATA["secondary"] if level in item["levels"])


def _subject(item: dict[str, Any]) -> Subject:
    return Subject(
        code=item["code"],
        name=item["name"],
        is_scored=item["is_scored"],
        comments={level: item[level] for level in ("T", "K", "H", "D", "C", "CD") if level in item},
    )
