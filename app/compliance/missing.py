"""The list of missing transcripts (danh sách còn thiếu): by school and pupil code, page by page."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.compliance.causes import Cause
from app.compliance.counting import bound, of_each_school
from app.compliance.judge import SchoolFacts
from app.db import transaction

# So many schools are read at once: memory does not grow with the province.
SCHOOLS_AT_ONCE: Final = 25

_CAUSES: Final = {3: Cause.HELD, 2: Cause.RECALLED, 1: Cause.REJECTED, None: Cause.NOT_SENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingPupil:
    """A pupil who is expected and has no standing record: who, where, why; nothing else of them."""

    school_code: str
    school_name: str
    grade: int
    class_name: str
    student_code: str
    full_name: str
    cause: Cause


MISSING_PUPILS: Final = bound(
    of_each_school(
        """
SELECT m.student_code, m.grade, m.class_name, m.cause, p.full_name
FROM pupil m
JOIN enrolment_pupil p ON p.student_code = m.student_code
WHERE m.is_listed AND NOT m.stands AND p.school_id = of.school_id AND p.school_year = :school_year
  AND p.number = (SELECT number FROM roll)
"""
    )
)
_ORDER: Final = attrgetter("grade", "class_name", "student_code")


async def missing_pupils(
    engine: AsyncEngine, schools: Sequence[SchoolFacts], school_year: int, as_of: datetime
) -> AsyncIterator[Sequence[MissingPupil]]:
    """Give who is missing, some schools at a time in the order they are handed in, by grade, class and code.

    Those who stay on paper are not expected and not listed. No connection is held while the reader takes
    its time.
    """
    for start in range(0, len(schools), SCHOOLS_AT_ONCE):
        batch = {school.school_id: school for school in schools[start : start + SCHOOLS_AT_ONCE]}
        parameters = {"schools": list(batch), "school_year": school_year, "as_of": as_of}
        async with transaction(engine) as connection:
            rows = (await connection.execute(MISSING_PUPILS, parameters)).all()
        found: dict[int, list[MissingPupil]] = {school_id: [] for school_id in batch}
        for row in rows:
            school = batch[row.school_id]
            if any(rule.covers(row.grade, row.class_name) for rule in school.paper):
                continue
            found[row.school_id].append(
                MissingPupil(
                    school_code=school.code,
                    school_name=school.name,
                    grade=row.grade,
                    class_name=row.class_name,
                    student_code=row.student_code,
                    full_name=row.full_name,
                    cause=_CAUSES[row.cause],
                )
            )
        yield [pupil for pupils in found.values() for pupil in sorted(pupils, key=_ORDER)]
