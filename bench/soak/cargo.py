"""What the clients send: packages of signed transcripts, no pupil twice unless that is the point."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Final
from uuid import UUID

from lxml import etree

from app.client.packaging import NAMESPACE, Header, Package, build_package, pack
from app.demo.people import Population, Sex
from app.demo.province import Province, Pupil, School, SchoolClass, build_province
from app.demo.transcripts import compose_school, sign_composed

SIGNED_AT: Final = datetime(2026, 6, 8, 2, 0, tzinfo=UTC)
PRIMARY: Final = "02"
YEAR: Final = 2025
BATCH: Final = 12
SHARE_TAMPERED: Final = 0.05
SHARE_AGAIN: Final = 0.10
_NAME: Final = f"{{{NAMESPACE}}}HoTen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cargo:
    """A package and what its sender knows of it: the look-up codes in order, and which must be refused."""

    package: Package
    record_ids: tuple[UUID, ...]
    tampered: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signed:
    record_id: UUID
    element: etree._Element
    is_tampered: bool


@dataclass(kw_only=True)
class Shipyard:
    """Makes packages of one primary school after another, the same for the same seed but for keys and ids.

    Some transcripts were changed after signing; some travel again in another package, often while the first
    is still being judged.
    """

    seed: int
    province: Province = field(init=False)
    _random: Random = field(init=False)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _population: Population = field(init=False)
    _ready: list[_Signed] = field(default_factory=list)
    _gone: list[_Signed] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.province = build_province(at=SIGNED_AT, school_year=f"{YEAR}-{YEAR + 1}", pupils_per_school=3)
        self._random = Random(self.seed)  # noqa: S311 - S311: a test's choices need a seed, not secrecy
        self._population = Population(self.seed + 100_000)

    @property
    def school(self) -> School:
        """The school that sends everything."""
        schools = self.province.schools
        return next(s for s in schools if s.level == PRIMARY and s.seal_status == "approved")

    def next(self, package_id: UUID) -> Cargo:
        """Make the next package; takes some milliseconds of processor time."""
        chosen = [self._transcript() for _ in range(self._random.choice((1, 1, 1, 2, 3)))]
        if self._gone and self._random.random() < SHARE_AGAIN:
            again = self._random.choice(self._gone[-20:])
            if again.record_id not in {item.record_id for item in chosen}:
                chosen.append(again)
        self._gone += [item for item in chosen if not item.is_tampered]
        del self._gone[:-20]
        header = Header(
            package_id=package_id,
            school_code=self.school.code,
            school_year=self.province.school_year,
            created_at=SIGNED_AT + timedelta(hours=1),
            software_name="Soak",
            software_version="1.0",
        )
        return Cargo(
            package=pack(build_package([item.element for item in chosen], header)),
            record_ids=tuple(item.record_id for item in chosen),
            tampered=frozenset(place for place, item in enumerate(chosen, start=1) if item.is_tampered),
        )

    def _transcript(self) -> _Signed:
        if not self._ready:
            self._ready = self._sign_class()
        return self._ready.pop()

    def _sign_class(self) -> list[_Signed]:
        school = self.school
        model = school.classes[0]
        pupils = tuple(self._pupil(school, model) for _ in range(BATCH))
        of_class = replace(school, classes=(replace(model, pupils=pupils),))
        return [
            self._maybe_tampered(item.record_id, sign_composed(item, signed_at=SIGNED_AT, has_teachers=False))
            for item in compose_school(self.province, of_class, signed_at=SIGNED_AT, seed=self.seed)
        ]

    def _maybe_tampered(self, record_id: UUID, element: etree._Element) -> _Signed:
        is_tampered = self._random.random() < SHARE_TAMPERED
        if is_tampered:
            name = next(element.iter(_NAME))
            name.text = f"{name.text} An"
        return _Signed(record_id=record_id, element=element, is_tampered=is_tampered)

    def _pupil(self, school: School, school_class: SchoolClass) -> Pupil:
        person = self._population.pupil(grade=school_class.grade, starting_year=YEAR)
        number = next(self._numbers)
        return Pupil(
            person=person,
            student_code=f"{school.code}{YEAR % 100:02}{number:05}",
            register_number=f"{number}/TH",
            father=self._population.parent_of(person, Sex.MALE),
            mother=self._population.parent_of(person, Sex.FEMALE),
        )
