"""The cast of the demo province (tỉnh Đắk Lắk, mã 66): bodies, schools, people, classes, certificates."""

import tomllib
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from itertools import count
from typing import Any, Final

from app.demo.authority import (
    Authority,
    Credential,
    KeyKind,
    OwnerClass,
    found_authority,
    issue_personal,
    issue_seal,
)
from app.demo.people import Person, Population, Sex

CAST: Final[dict[str, Any]] = tomllib.loads(
    files("app.demo").joinpath("cast.toml").read_text(encoding="utf-8")
)
PRIMARY: Final = "02"
CONTINUING: Final = "05"
DEPARTMENT_LEVELS: Final = frozenset({"04", "05"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A managing authority: the department, or a commune's committee (cơ quan quản lý)."""

    code: str
    name: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Officer:
    """An account that the demo opens for somebody of a managing authority."""

    username: str
    full_name: str
    role: str
    organisation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolSoftware:
    """A vendor's client and the schools that authorised it."""

    client_id: str
    schools: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """A head or teacher with their own certificate; subjects are the codes they answer for."""

    person: Person
    title: str
    credential: Credential
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pupil:
    """A pupil on the school's roll."""

    person: Person
    student_code: str
    register_number: str
    father: Person
    mother: Person


@dataclass(frozen=True, slots=True, kw_only=True)
class SchoolClass:
    """A class with its teacher and pupils (lớp, giáo viên chủ nhiệm)."""

    name: str
    grade: int
    teacher: Staff
    pupils: tuple[Pupil, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """A school: who manages it, and in which state its seal shall be (approved, pending, none)."""

    code: str
    name: str
    level: str
    commune: Body
    managed_by: str
    is_public: bool
    seal_status: str
    seal: Credential
    head: Staff
    teachers: tuple[Staff, ...]
    classes: tuple[SchoolClass, ...]

    def teacher_of(self, subject: str, school_class: SchoolClass) -> Staff:
        """Say who teaches a subject to a class: the specialist, else the class teacher."""
        return next((item for item in self.teachers if subject in item.subjects), school_class.teacher)


@dataclass(frozen=True, slots=True, kw_only=True)
class Province:
    """Everything the demo plays with, for one school year."""

    school_year: str
    department: Body
    communes: tuple[Body, ...]
    authorities: tuple[Authority, ...]
    officers: tuple[Officer, ...]
    software: tuple[SchoolSoftware, ...]
    schools: tuple[School, ...]


def build_province(
    *, at: datetime, school_year: str = "2025-2026", pupils_per_school: int = 15, seed: int = 66
) -> Province:
    """Build the province: people by the seed, keys at random.

    Args:
        at: the moment the documents will be signed; certificates are valid around it.
        school_year: of the documents, for example ``2025-2026``.
        pupils_per_school: spread over the school's classes; a third is sent, two thirds are samples.
        seed: the same seed gives the same people.
    """
    population = Population(seed)
    authorities = tuple(found_authority(owner_class, at=at) for owner_class in OwnerClass)
    department = Body(
        code=CAST["department"]["code"],
        name=CAST["department"]["name"],
        place=CAST["department"]["province"],
    )
    communes = tuple(
        Body(code=item["code"], name=item["authority"], place=item["name"]) for item in CAST["communes"]
    )
    year = int(school_year[:4])
    return Province(
        school_year=school_year,
        department=department,
        communes=communes,
        authorities=authorities,
        officers=tuple(
            Officer(full_name=population.adult(around=year).full_name, **item) for item in CAST["officers"]
        ),
        software=tuple(
            SchoolSoftware(client_id=item["client_id"], schools=tuple(item["schools"]))
            for item in CAST["clients"]
        ),
        schools=tuple(
            _school(
                item,
                communes=communes,
                authorities=authorities,
                population=population,
                at=at,
                year=year,
                pupils=pupils_per_school,
            )
            for item in CAST["schools"]
        ),
    )


def _school(
    cast: dict[str, Any],
    *,
    communes: tuple[Body, ...],
    authorities: tuple[Authority, ...],
    population: Population,
    at: datetime,
    year: int,
    pupils: int,
) -> School:
    level, name = cast["level"], cast["name"]
    terms = CAST["levels"][level]
    commune = next(item for item in communes if item.code == cast["commune"])
    is_private = cast.get("is_private", False)
    wanted = OwnerClass.LICENSED_PUBLIC if is_private else OwnerClass.PUBLIC_SECTOR
    authority = next(item for item in authorities if item.owner_class is wanted)

    def employ(title: str, subjects: tuple[str, ...], kind: KeyKind) -> Staff:
        person = population.adult(around=year)
        credential = issue_personal(
            authority,
            full_name=person.full_name,
            identity_number=person.identity_number,
            school_name=name,
            title=title,
            at=at,
            kind=kind,
        )
        return Staff(person=person, title=title, credential=credential, subjects=subjects)

    head = employ(terms["head_title"], (), KeyKind.RSA_2048)
    teachers = tuple(
        # Tokens in use are mostly RSA, remote signing mostly ECDSA: both are met in one school.
        employ("Giáo viên", tuple(subjects), KeyKind.RSA_2048 if index % 4 == 0 else KeyKind.P_256)
        for index, subjects in enumerate(terms["staff"])
    )
    return School(
        code=cast["code"],
        name=name,
        level=level,
        commune=commune,
        managed_by=CAST["department"]["code"] if level in DEPARTMENT_LEVELS else commune.code,
        is_public=not is_private,
        seal_status=cast["seal"],
        seal=issue_seal(authority, school_name=name, locality=commune.place, at=at),
        head=head,
        teachers=teachers,
        classes=_classes(cast, teachers, population, year=year, pupils=pupils),
    )


def _classes(
    cast: dict[str, Any], teachers: tuple[Staff, ...], population: Population, *, year: int, pupils: int
) -> tuple[SchoolClass, ...]:
    names: list[str] = cast["classes"]
    numbers = count(1)
    classes = []
    for index, name in enumerate(names):
        grade = int("".join(character for character in name[:2] if character.isdigit()))
        size = pupils // len(names) + (index < pupils % len(names))
        classes.append(
            SchoolClass(
                name=name,
                grade=grade,
                teacher=teachers[index],
                pupils=tuple(
                    _pupil(cast, population, grade=grade, year=year, number=next(numbers))
                    for _ in range(size)
                ),
            )
        )
    return tuple(classes)


def _pupil(cast: dict[str, Any], population: Population, *, grade: int, year: int, number: int) -> Pupil:
    # Continuing education takes up those who left school a few years before.
    years_late = 2 + number % 5 if cast["level"] == CONTINUING else 0
    person = population.pupil(grade=grade, starting_year=year, years_late=years_late)
    return Pupil(
        person=person,
        student_code=f"{cast['code']}{year % 100:02}{number:04}",
        register_number=f"{number:03}/{CAST['levels'][cast['level']]['abbreviation']}",
        father=population.parent_of(person, Sex.MALE),
        mother=population.parent_of(person, Sex.FEMALE),
    )
