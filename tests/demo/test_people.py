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


def test_a_child_bears_the_family_name_of_its_line() -> None:
    """The father's among Kinh, Nùng, Tày; the mother's among Ê Đê and Mnông, who marry outside their own."""
    population = Population(5)
    children = [population.pupil(grade=1, starting_year=2025) for _ in range(300)]
    assert {child.ethnicity for child in children} == {"01", "12", "20", "07", "02"}
    for child in children:
        father, mother = (population.parent_of(child, sex) for sex in (Sex.MALE, Sex.FEMALE))
        assert (father.sex, mother.sex) == (Sex.MALE, Sex.FEMALE)
        of_line, other = (mother, father) if child.ethnicity in {"12", "20"} else (father, mother)
        assert of_line.family == child.family != other.family
        assert child.full_name not in {father.full_name, mother.full_name}
        assert all(22 <= child.born_on.year - parent.born_on.year <= 38 for parent in (father, mother))


def test_the_family_name_stands_where_the_people_writes_it() -> None:
    population = Population(6)
    for person in (population.adult(around=2026) for _ in range(200)):
        is_first = person.ethnicity in {"01", "07", "02"}
        name, family = person.full_name, unicodedata.normalize("NFC", person.family)
        assert name.startswith(f"{family} ") if is_first else name.endswith(f" {family}")
