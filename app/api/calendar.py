"""The calendar over HTTP: anybody reads the cut-offs and why they hold, a department sets its own."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.actors import Officer, Role
from app.api.calendar_bodies import CalendarIn, CalendarOut
from app.api.deps import PUBLIC, Connection, Service, requires
from app.api.texts import ProvinceCode, SchoolCode, SchoolYearText
from app.deadlines.book import change_calendar, list_changes, load_calendar
from app.deadlines.calendar import DIGITISING
from app.errors import DomainError
from app.ingest.package import first_year
from app.organisations.kinds import OrganisationKind
from app.organisations.tree import find_organisation, organisation_by_id

router = APIRouter(prefix="/api/v1/calendar", tags=["calendar"])

Department = Annotated[Officer, Depends(requires(Role.DEPARTMENT_OFFICER))]
SchoolYearQuery = Query(description="Năm học, ví dụ 2025-2026 / school year")


@router.get(
    "", dependencies=[PUBLIC], summary="Lịch chốt dữ liệu và căn cứ / The cut-offs, their sources, and why"
)
async def read(
    *,
    connection: Connection,
    service: Service,
    school_year: Annotated[SchoolYearText | None, SchoolYearQuery] = None,
    province: Annotated[ProvinceCode | None, Query(description="Mã tỉnh / province code")] = None,
    school_code: Annotated[SchoolCode | None, Query(description="Trường cần giải thích / a school")] = None,
) -> CalendarOut:
    """Give the cut-offs of a school year (the present one by default), each the first instant too late.

    For a school, says which one decides for each of its levels, and what that outweighs. QH-057 refuses a
    code that is no school's.
    """
    year = DIGITISING.at(service.clock()) if school_year is None else first_year(school_year)
    school = None
    if school_code is not None:
        school = await find_organisation(connection, school_code)
        if school is None or school.kind is not OrganisationKind.SCHOOL:
            raise DomainError("QH-057", organisation_code=school_code)
        province = school.province_code
    code = province or ""
    return CalendarOut.of(
        await load_calendar(connection, code),
        year,
        changes=await list_changes(connection, code, year),
        school=school,
    )


@router.put("", summary="Sở GDĐT đặt mốc riêng của tỉnh / Set the province's own cut-offs of a school year")
async def put(
    *,
    asked: CalendarIn,
    actor: Department,
    connection: Connection,
    service: Service,
    school_year: Annotated[SchoolYearText, SchoolYearQuery],
    province: Annotated[ProvinceCode | None, Query(description="Mã tỉnh / province code")] = None,
) -> CalendarOut:
    """Put these in the place of all that the department set for the school year before, with the reason.

    What is left out falls back to the cut-offs in force. Nothing that has passed can be changed (TH-010).
    """
    own = (await organisation_by_id(connection, actor.organisation_id)).province_code or ""
    if province not in (None, own):
        raise DomainError("TH-016", province=province or "-")
    year = first_year(school_year)
    calendar = await change_calendar(
        connection,
        year,
        [row.draft() for row in asked.rows],
        reason=asked.reason,
        now=service.clock(),
        officer=actor,
    )
    return CalendarOut.of(calendar, year, changes=await list_changes(connection, own, year))
