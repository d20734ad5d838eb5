"""Reports over HTTP: compliance, who is missing, what needs attention, packages and software."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.api.deps import Connection, Reader, Service, ServiceState
from app.api.enrolments import PupilReader
from app.api.report_bodies import (
    AttentionOut,
    ComplianceOut,
    ExpiringOut,
    PackageCountOut,
    PackagesOut,
    PendingOut,
    ProgressOut,
    RowOut,
    SchoolOut,
    SoftwareOut,
    SumsOut,
    UnreadOut,
    VendorOut,
)
from app.api.report_files import ReportFormat, download
from app.api.scope import scope_of
from app.api.texts import Moment, OrganisationCode, SchoolYearText, UuidText, identified
from app.audit import AuditTag, record_act
from app.compliance.attention import expiring_certificates, pending_requests
from app.compliance.judge import GroupBy, ReportRow, Sums, report
from app.compliance.missing import MissingPupil, missing_pupils
from app.compliance.packages import count_packages, count_software, count_vendors
from app.compliance.progress import count_days
from app.compliance.reporting import Gathered, gather
from app.compliance.sheets import CAUSES, Cell
from app.db import database_now
from app.deadlines.book import load_calendar
from app.deadlines.calendar import Category, Stage
from app.errors import DomainError
from app.ids import hex32
from app.ingest.package import first_year
from app.organisations.scope import in_scope
from app.organisations.tables import organisation
from app.organisations.tree import legal_date
from app.snapshots.reading import SnapshotView, find_snapshot

router = APIRouter(prefix="/api/v1/reports", tags=["reports"])

Year = Annotated[SchoolYearText, Query(description="Năm học / school year")]
AsOf = Annotated[Moment | None, Query(description="Tại thời điểm; bỏ trống: bây giờ / as of; none: now")]
Form = Annotated[ReportFormat, Query(alias="format", description="json, csv hoặc xlsx")]
SnapshotId = Annotated[
    UuidText | None, Query(description="Bên cạnh bản chốt này, tại mốc của nó / beside this snapshot")
]
SchoolFilter = Annotated[OrganisationCode | None, Query(description="Chỉ trường này / this school only")]


# What tells in a file what a row is of.
_PLACES: Final[Mapping[GroupBy, Sequence[str]]] = {
    GroupBy.PROVINCE: ("province_code", "name"),
    GroupBy.COMMUNE: ("province_code", "authority_code", "name"),
    GroupBy.SCHOOL: ("province_code", "authority_code", "school_code", "name"),
    GroupBy.GRADE: ("province_code", "authority_code", "school_code", "name", "grade"),
    GroupBy.CLASS: ("province_code", "authority_code", "school_code", "name", "grade", "class_name"),
}
_NUMBERS: Final = tuple(SumsOut.model_fields)
# What only a school as a whole has says nothing of a grade or a class.
_OF_SCHOOLS: Final = frozenset(
    {
        "schools", "schools_without_roll", "pending_certificates", "unread_replies", "processing_packages",
        "in_snapshot",
    }
)  # fmt: skip
_OF_CLASSES: Final = frozenset({GroupBy.GRADE, GroupBy.CLASS})
_ROWS_A_PAGE: Final = 1000


def _numbers(sums: Sums, *, has_snapshot: bool) -> dict[str, int | float | None]:
    numbers: dict[str, int | float | None] = {name: getattr(sums, name) for name in _NUMBERS}
    return numbers if has_snapshot else {**numbers, "in_snapshot": None}


def _members(row: ReportRow, *, has_snapshot: bool) -> dict[str, Any]:
    """Give what a row says, by column; what a snapshot holds only where one was asked for."""
    return {**row.place._asdict(), "name": row.name, **_numbers(row.sums, has_snapshot=has_snapshot)}


async def _snapshot(connection: AsyncConnection, snapshot_id: str | None) -> SnapshotView | None:
    return None if snapshot_id is None else await find_snapshot(connection, identified(snapshot_id), None)


async def _gather(
    connection: AsyncConnection,
    service: ServiceState,
    actor: Actor,
    school_year: str,
    *,
    as_of: datetime | None,
    school_code: str | None = None,
    beside: SnapshotView | None = None,
) -> Gathered:
    """Give the schools in the caller's scope; QH-005 for a school or a snapshot outside of it."""
    gathered = await gather(
        connection,
        scope_of(actor, service.clock()),
        first_year(school_year),
        as_of=as_of if beside is None else as_of or beside.cut_off,
        snapshot_id=None if beside is None else beside.id,
        condition=None if school_code is None else organisation.c.code == school_code,
    )
    if school_code is not None and not gathered.schools:
        raise DomainError("QH-005")
    if beside is not None and (
        beside.scope.school_year != first_year(school_year)
        or beside.scope.province not in {school.province_code for school in gathered.schools}
    ):
        raise DomainError("QH-005")
    return gathered


