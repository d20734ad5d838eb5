"""An enrolment roll (danh sách học sinh) as it is sent: its lines read and checked; pure.

A roll is whole or nothing: a pupil left out of a half-taken roll would be expected nowhere, and nobody would
miss their transcript.
"""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from app.findings import Finding, finding
from app.organisations.csv_rows import (
    MAX_FINDINGS,
    Column,
    CsvCodes,
    CsvRow,
    bad_value,
    fold,
    read_csv,
    read_day,
)
from app.organisations.kinds import LEVELS


class Movement(StrEnum):
    """How a pupil stands to the school in the school year."""

    ENROLLED = "enrolled"  # đang học
    MOVED_IN = "moved_in"  # chuyển đến: expected here
    MOVED_OUT = "moved_out"  # chuyển đi: expected where they went


@dataclass(frozen=True, slots=True, kw_only=True)
class RollLine:
    """One pupil of a roll.

    Attributes:
        line: where it was sent: the CSV's line (the header is 1), or the place in the JSON list, from 1.
        moved_on: day of the transfer, where it is known.
    """

    line: int
    student_code: str
    identity_number: str | None
    full_name: str
    grade: int
    class_name: str
    movement: Movement = Movement.ENROLLED
    moved_on: date | None = None

    @property
    def is_expected(self) -> bool:
        """Whether the school owes this pupil's transcript."""
        return self.movement is not Movement.MOVED_OUT


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """How many pupils of a class are expected, and how many of them came or went."""

    grade: int
    class_name: str
    expected: int
    moved_in: int
    moved_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRoll:
    """What a file holds: lines by school code, or everything that is wrong with it."""

    schools: Mapping[str, Sequence[RollLine]]
    findings: tuple[Finding, ...] = ()


SCHOOL: Final = "Mã trường"
CODE: Final = "Mã học sinh"
IDENTITY: Final = "Số định danh"
NAME: Final = "Họ và tên"
GRADE: Final = "Khối"
CLASS: Final = "Lớp"
MOVEMENT: Final = "Trạng thái"
MOVED_ON: Final = "Ngày chuyển"

COLUMNS: Final = (
    Column(title=SCHOOL, is_required=False),
    Column(title=CODE, aliases=("Mã HS", "student_code", "student_id")),
    Column(title=IDENTITY, is_required=False, aliases=("Số định danh cá nhân", "Số ĐDCN", "identity_number")),
    Column(title=NAME, aliases=("Họ tên", "full_name")),
    Column(title=GRADE, aliases=("Khối lớp", "grade")),
    Column(title=CLASS, aliases=("Tên lớp", "class_name")),
    Column(title=MOVEMENT, is_required=False, aliases=("movement",)),
    Column(title=MOVED_ON, is_required=False, aliases=("moved_on",)),
)
CODES: Final = CsvCodes(lacks_column="NV-100", unreadable="NV-101", bad_value="NV-102", repeated="NV-103")

_MOVEMENTS: Final[Mapping[str, Movement]] = {
    "": Movement.ENROLLED,
    "dang hoc": Movement.ENROLLED,
    "enrolled": Movement.ENROLLED,
    "chuyen den": Movement.MOVED_IN,
    "moved in": Movement.MOVED_IN,
    "chuyen di": Movement.MOVED_OUT,
    "moved out": Movement.MOVED_OUT,
}
_GRADE: Final = re.compile(r"(?:khoi )?0?([1-9]|1[0-2])(?:\.0)?")
_STUDENT_CODE: Final = re.compile(r"[0-9A-Za-z./-]{1,20}")
_IDENTITY_NUMBER: Final = re.compile(r"[0-9]{12}")
_SPOILT: Final = re.compile(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]+|[0-9]+[.,]0+")
_SHORT_IDENTITY: Final = re.compile(r"[0-9]{9,11}")
_MAX_CLASS: Final = 30
_MAX_NAME: Final = 150


def read_roll(content: bytes, school_code: str | None) -> ReadRoll:
    """Read a CSV: one school's roll, or with the column «Mã trường» those of several schools.

    Finds NV-100 a missing column, NV-101 what is not such a file, NV-102 a bad cell, NV-105 a code that Excel
    has spoilt, NV-106 a line without its school, NV-107 an unknown movement. No text of a cell is repeated.
    """
    rows, findings = read_csv(content, COLUMNS, key=None, codes=CODES)
    schools: dict[str, list[RollLine]] = {}
    wrong = list(findings)
    for row in rows:
        named = row.values[SCHOOL] or school_code
        if named is None or (school_code is not None and named != school_code):
            wrong.append(finding("NV-106", line=row.line, row=row.line))
            continue
        line = _line(row)
        if isinstance(line, Finding):
            wrong.append(line)
        else:
            schools.setdefault(named, []).append(line)
    if not schools and not wrong:
        wrong.append(finding("NV-108"))
    return ReadRoll(schools=schools, findings=by_line(wrong))


