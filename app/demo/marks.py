"""Marks, averages and levels (điểm, điểm trung bình, mức đánh giá) as the circulars compute them.

Marks are counted in tenths, so that 8.5 is 85 and no rounding surprises.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final

EXCELLENT_MARK: Final = 90


class Level(StrEnum):
    """Mức đánh giá kết quả học tập, rèn luyện: tốt, khá, đạt, chưa đạt (Thông tư 22/2021, điều 8 và 9)."""

    GOOD = "T"
    FAIR = "K"
    REACHED = "D"
    NOT_REACHED = "CD"


@dataclass(frozen=True, slots=True, kw_only=True)
class TermMarks:
    """One subject's marks in tenths: first term, second term, the year."""

    first: int
    second: int

    @property
    def year(self) -> int:
        """(HK1 + 2 x HK2) / 3 to one decimal, half up (Thông tư 22/2021, điều 9, khoản 2)."""
        return (2 * (self.first + 2 * self.second) + 3) // 6


# Where a pupil's marks lie, in tenths: those of the strong subjects, and those of the others.
_BANDS: Final = {
    Level.GOOD: ((82, 96), (69, 80)),
    Level.FAIR: ((66, 78), (54, 65)),
    Level.REACHED: ((52, 63), (51, 62)),
    Level.NOT_REACHED: ((36, 47), (51, 58)),
}
_EXCELLENT_BAND: Final = (92, 98)


def draw_marks(
    random: Random, *, subjects: int, strong_subjects: int, level: Level, is_excellent: bool = False
) -> list[TermMarks]:
    """Draw marks that lead to a level: enough strong subjects, and the others a little below."""
    strong, others = _BANDS[level]
    drawn = []
    for index in range(subjects):
        band = strong if index <= strong_subjects else others
        low, high = _EXCELLENT_BAND if is_excellent else band
        drawn.append(TermMarks(first=random.randint(low, high), second=random.randint(low, high)))
    return drawn


def learning_level(marks: Sequence[int], *, comments_reached: Iterable[bool], strong_subjects: int) -> Level:
    """Judge learning (kết quả học tập) of a term or a year from marks in tenths and commented subjects.

    Thông tư 22/2021, điều 9, khoản 2b: six strong subjects; Thông tư 43/2021: five.
    """
    missed = sum(not reached for reached in comments_reached)

    def at_least(threshold: int) -> int:
        return sum(mark >= threshold for mark in marks)

    if not missed and min(marks) >= 65 and at_least(80) >= strong_subjects:
        return Level.GOOD
    if not missed and min(marks) >= 50 and at_least(65) >= strong_subjects:
        return Level.FAIR
    if missed <= 1 and min(marks) >= 35 and at_least(50) >= strong_subjects:
        return Level.REACHED
    return Level.NOT_REACHED


def is_excellent(marks: Iterable[int], *, strong_subjects: int) -> bool:
    """Say whether enough yearly marks reach 9.0 for the highest award (điều 15)."""
    return sum(mark >= EXCELLENT_MARK for mark in marks) >= strong_subjects


def written(tenths: int) -> str:
    """Write a mark with one decimal."""
    return f"{tenths // 10}.{tenths % 10}"
