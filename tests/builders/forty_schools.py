"""A province of forty schools: the demo's cast, with thirty-six lower secondary schools beside it."""

from dataclasses import replace
from datetime import datetime
from functools import cache

from app.demo.authority import KeyKind, OwnerClass, issue_personal, issue_seal
from app.demo.people import Population, Sex
from app.demo.province import Province, Pupil, School, SchoolClass, Staff
from tests.builders.world import SIGNED, demo_province

MADE = 36


@cache
def forty_schools() -> Province:
    """Forty schools whose seals shall be approved, each with two pupils; the same every time but the keys."""
    cast = demo_province()
    approved = [school for school in cast.schools if school.seal_status == "approved" and school.is_public]
    model = next(school for school in approved if school.level == "03")
    population = Population(4066)
    made = [_school(cast, model, population, number, at=SIGNED) for number in range(1, MADE + 1)]
    schools = (*approved, *made)
    software = replace(cast.software[0], schools=tuple(school.code for school in schools))
    return replace(cast, schools=schools, software=(software,))


def _school(cast: Province, model: School, population: Population, number: int, *, at: datetime) -> School:
    commune = cast.communes[number % len(cast.communes)]
    name, code = f"Trường THCS Số {number}", f"66{commune.code}{number:03}"
    authority = next(a for a in cast.authorities if a.owner_class is OwnerClass.PUBLIC_SECTOR)
    person = population.adult(around=2025)
    head = Staff(
        person=person,
        title=model.head.title,
        credential=issue_personal(
            authority,
            full_name=person.full_name,
            identity_number=person.identity_number,
            school_name=name,
            title=model.head.title,
            at=at,
            kind=KeyKind.P_256,
        ),
    )
    pupils = tuple(_pupil(population, code, place) for place in (1, 2))
    return replace(
        model,
        code=code,
        name=name,
        commune=commune,
        managed_by=commune.code,
        seal=issue_seal(authority, school_name=name, locality=commune.place, at=at, kind=KeyKind.P_256),
        head=head,
        classes=(SchoolClass(name="6A", grade=6, teacher=model.teachers[0], pupils=pupils),),
    )


def _pupil(population: Population, code: str, place: int) -> Pupil:
    person = population.pupil(grade=6, starting_year=2025, years_late=0)
    return Pupil(
        person=person,
        student_code=f"{code}25{place:04}",
        register_number=f"{place:03}/THCS",
        father=population.parent_of(person, Sex.MALE),
        mother=population.parent_of(person, Sex.FEMALE),
    )
