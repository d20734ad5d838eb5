"""The register of enrolment rolls: versions by school and school year, the latest is the one that counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, exists, func, insert, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.audit import AuditTag, record_act
from app.db import copy_records
from app.enrolment.roll import (
    ClassCount,
    Movement,
    RollLine,
    absent_grades,
    content_digest,
    count_classes,
)
from app.enrolment.tables import enrolment_class, enrolment_pupil, enrolment_roll
from app.errors import DomainError
from app.findings import Finding, finding
from app.ids import uuid7
from app.organisations.kinds import Organisation
from app.organisations.scope import in_scope
from app.organisations.tables import organisation
from app.organisations.tree import legal_date
from app.records.changes import note_changes
from app.records.tables import active_record, record


@dataclass(frozen=True, slots=True, kw_only=True)
class RollView:
    """One version of a school's roll; ``number`` counts them from 1."""

    id: UUID
    school_id: int
    school_code: str
    school_year: int
    number: int
    form: str
    content_sha256: bytes
    pupils: int
    expected: int
    made_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenRoll:
    """A roll as it stands after it was sent.

    Attributes:
        is_repeat: it says what the latest version said: no new one was made.
        added: pupils that the version before did not have.
        gone: pupils that it had and this one has not.
        warnings: what seems to be missing (NV-110 to NV-112).
    """

    view: RollView
    is_repeat: bool
    added: int
    gone: int
    warnings: tuple[Finding, ...]


async def take_roll(
    connection: AsyncConnection,
    school: Organisation,
    school_year: int,
    lines: Sequence[RollLine],
    *,
    form: str,
    now: datetime,
    actor: Actor,
) -> TakenRoll:
    """Make a school's lines, which have been checked, its newest roll.

    The same roll again makes no new version. Of two who send at once one is refused with QH-020.
    """
    digest, latest = content_digest(lines), await latest_roll(connection, school.id, school_year)
    before = set[str]() if latest is None else await _codes(connection, latest)
    present = {line.student_code for line in lines}
    is_repeat = latest is not None and latest.content_sha256 == digest
    if latest is None or not is_repeat:
        latest = await _append(
            connection, school, school_year, lines, digest,
            number=1 if latest is None else latest.number + 1, form=form, now=now, actor=actor,
        )  # fmt: skip
    return TakenRoll(
        view=latest,
        is_repeat=is_repeat,
        added=len(present - before),
        gone=len(before - present),
        warnings=await _warnings(connection, school, latest, lines, gone=len(before - present)),
    )


async def _append(
    connection: AsyncConnection,
    school: Organisation,
    school_year: int,
    lines: Sequence[RollLine],
    digest: bytes,
    *,
    number: int,
    form: str,
    now: datetime,
    actor: Actor,
) -> RollView:
    key = {"school_id": school.id, "school_year": school_year, "number": number}
    row = await connection.execute(
        upsert(enrolment_roll)
        .values(
            **key,
            id=uuid7(now),
            form=form,
            content_sha256=digest,
            pupils=len(lines),
            expected=sum(line.is_expected for line in lines),
            made_by_kind=actor.kind,
            made_by=actor.id,
        )
        .on_conflict_do_nothing()
        .returning(enrolment_roll, literal(school.code).label("school_code"))
    )
    made = row.one_or_none()
    if made is None:
        raise DomainError("QH-020", state=str(number - 1))
    pupils = [(*key.values(), *(getattr(line, name) for name in _PUPIL)) for line in lines]
    await copy_records(connection, enrolment_pupil, (*key, *_PUPIL), pupils)
    await connection.execute(
        insert(enrolment_class), [{**key, **_class_row(counted)} for counted in count_classes(lines)]
    )
    await note_changes(connection, [(school.id, school_year)])
    view = _view(made)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ENROLMENT_RECEIVED,
        subject=f"enrolment:{view.id.hex}",
        school_id=school.id,
        facts={"school_year": school_year, "number": number, "pupils": len(lines)},
    )
    return view


_PUPIL: Final = (
    "student_code", "identity_number", "full_name", "grade", "class_name", "movement", "moved_on",
)  # fmt: skip


def _class_row(counted: ClassCount) -> dict[str, object]:
    return {name: getattr(counted, name) for name in ClassCount.__dataclass_fields__}


async def _warnings(
    connection: AsyncConnection,
    school: Organisation,
    view: RollView,
    lines: Sequence[RollLine],
    *,
    gone: int,
) -> tuple[Finding, ...]:
    warnings = [*absent_grades(lines, school.code, school.levels)]
    if gone:
        warnings.append(finding("NV-111", school_code=school.code, count=gone))
    unlisted = await _unlisted(connection, view)
    if unlisted:
        warnings.append(finding("NV-112", school_code=school.code, count=unlisted))
    return tuple(warnings)


