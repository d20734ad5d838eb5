"""Scope (phạm vi): which schools a caller may see. Seeing is wider than deciding (app.approvals).

A client sees the schools that authorised it, a sector system those below its organisation; an officer sees
what their organisation stands over: a commune the schools it manages, a department every school of its
province, the ministry all. An administrator runs the service and sees no school's documents.
"""

from datetime import date

from sqlalchemy import ColumnElement, Select, and_, exists, false, or_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Officer, Role, SectorSystem, Submitter, System
from app.errors import DomainError
from app.organisations.kinds import Organisation, OrganisationKind
from app.organisations.tables import management, organisation
from app.organisations.tree import find_organisation, in_force


def in_scope(column: ColumnElement[int], actor: Actor, on: date) -> ColumnElement[bool]:
    """Give the condition that the school in ``column`` is one the caller may see on that day."""
    match actor:
        case Submitter():
            return column.in_(sorted(actor.schools))
        case Officer() if actor.role is not Role.ADMINISTRATOR:
            return column.in_(_schools_below(actor.organisation_id, on))
        case SectorSystem():
            return column.in_(_schools_below(actor.organisation_id, on))
        case System():
            return true()
        case _:
            return false()


def _schools_below(organisation_id: int, on: date) -> Select[tuple[int]]:
    own = organisation.alias("own")
    school = organisation.alias("school")
    is_managed = exists().where(
        management.c.school_id == school.c.id, management.c.authority_id == own.c.id, in_force(on)
    )
    return (
        select(school.c.id)
        .join(own, own.c.id == organisation_id)
        .where(
            school.c.kind == OrganisationKind.SCHOOL,
            or_(
                own.c.kind == OrganisationKind.MINISTRY,
                and_(
                    own.c.kind == OrganisationKind.DEPARTMENT,
                    own.c.province_code == school.c.province_code,
                ),
                and_(own.c.kind == OrganisationKind.COMMUNE, is_managed),
            ),
        )
    )


async def require_in_scope(connection: AsyncConnection, actor: Actor, school_id: int, on: date) -> None:
    """Refuse with QH-005, the answer for what does not exist, a school the caller may not see."""
    if isinstance(actor, Submitter):
        is_seen = school_id in actor.schools
    else:
        statement = select(organisation.c.id).where(
            organisation.c.id == school_id, in_scope(organisation.c.id, actor, on)
        )
        is_seen = (await connection.execute(statement)).one_or_none() is not None
    if not is_seen:
        raise DomainError("QH-005")


async def school_for(connection: AsyncConnection, actor: Actor, school_code: str, on: date) -> Organisation:
    """Give the school a client names; QH-004 for one that did not authorise it, or that does not exist.

    The two answers are one, so that nobody learns from it which codes are in use.
    """
    school = await find_organisation(connection, school_code)
    if school is None or school.kind is not OrganisationKind.SCHOOL:
        raise DomainError("QH-004", school_code=school_code)
    try:
        await require_in_scope(connection, actor, school.id, on)
    except DomainError as error:
        raise DomainError("QH-004", school_code=school_code) from error
    return school