async def _note(
    connection: AsyncConnection, service: ServiceState, actor: Actor, kind: str, **facts: str | int | None
) -> None:
    await record_act(
        connection,
        now=service.clock(),
        actor=actor,
        tag=AuditTag.REPORT_READ,
        subject=f"report:{kind}",
        facts=facts,
    )


@router.get("/compliance", summary="Báo cáo tiến độ / Compliance", response_model=ComplianceOut)
async def compliance(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    school_year: Year,
    group_by: GroupBy = GroupBy.COMMUNE,
    as_of: AsOf = None,
    snapshot_id: SnapshotId = None,
    school_code: SchoolFilter = None,
    form: Form = ReportFormat.JSON,
) -> Response:
    """Say of every province, managing body, school, grade or class what was due, what came, what is missing.

    ``as_of`` answers for any moment: what was received until then counts as it was judged; refusals, recalls
    and rolls count from when they were made.
    """
    beside = await _snapshot(connection, snapshot_id)
    gathered = await _gather(
        connection, service, actor, school_year, as_of=as_of, school_code=school_code, beside=beside
    )
    rows, total = await service.offload.run(report, gathered.schools, group_by, gathered.locks)
    await _note(connection, service, actor, "compliance", group_by=group_by, school_year=school_year)
    has_snapshot = beside is not None and group_by not in _OF_CLASSES
    if form is not ReportFormat.JSON:
        hidden = _OF_SCHOOLS if group_by in _OF_CLASSES else set() if has_snapshot else {"in_snapshot"}
        columns = [*_PLACES[group_by], *(name for name in _NUMBERS if name not in hidden)]
        return await download(
            _pages([_members(row, has_snapshot=has_snapshot) for row in rows]),
            columns,
            lambda members: [members[column] for column in columns],
            form=form,
            name=f"tien-do-{school_year}",
            title="Tiến độ",
            offload=service.offload,
        )

    def write() -> bytes:
        """Write a row a class as it may be: tens of thousands, and not on the event loop."""
        return (
            ComplianceOut(
                school_year=school_year,
                as_of=gathered.as_of,
                group_by=group_by,
                snapshot_id=None if beside is None else hex32(beside.id),
                total=SumsOut.model_validate(_numbers(total, has_snapshot=beside is not None)),
                rows=[RowOut.model_validate(_members(row, has_snapshot=has_snapshot)) for row in rows],
            )
            .model_dump_json()
            .encode()
        )

    return Response(await service.offload.run(write), media_type="application/json")


async def _pages(rows: Sequence[Mapping[str, Any]]) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    for first in range(0, len(rows), _ROWS_A_PAGE):
        yield rows[first : first + _ROWS_A_PAGE]


@router.get("/progress", summary="Tiến độ theo ngày / The year by day")
async def progress(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    school_year: Year,
    as_of: AsOf = None,
    school_code: SchoolFilter = None,
) -> ProgressOut:
    """Count by legal day what was received, late and recalled, with running sums: a chart's data."""
    gathered = await _gather(connection, service, actor, school_year, as_of=as_of, school_code=school_code)
    await _note(connection, service, actor, "progress", school_year=school_year, school=school_code)
    ids = [school.school_id for school in gathered.schools]
    _, total = await service.offload.run(report, gathered.schools, GroupBy.PROVINCE, gathered.locks)
    return ProgressOut.of(
        await count_days(connection, ids, first_year(school_year), gathered.as_of),
        school_year=school_year,
        as_of=gathered.as_of,
        expected=total.expected,
    )


_MISSING: Final = (
    "school_code", "school_name", "grade", "class_name", "student_code", "full_name", "cause",
)  # fmt: skip


