from itertools import product
from pathlib import Path

import pytest

from app.formats import hocba_1_0
from app.formats.hocba_1_0.codes import load_codes

CODES = load_codes(Path(hocba_1_0.__file__).with_name("codes-2026.toml"))


def test_every_pair_of_terms_has_one_conduct_level_of_the_year() -> None:
    levels = ("T", "K", "D", "CD")
    assert set(CODES.conduct) == set(product(levels, levels))
    assert set(CODES.conduct.values()) == set(levels)


def test_every_grade_of_every_level_has_a_circular_in_every_year() -> None:
    for code, level in CODES.levels.items():
        for grade, year in product(level.grades, range(2012, 2027)):
            assert CODES.circulars_for(code, grade, year), (code, grade, year)


@pytest.mark.parametrize(
    ("level", "grade", "year", "circulars"),
    [
        ("02", 1, 2019, {"30/2014", "22/2016"}),
        ("02", 1, 2020, {"27/2020"}),
        ("02", 5, 2023, {"30/2014", "22/2016"}),
        ("02", 5, 2024, {"27/2020"}),
        ("03", 6, 2021, {"22/2021"}),
        ("03", 9, 2023, {"58/2011", "26/2020"}),
        ("04", 10, 2022, {"22/2021"}),
        ("04", 12, 2023, {"58/2011", "26/2020"}),
        ("05", 12, 2024, {"43/2021"}),
    ],
)
def test_circulars_were_introduced_grade_by_grade(
    level: str, grade: int, year: int, circulars: set[str]
) -> None:
    assert CODES.circulars_for(level, grade, year) == circulars


def test_every_grade_has_results_and_subjects() -> None:
    for level in CODES.levels.values():
        assert level.final_grades < level.grades
        for grade in level.grades:
            assert sum(grade in grades for grades in CODES.result_grades.values()) == 1
    taught = {
        grade for level in CODES.levels.values() for item in level.subjects.values() for grade in item.grades
    }
    assert taught == set(range(1, 13))


def test_thresholds_fall_from_level_to_level() -> None:
    for rules in CODES.study.values():
        marks = [(rule.strong_mark, rule.every_mark) for rule in rules]
        assert marks == sorted(marks, reverse=True)
    assert [rule.mark for rule in CODES.primary_summaries] == [9, 7, 5]