async def _unlisted(connection: AsyncConnection, view: RollView) -> int:
    """Count the pupils who have a standing record of the school and year, and no line of the roll."""
    listed = exists().where(
        enrolment_pupil.c.school_id == record.c.school_id,
        enrolment_pupil.c.school_year == record.c.school_year,
        enrolment_pupil.c.number == view.number,
        enrolment_pupil.c.student_code == record.c.student_code,
    )
    stands = exists().where(active_record.c.record_id == record.c.record_id)
    statement = select(func.count(record.c.student_code.distinct())).where(
        record.c.school_id == view.school_id, record.c.school_year == view.school_year, stands, ~listed
    )
    return int((await connection.execute(statement)).scalar_one())


async def _codes(connection: AsyncConnection, view: RollView) -> set[str]:
    rows = await connection.execute(select(enrolment_pupil.c.student_code).where(_of(view)))
    return set(rows.scalars())


def _of(view: RollView) -> ColumnElement[bool]:
    return and_(
        enrolment_pupil.c.school_id == view.school_id,
        enrolment_pupil.c.school_year == view.school_year,
        enrolment_pupil.c.number == view.number,
    )


def _rolls() -> Select[tuple[object, ...]]:
    return select(enrolment_roll, organisation.c.code.label("school_code")).join(
        organisation, organisation.c.id == enrolment_roll.c.school_id
    )


def _view(row: Row[*tuple[object, ...]]) -> RollView:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
    return RollView(**{name: found[name] for name in RollView.__dataclass_fields__})


async def latest_roll(connection: AsyncConnection, school_id: int, school_year: int) -> RollView | None:
    """Give the roll that counts; None where the school has sent none."""
    statement = (
        _rolls()
        .where(enrolment_roll.c.school_id == school_id, enrolment_roll.c.school_year == school_year)
        .order_by(enrolment_roll.c.number.desc())
        .limit(1)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _view(row)


async def list_rolls(
    connection: AsyncConnection,
    *,
    actor: Actor,
    on: date,
    school_code: str | None = None,
    school_year: int | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[RollView]:
    """Give the versions of rolls of schools that the caller may see on that day, oldest first."""
    statement = (
        _rolls()
        .where(in_scope(enrolment_roll.c.school_id, actor, on))
        .order_by(enrolment_roll.c.id)
        .limit(limit)
    )
    if school_code is not None:
        statement = statement.where(organisation.c.code == school_code)
    if school_year is not None:
        statement = statement.where(enrolment_roll.c.school_year == school_year)
    if after is not None:
        statement = statement.where(enrolment_roll.c.id > after)
    return [_view(row) for row in await connection.execute(statement)]


async def find_roll(connection: AsyncConnection, roll_id: UUID, actor: Actor, *, now: datetime) -> RollView:
    """Give a version of a roll; QH-005 for one of a school that the caller may not see."""
    statement = _rolls().where(
        enrolment_roll.c.id == roll_id, in_scope(enrolment_roll.c.school_id, actor, legal_date(now))
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        raise DomainError("QH-005")
    return _view(row)


async def classes_of(connection: AsyncConnection, view: RollView) -> Sequence[ClassCount]:
    """Give a roll's classes with their counts."""
    names = list(ClassCount.__dataclass_fields__)
    rows = await connection.execute(
        select(*(enrolment_class.c[name] for name in names))
        .where(
            enrolment_class.c.school_id == view.school_id,
            enrolment_class.c.school_year == view.school_year,
            enrolment_class.c.number == view.number,
        )
        .order_by(enrolment_class.c.grade, enrolment_class.c.class_name)
    )
    return [ClassCount(**row._mapping) for row in rows]  # noqa: SLF001 - as above


async def pupils_of(
    connection: AsyncConnection, view: RollView, *, after: str | None, limit: int
) -> Sequence[RollLine]:
    """Give a page of a roll's pupils by pupil code; ``line`` counts them within the page."""
    statement = select(enrolment_pupil).where(_of(view)).order_by(enrolment_pupil.c.student_code).limit(limit)
    if after is not None:
        statement = statement.where(enrolment_pupil.c.student_code > after)
    return [
        RollLine(
            line=line,
            student_code=row.student_code,
            identity_number=row.identity_number,
            full_name=row.full_name,
            grade=row.grade,
            class_name=row.class_name,
            movement=Movement(row.movement),
            moved_on=row.moved_on,
        )
        for line, row in enumerate(await connection.execute(statement), start=1)
    ]