@router.get(
    "/missing",
    summary="Danh sách học sinh còn thiếu học bạ / Whose transcript is missing",
    response_class=Response,
    responses={200: {"content": {"application/x-ndjson": {}, "text/csv": {}}}},
)
async def missing(
    *,
    actor: PupilReader,
    connection: Connection,
    service: Service,
    school_year: Year,
    as_of: AsOf = None,
    school_code: SchoolFilter = None,
    form: Form = ReportFormat.JSON,
) -> Response:
    """Stream pupil code, name and cause of every missing transcript; ``json`` is one object a line.

    For the school's own software and the authorities above it; every reading is in the audit log. Schools
    without a roll are listed by ``/reports/attention``: of them nobody can be named.
    """
    gathered = await _gather(connection, service, actor, school_year, as_of=as_of, school_code=school_code)
    await _note(connection, service, actor, "missing", school_year=school_year, school=school_code)
    is_file = form is not ReportFormat.JSON
    return await download(
        missing_pupils(service.engine, gathered.schools, first_year(school_year), gathered.as_of),
        _MISSING,
        lambda pupil: _missing_cells(pupil, in_words=is_file),
        form=form,
        name=f"con-thieu-{school_year}",
        title="Còn thiếu",
        offload=service.offload,
    )


def _missing_cells(pupil: MissingPupil, *, in_words: bool) -> Sequence[Cell]:
    cause = CAUSES[pupil.cause] if in_words else str(pupil.cause)
    return [
        pupil.school_code, pupil.school_name, pupil.grade, pupil.class_name, pupil.student_code,
        pupil.full_name, cause,
    ]  # fmt: skip


@router.get("/attention", summary="Việc cần làm trước mốc chốt / What needs attention")
async def attention(
    *, actor: Reader, connection: Connection, service: Service, school_year: Year
) -> AttentionOut:
    """Name what will make schools miss their cut-off: no roll, ending certificates, waiting decisions."""
    gathered = await _gather(connection, service, actor, school_year, as_of=None)
    ids = [school.school_id for school in gathered.schools]
    cut_off = await _next_cut_off(connection, gathered, first_year(school_year))
    await _note(connection, service, actor, "attention", school_year=school_year)
    return AttentionOut(
        as_of=gathered.as_of,
        cut_off=cut_off,
        schools_without_roll=[
            SchoolOut(school_code=school.code, name=school.name, authority_code=school.authority_code)
            for school in gathered.schools
            if not school.has_roll
        ],
        expiring_certificates=[]
        if cut_off is None
        else [
            ExpiringOut(school_code=found.school_code, role=found.role, not_after=found.not_after)
            for found in await expiring_certificates(connection, ids, before=cut_off, now=gathered.as_of)
        ],
        pending=[
            PendingOut(
                kind=found.kind, from_days=found.from_days, count=found.count, oldest_at=found.oldest_at
            )
            for found in await pending_requests(connection, ids, gathered.as_of)
        ],
        unread=[
            UnreadOut(school_code=school.code, name=school.name, unread_replies=school.unread_replies)
            for school in gathered.schools
            if school.unread_replies
        ],
    )


async def _next_cut_off(connection: AsyncConnection, gathered: Gathered, school_year: int) -> datetime | None:
    """Give the earliest cut-off of schools to come; None where all have passed."""
    to_come = [
        row.cut_off
        for province in gathered.locks
        for row in (await load_calendar(connection, province)).rows(school_year)
        if row.stage is Stage.SCHOOL
        and row.category is not Category.DIGITISED
        and row.cut_off > gathered.as_of
    ]
    return min(to_come, default=None)


@router.get("/packages", summary="Thống kê gói tin và phần mềm / Packages and software")
async def packages(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    since: Annotated[Moment | None, Query(description="Bỏ trống: 30 ngày trước / none: 30 days ago")] = None,
    until: Annotated[Moment | None, Query(description="Bỏ trống: bây giờ / none: now")] = None,
) -> PackagesOut:
    """Count packages by state, managing body, levels and day; how each program and vendor fares at first."""
    now: datetime = (await connection.execute(select(database_now()))).scalar_one()
    end = until or now
    start = since or end - timedelta(days=30)
    on = legal_date(service.clock())
    ids = (
        await connection.execute(select(organisation.c.id).where(in_scope(organisation.c.id, actor, on)))
    ).scalars().all()  # fmt: skip
    await _note(connection, service, actor, "packages")
    return PackagesOut(
        since=start,
        until=end,
        counts=[
            PackageCountOut.of(counted)
            for counted in await count_packages(connection, ids, since=start, until=end, now=now)
        ],
        software=[
            SoftwareOut.of(counted)
            for counted in await count_software(connection, ids, since=start, until=end)
        ],
        vendors=[
            VendorOut.of(counted) for counted in await count_vendors(connection, ids, since=start, until=end)
        ],
    )
