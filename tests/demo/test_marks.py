"""Averages and levels as the circulars have them."""

from random import Random

import pytest

from app.demo.marks import Level, TermMarks, draw_marks, is_excellent, learning_level, written


@pytest.mark.parametrize(
    ("first", "second", "year"),
    [
        (80, 80, 80),
        (70, 85, 80),
        (65, 66, 66),
        (64, 65, 65),
        (50, 51, 51),
        (100, 99, 99),
        (0, 1, 1),
        (1, 0, 0),
    ],
)
def test_the_second_term_counts_twice(first: int, second: int, year: int) -> None:
    assert TermMarks(first=first, second=second).year == year


@pytest.mark.parametrize(
    ("marks", "comments", "strong", "level"),
    [
        ([80] * 6 + [65] * 2, [True], 6, Level.GOOD),
        ([80] * 6 + [64] * 2, [True], 6, Level.FAIR),
        ([80] * 5 + [79] * 3, [True], 6, Level.FAIR),
        ([80] * 5 + [79] * 2, [True], 5, Level.GOOD),
        ([65] * 6 + [50] * 2, [True], 6, Level.FAIR),
        ([65] * 6 + [50] * 2, [False], 6, Level.REACHED),
        ([50] * 6 + [35] * 2, [True], 6, Level.REACHED),
        ([50] * 6 + [34] * 2, [True], 6, Level.NOT_REACHED),
        ([90] * 8, [False, False], 6, Level.NOT_REACHED),
    ],
)
def test_levels_follow_the_thresholds(
    marks: list[int], comments: list[bool], strong: int, level: Level
) -> None:
    assert learning_level(marks, comments_reached=comments, strong_subjects=strong) is level


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(("subjects", "strong"), [(8, 6), (9, 6), (7, 5)])
def test_drawn_marks_lead_to_the_level_asked_for(level: Level, subjects: int, strong: int) -> None:
    random = Random(7)
    for _ in range(200):
        drawn = draw_marks(random, subjects=subjects, strong_subjects=strong, level=level)
        for marks in ([m.first for m in drawn], [m.second for m in drawn], [m.year for m in drawn]):
            assert learning_level(marks, comments_reached=[True], strong_subjects=strong) is level


def test_the_best_have_enough_marks_of_nine() -> None:
    drawn = draw_marks(Random(1), subjects=8, strong_subjects=6, level=Level.GOOD, is_excellent=True)
    assert is_excellent([item.year for item in drawn], strong_subjects=6)
    assert not is_excellent([89] * 8, strong_subjects=6)


def test_marks_are_written_with_one_decimal() -> None:
    assert [written(value) for value in (0, 5, 85, 100)] == ["0.0", "0.5", "8.5", "10.0"]
