"""The demo's people: reproducible, with accents, and plausible numbers."""

import unicodedata
from datetime import date

from app.demo.people import Population, Sex


def test_the_same_seed_gives_the_same_people() -> None:
    first, second = ([Population(66).pupil(grade=6, starting_year=2025) for _ in range(3)] for _ in range(2))
    assert first == second
    other = Population(67)
    assert [other.pupil(grade=6, starting_year=2025) for _ in range(3)] != first


def test_names_are_nfc_and_of_several_peoples() -> None:
    population = Population(66)
    people = [population.pupil(grade=1, starting_year=2025) for _ in range(200)]
    assert all(unicodedata.is_normalized("NFC", person.full_name) for person in people)
    assert {person.ethnicity for person in people} == {"01", "12", "20", "07", "02"}
    assert any(person.full_name.startswith("H’") for person in people)


def test_identity_numbers_say_sex_and_century_and_are_unique() -> None:
    population = Population(1)
    pupils = [population.pupil(grade=5, starting_year=2025) for _ in range(500)]
    adults = [population.adult(around=2026) for _ in range(500)]
    assert len({person.identity_number for person in (*pupils, *adults)}) == 1_000
    for person in (*pupils, *adults):
        digit = {(19, Sex.MALE): "0", (19, Sex.FEMALE): "1", (20, Sex.MALE): "2", (20, Sex.FEMALE): "3"}
        number = person.identity_number
        assert len(number) == 12
        assert number[3] == digit[person.born_on.year // 100, person.sex]
        assert number[4:6] == f"{person.born_on.year % 100:02}"


def test_a_first_grader_turns_six_in_the_year_school_begins() -> None:
    child = Population(3).pupil(grade=1, starting_year=2025)
    assert date(2019, 1, 1) <= child.born_on <= date(2019, 12, 31)


def test_a_father_passes_his_family_name_on() -> None:
    population = Population(5)
    child = next(
        person
        for person in (population.pupil(grade=1, starting_year=2025) for _ in range(50))
        if person.ethnicity == "01"
    )
    father = population.parent_of(child, Sex.MALE)
    assert father.full_name.split()[0] == child.full_name.split()[0]
    assert father.sex is Sex.MALE
    assert 22 <= child.born_on.year - father.born_on.year <= 38
