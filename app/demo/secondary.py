"""Secondary and continuing-education results (Thông tư 22/2021, 43/2021): marks, levels, comments."""

from dataclasses import dataclass
from random import Random
from typing import Final

from lxml import etree

from app.demo.curriculum import REMARKS, secondary_subjects
from app.demo.marks import Level, TermMarks, draw_marks, is_excellent, learning_level, written
from app.demo.markup import add, add_teacher
from app.demo.province import CAST, School, SchoolClass

REACHED: Final = "D"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a pupil does: the level aimed at, and whether the marks are excellent."""

    level: Level
    is_excellent: bool = False


_DOZEN: Final = tuple(
    Level(written_level) for written_level in ("T", "K", "T", "D", "K", "CD", "T", "K", "D", "K", "T", "K")
)


def standing_of(place: int) -> Standing:
    """Say how the pupil at this place of the roll does: most fair or good, one in twelve not yet."""
    place_in_dozen = place % 12
    return Standing(level=_DOZEN[place_in_dozen], is_excellent=place_in_dozen == 0)


def add_secondary_results(
    parent: etree._Element,
    *,
    school: School,
    school_class: SchoolClass,
    standing: Standing,
    random: Random,
    record_hex: str,
) -> Level:
    """Write ``TrungHoc`` for one pupil and give the year's level of learning."""
    terms = CAST["levels"][school.level]
    strong: int = terms["strong_subjects"]
    subjects = secondary_subjects(school.level)
    scored = [subject for subject in subjects if subject.is_scored]
    drawn = draw_marks(
        random,
        subjects=len(scored),
        strong_subjects=strong,
        level=standing.level,
        is_excellent=standing.is_excellent,
    )
    by_code = {subject.code: marks for subject, marks in zip(scored, drawn, strict=True)}
    results = add(parent, "TrungHoc")
    for subject in subjects:
        node = add(results, "MonHoc", Id=f"mon-{record_hex}-{subject.code}")
        add(node, "Ma", subject.code)
        add(node, "Ten", subject.name)
        marks = by_code.get(subject.code)
        _add_marks(node, marks)
        level = REACHED if marks is None else level_of_mark(marks.year)
        add(node, "NhanXet", subject.comment(random, level))
        add_teacher(node, "GiaoVien", school.teacher_of(subject.code, school_class).person)
    learning = [
        learning_level(
            [getattr(item, part) for item in drawn], comments_reached=[True], strong_subjects=strong
        )
        for part in ("first", "second", "year")
    ]
    conduct = _conduct_of(standing)
    _add_year(results, "HocTap", learning)
    _add_year(results, "RenLuyen", [conduct] * 3)
    add(results, "SoBuoiNghi", str(random.randint(0, 4 if learning[2] is Level.GOOD else 12)))
    award = _award(terms, learning[2], conduct, [item.year for item in drawn])
    if award:
        add(results, "KhenThuong", award)
    add(results, "NhanXetGVCN", REMARKS["secondary"][learning[2]])
    return learning[2]


def level_of_mark(tenths: int) -> Level:
    """Say which comment fits one subject's mark."""
    for level, threshold in ((Level.GOOD, 80), (Level.FAIR, 65), (Level.REACHED, 50)):
        if tenths >= threshold:
            return level
    return Level.NOT_REACHED


def _add_marks(node: etree._Element, marks: TermMarks | None) -> None:
    values = [written(item) for item in (marks.first, marks.second, marks.year)] if marks else [REACHED] * 3
    for name, value in zip(("HocKy1", "HocKy2", "CaNam"), values, strict=True):
        add(node, name, value)


def _add_year(parent: etree._Element, name: str, levels: list[Level]) -> None:
    node = add(parent, name)
    for child, level in zip(("HocKy1", "HocKy2", "CaNam"), levels, strict=True):
        add(node, child, level)


def _conduct_of(standing: Standing) -> Level:
    """Conduct (rèn luyện) is good as a rule, fair where learning is not reached."""
    return Level.FAIR if standing.level is Level.NOT_REACHED else Level.GOOD


def _award(terms: dict[str, str], learning: Level, conduct: Level, marks: list[int]) -> str | None:
    """Thông tư 22/2021, điều 15: both levels good; the highest award asks for marks of 9.0 besides."""
    if learning is not Level.GOOD or conduct is not Level.GOOD:
        return None
    strong = int(terms["strong_subjects"])
    return terms["award_best" if is_excellent(marks, strong_subjects=strong) else "award_good"]