def by_line(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Give findings in the order of their lines, those of the whole file first; no more than one can read."""
    return tuple(sorted(findings, key=lambda found: found.line or 0)[:MAX_FINDINGS])


def _line(row: CsvRow) -> RollLine | Finding:
    """Read one line, or say which cell is wrong."""
    values = row.values
    grade = _GRADE.fullmatch(fold(values[GRADE]))
    movement = _MOVEMENTS.get(fold(values[MOVEMENT]))
    moved_on = read_day(values[MOVED_ON]) if values[MOVED_ON] else None
    spoilt = _spoilt(values)
    flaws = {
        CODE: not _STUDENT_CODE.fullmatch(values[CODE]),
        IDENTITY: bool(values[IDENTITY]) and not _IDENTITY_NUMBER.fullmatch(values[IDENTITY]),
        NAME: len(values[NAME]) > _MAX_NAME,
        GRADE: grade is None,
        CLASS: len(values[CLASS]) > _MAX_CLASS,
        MOVED_ON: bool(values[MOVED_ON]) and moved_on is None,
    }
    if spoilt is not None:
        return finding("NV-105", line=row.line, row=row.line, column=spoilt)
    wrong = next((title for title, is_wrong in flaws.items() if is_wrong), None)
    if wrong is not None:
        return bad_value(row, wrong, CODES)
    if movement is None:
        return finding("NV-107", line=row.line, row=row.line)
    assert grade is not None
    return RollLine(
        line=row.line,
        student_code=values[CODE],
        identity_number=values[IDENTITY] or None,
        full_name=values[NAME],
        grade=int(grade.group(1)),
        class_name=values[CLASS],
        movement=movement,
        moved_on=moved_on,
    )


def _spoilt(values: Mapping[str, str]) -> str | None:
    """Name the column whose code Excel has turned into a number."""
    for title in (CODE, IDENTITY):
        if _SPOILT.fullmatch(values[title]):
            return title
    return IDENTITY if _SHORT_IDENTITY.fullmatch(values[IDENTITY]) else None


def grades_of(levels: Iterable[str]) -> frozenset[int]:
    """Give the grades that a school with these levels can have."""
    return frozenset(grade for level in levels if level in LEVELS for grade in LEVELS[level].grades)


def check_roll(lines: Sequence[RollLine], school_code: str, levels: Iterable[str]) -> Sequence[Finding]:
    """Find what one school's lines may not say: NV-103 a pupil twice, NV-104 a grade it does not have."""
    allowed, first = grades_of(levels), dict[str, int]()
    wrong: list[Finding] = []
    for line in lines:
        earlier = first.setdefault(line.student_code, line.line)
        if earlier != line.line:
            wrong.append(finding("NV-103", line=line.line, row=line.line, first=earlier))
        if line.grade not in allowed:
            wrong.append(
                finding("NV-104", line=line.line, row=line.line, grade=line.grade, school_code=school_code)
            )
    return wrong


def absent_grades(lines: Iterable[RollLine], school_code: str, levels: Iterable[str]) -> Sequence[Finding]:
    """Say which grades of the school have no pupil (NV-110), where it must have them all."""
    due = grades_of(level for level in levels if level in LEVELS and LEVELS[level].every_grade)
    return [
        finding("NV-110", school_code=school_code, grade=grade)
        for grade in sorted(due - {line.grade for line in lines})
    ]


def count_classes(lines: Iterable[RollLine]) -> Sequence[ClassCount]:
    """Count a roll by class, in order of grade and class."""
    counted = Counter((line.grade, line.class_name, line.movement) for line in lines)
    return [
        ClassCount(
            grade=grade,
            class_name=class_name,
            expected=counted[grade, class_name, Movement.ENROLLED]
            + counted[grade, class_name, Movement.MOVED_IN],
            moved_in=counted[grade, class_name, Movement.MOVED_IN],
            moved_out=counted[grade, class_name, Movement.MOVED_OUT],
        )
        for grade, class_name in sorted({(grade, class_name) for grade, class_name, _ in counted})
    ]


def content_digest(lines: Iterable[RollLine]) -> bytes:
    """Give the SHA-256 over what a roll says, however it was written and in whatever order it was sent."""
    said = sorted(
        (
            line.student_code,
            line.identity_number or "",
            line.full_name,
            line.grade,
            line.class_name,
            line.movement.value,
            "" if line.moved_on is None else line.moved_on.isoformat(),
        )
        for line in lines
    )
    return hashlib.sha256(json.dumps(said, ensure_ascii=True).encode()).digest()
