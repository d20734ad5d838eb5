"""Where the legal calendar and the policies stand for records that are asked to be recalled."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.deadlines.locks import terms_of
from app.deadlines.rules import Terms, obligation_met, timeliness
from app.errors import DomainError
from app.ids import listed
from app.organisations.tables import organisation
from app.policies.book import policies_at
from app.recalls.life import Course, LegalWindow, course_of, joint_course
from app.records.entry import ManagedRecord


async def course_for(
    connection: AsyncConnection, records: Sequence[ManagedRecord], *, at: datetime
) -> Course:
    """Say how a recall of these records may be granted at a moment; TH-060 where it no longer may.

    The calendar is that of the province that issued, the policy that of the province that manages.
    """
    policies = await policies_at(connection, at)
    terms = await terms_of(connection, {held.issuer_id for held in records})
    provinces = await _provinces(connection, {held.manager_id for held in records})
    courses = {
        held.record_id: course_of(
            window_of(held, terms[held.issuer_id], at=at),
            policies,
            province=provinces[held.manager_id],
            level=held.level,
            school_year=held.school_year,
        )
        for held in records
    }
    closed = [record_id for record_id, course in courses.items() if course is Course.CLOSED]
    if closed:
        raise DomainError("TH-060", records=listed(closed), count=len(closed))
    return joint_course(courses.values())


def window_of(held: ManagedRecord, terms: Terms, *, at: datetime) -> LegalWindow:
    """Say where the calendar, and what its issuer was granted, stand for a record at a moment."""
    locked_at, calendar = terms.lock_of(held), terms.calendar
    final = timeliness(held.received_at, obligation_met(held, calendar), calendar).final
    return LegalWindow(is_locked=at >= locked_at, is_final=at >= max(locked_at, final.cut_off))


async def _provinces(connection: AsyncConnection, school_ids: set[int]) -> Mapping[int, str]:
    rows = await connection.execute(
        select(organisation.c.id, organisation.c.province_code).where(organisation.c.id.in_(school_ids))
    )
    return {row.id: row.province_code for row in rows}
