"""What a report needs to know of each school in scope, fetched in a few questions for all of them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.compliance.counting import count
from app.compliance.judge import Locks, PaperRule, SchoolFacts
from app.db import among, database_now
from app.deadlines.book import load_calendar
from app.deadlines.calendar import Category
from app.deadlines.rules import Extension
from app.deadlines.tables import exemption, exemption_event, extension, extension_event
from app.enrolment.tables import enrolment_roll
from app.ingest.answers import Scope
from app.ingest.package import PackageState
from app.ingest.tables import package, package_progress
from app.organisations.kinds import OrganisationKind
from app.organisations.tables import management, organisation
from app.organisations.tree import in_force, legal_date
from app.snapshots.tables import snapshot_school
from app.verify.certificates.tables import certificate, certificate_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The schools in scope as they stood, and the locks of their provinces.

    Attributes:
        as_of: the moment that the numbers are of.
    """

    as_of: datetime
    schools: Sequence[SchoolFacts]
    locks: Mapping[str, Locks]


async def gather(
    connection: AsyncConnection,
    scope: Scope,
    school_year: int,
    *,
    as_of: datetime | None,
    snapshot_id: UUID | None = None,
    condition: ColumnElement[bool] | None = None,
) -> Gathered:
    """Give what is known of the schools in scope at a moment; without one, now.

    Who manages a school is read as of the moment's legal day.
    """
    now = (await connection.execute(select(database_now()))).scalar_one()
    past = as_of if as_of is not None and as_of < now else None
    rows = (await connection.execute(_schools(scope, past or now, condition))).all()
    ids = [row.id for row in rows]
    moment, classes = await count(connection, ids, school_year, past)
    rolls = await _with_roll(connection, ids, school_year, moment)
    paper = await _paper(connection, ids, school_year, moment)
    granted = await _extensions(connection, ids, school_year, moment)
    pending = await _pending_certificates(connection, ids, moment)
    unread, processing = await _packages(connection, ids, school_year, moment, is_now=past is None)
    held = {} if snapshot_id is None else await _in_snapshot(connection, snapshot_id)
    provinces = {row.province_code for row in rows}
    return Gathered(
        as_of=moment,
        locks={code: Locks(await load_calendar(connection, code), school_year, moment) for code in provinces},
        schools=[
            SchoolFacts(
                school_id=row.id,
                code=row.code,
                name=row.name,
                levels=tuple(row.levels),
                province_code=row.province_code,
                province_name=row.province_name or row.province_code,
                authority_code=row.authority_code or row.province_code,
                authority_name=row.authority_name or "",
                has_roll=row.id in rolls,
                classes=classes[row.id],
                paper=tuple(paper.get(row.id, ())),
                extensions=tuple(granted.get(row.id, ())),
                pending_certificates=pending.get(row.id, 0),
                unread_replies=unread.get(row.id, 0),
                processing_packages=processing.get(row.id, 0),
                in_snapshot=None if snapshot_id is None else held.get(row.id, 0),
            )
            for row in rows
        ],
    )


def _schools(
    scope: Scope, moment: datetime, condition: ColumnElement[bool] | None
) -> Select[tuple[object, ...]]:
    day = legal_date(moment)
    authority, department = organisation.alias("authority"), organisation.alias("department")
    statement = (
        select(
            organisation.c.id,
            organisation.c.code,
            organisation.c.name,
            organisation.c.levels,
            organisation.c.province_code,
            authority.c.code.label("authority_code"),
            authority.c.name.label("authority_name"),
            department.c.name.label("province_name"),
        )
        .outerjoin(management, and_(management.c.school_id == organisation.c.id, in_force(day)))
        .outerjoin(authority, authority.c.id == management.c.authority_id)
        .outerjoin(
            department,
            and_(
                department.c.kind == OrganisationKind.DEPARTMENT,
                department.c.province_code == organisation.c.province_code,
            ),
        )
        .where(
            organisation.c.kind == OrganisationKind.SCHOOL,
            organisation.c.valid_from <= day,
            or_(organisation.c.valid_to.is_(None), organisation.c.valid_to > day),
            scope(organisation.c.id),
        )
        .order_by(organisation.c.code)
    )
    return statement if condition is None else statement.where(condition)


async def _with_roll(
    connection: AsyncConnection, schools: Collection[int], school_year: int, moment: datetime
) -> frozenset[int]:
    rows = await connection.execute(
        select(enrolment_roll.c.school_id).where(
            among(enrolment_roll.c.school_id, schools),
            enrolment_roll.c.school_year == school_year,
            enrolment_roll.c.made_at <= moment,
        )
    )
    return frozenset(rows.scalars())


async def _paper(
    connection: AsyncConnection, schools: Collection[int], school_year: int, moment: datetime
) -> Mapping[int, Sequence[PaperRule]]:
    """Give who stayed on paper at the moment: registered by then, and not withdrawn by then."""
    withdrawn = select(exemption_event.c.exemption_id).where(
        exemption_event.c.target == "withdrawn", exemption_event.c.at <= moment
    )
    rows = await connection.execute(
        select(exemption).where(
            among(exemption.c.school_id, schools),
            exemption.c.school_year == school_year,
            exemption.c.registered_at <= moment,
            exemption.c.id.not_in(withdrawn),
        )
    )
    found: dict[int, list[PaperRule]] = {}
    for row in rows:
        rule = PaperRule(grade=row.grade, class_name=row.class_name, pupils=row.pupils)
        found.setdefault(row.school_id, []).append(rule)
    return found


async def _extensions(
    connection: AsyncConnection, schools: Collection[int], school_year: int, moment: datetime
) -> Mapping[int, Sequence[Extension]]:
    rows = await connection.execute(
        select(extension, extension_event.c.at.label("approved_at"))
        .join(
            extension_event,
            and_(extension_event.c.extension_id == extension.c.id, extension_event.c.target == "approved"),
        )
        .where(
            among(extension.c.school_id, schools),
            extension.c.school_year == school_year,
            extension_event.c.at <= moment,
        )
    )
    found: dict[int, list[Extension]] = {}
    for row in rows:
        granted = Extension(
            extension_id=row.id,
            school_year=row.school_year,
            category=None if row.category is None else Category(row.category),
            approved_at=row.approved_at,
            until=row.until,
        )
        found.setdefault(row.school_id, []).append(granted)
    return found


async def _pending_certificates(
    connection: AsyncConnection, schools: Collection[int], moment: datetime
) -> Mapping[int, int]:
    """Count the certificates that were registered by the moment and decided only later, or not yet."""
    decided = select(certificate_event.c.certificate_id).where(
        certificate_event.c.source == "pending", certificate_event.c.at <= moment
    )
    rows = await connection.execute(
        select(certificate.c.school_id, func.count())
        .where(
            among(certificate.c.school_id, schools),
            certificate.c.registered_at <= moment,
            certificate.c.id.not_in(decided),
        )
        .group_by(certificate.c.school_id)
    )
    return {row[0]: row[1] for row in rows}


async def _packages(
    connection: AsyncConnection,
    schools: Collection[int],
    school_year: int,
    moment: datetime,
    *,
    is_now: bool,
) -> tuple[Mapping[int, int], Mapping[int, int]]:
    """Count the answered packages that nobody had fetched, and those without an answer.

    Of the present they have an index of their own; how it was in the past is told by all packages.
    """
    progress = package_progress.c
    is_answered = and_(progress.state == PackageState.ANSWERED, progress.answered_at <= moment)
    is_unread: ColumnElement[bool] = progress.reply_read_at.is_(None)
    if not is_now:
        is_unread = or_(is_unread, progress.reply_read_at > moment)
    rows = await connection.execute(
        select(
            package.c.school_id,
            func.count().filter(is_answered).label("unread"),
            func.count().filter(~func.coalesce(is_answered, false())).label("processing"),
        )
        .join(
            package_progress,
            and_(progress.school_id == package.c.school_id, progress.package_id == package.c.package_id),
        )
        .where(
            among(package.c.school_id, schools),
            package.c.school_year == school_year,
            package.c.received_at <= moment,
            is_unread,
        )
        .group_by(package.c.school_id)
    )
    found = rows.all()
    return {row.school_id: row.unread for row in found}, {row.school_id: row.processing for row in found}


async def _in_snapshot(connection: AsyncConnection, snapshot_id: UUID) -> Mapping[int, int]:
    rows = await connection.execute(
        select(snapshot_school.c.school_id, snapshot_school.c.total).where(
            snapshot_school.c.snapshot_id == snapshot_id
        )
    )
    return {row.school_id: row.total for row in rows}
