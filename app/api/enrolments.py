"""Enrolment rolls over HTTP: sent as CSV or JSON, kept by version, read back by who may."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal, Self

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, StringConstraints, ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role, Submitter
from app.api.deps import Connection, Reader, Service, requires
from app.api.description import COMPONENT
from app.api.package_bodies import FindingOut, findings_out
from app.api.paging import Cursor, Limit, Page, id_after, text_after
from app.api.problems import problem
from app.api.texts import Asked, Line, SchoolCode, SchoolYearText, identified
from app.audit import AuditTag, record_act
from app.enrolment.register import (
    RollView,
    TakenRoll,
    classes_of,
    find_roll,
    list_rolls,
    pupils_of,
    take_roll,
)
from app.enrolment.roll import ClassCount, Movement, ReadRoll, RollLine, by_line, check_roll, read_roll
from app.errors import DomainError
from app.findings import Finding, finding
from app.ids import hex32
from app.ingest.package import first_year, school_year_of
from app.organisations.scope import school_for
from app.organisations.tree import legal_date

router = APIRouter(prefix="/api/v1/enrolments", tags=["enrolments"])

CSV: Final = "text/csv"
JSON: Final = "application/json"
YEAR_MISSING: Final = {"type": "missing", "loc": ("query", "school_year"), "msg": "Field required"}

Enroller = Annotated[Submitter | Officer, Depends(requires(Role.SCHOOL_SOFTWARE, Role.DEPARTMENT_OFFICER))]
# Whoever may read which pupils a school has: the ministry reads numbers, not names.
PupilReader = Annotated[
    Submitter | Officer,
    Depends(requires(Role.SCHOOL_SOFTWARE, Role.COMMUNE_OFFICER, Role.DEPARTMENT_OFFICER, Role.INSPECTOR)),
]
RollId = Annotated[str, Path(max_length=40, description="enrolment_id, 32 hoặc 36 ký tự")]


class PupilIn(Asked):
    """Một học sinh / one pupil."""

    student_code: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z./-]{1,20}$")]
    identity_number: Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")] | None = None
    full_name: Annotated[Line, Field(max_length=150)]
    grade: int = Field(ge=1, le=12)
    class_name: Annotated[Line, Field(max_length=30)]
    movement: Movement = Movement.ENROLLED
    moved_on: date | None = None


class RollIn(Asked):
    """Danh sách học sinh của một trường / one school's roll, whole."""

    school_code: SchoolCode
    school_year: SchoolYearText
    pupils: list[PupilIn] = Field(max_length=50_000)


class RollOut(BaseModel):
    """Một bản danh sách / one version of a roll."""

    enrolment_id: str
    school_code: str
    school_year: str
    version: int
    form: Literal["csv", "json"]
    sha256: str
    pupils: int
    expected: int
    made_at: datetime

    @classmethod
    def of(cls, view: RollView, **more: Any) -> Self:
        """Write a version out."""
        return cls.model_validate(
            {
                "enrolment_id": hex32(view.id),
                "school_code": view.school_code,
                "school_year": school_year_of(view.school_year),
                "version": view.number,
                "form": view.form,
                "sha256": view.content_sha256.hex(),
                "pupils": view.pupils,
                "expected": view.expected,
                "made_at": view.made_at,
                **more,
            }
        )


class ClassOut(BaseModel):
    """Một lớp / one class."""

    grade: int
    class_name: str
    expected: int
    moved_in: int
    moved_out: int

    @classmethod
    def of(cls, counted: ClassCount) -> Self:
        """Write a class out."""
        return cls(**{name: getattr(counted, name) for name in cls.model_fields})


class RollDetail(RollOut):
    """Một bản danh sách với số học sinh từng lớp / with the numbers by class."""

    classes: list[ClassOut]


class TakenOut(RollOut):
    """Danh sách vừa nhận / a roll as it was taken."""

    is_repeat: bool = Field(
        description="Giống hệt bản trước, không lập bản mới / says what the last one said"
    )
    added: int
    gone: int
    warnings: list[FindingOut] = Field(description="Những gì có vẻ còn thiếu / what seems to be missing")

    @classmethod
    def taken(cls, roll: TakenRoll) -> Self:
        """Write out what became of a roll."""
        return cls.of(
            roll.view,
            is_repeat=roll.is_repeat,
            added=roll.added,
            gone=roll.gone,
            warnings=findings_out(roll.warnings),
        )


class EnrolledOut(BaseModel):
    """Kết quả nhận danh sách, một mục mỗi trường / one entry a school."""

    items: list[TakenOut]


class PupilOut(BaseModel):
    """Một học sinh trong danh sách / one pupil of a roll."""

    student_code: str
    full_name: str
    grade: int
    class_name: str
    movement: Movement
    moved_on: date | None

    @classmethod
    def of(cls, line: RollLine) -> Self:
        """Write a pupil out; the identity number stays inside."""
        return cls(**{name: getattr(line, name) for name in cls.model_fields})


_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            CSV: {
                "schema": {"type": "string"},
                "example": "Mã học sinh;Họ và tên;Khối;Lớp\n6600000001;Nguyễn Thị Bưởi;4;4A",
            },
            JSON: {
                "schema": RollIn.model_json_schema(ref_template=COMPONENT),
                "example": {
                    "school_code": "6624305501",
                    "school_year": "2025-2026",
                    "pupils": [
                        {
                            "student_code": "6600000001",
                            "full_name": "Nguyễn Thị Bưởi",
                            "grade": 6,
                            "class_name": "6A",
                        }
                    ],
                },
            },
        },
    }
}


@router.post("", status_code=201, summary="Nộp danh sách học sinh / Send an enrolment roll",
             openapi_extra=_BODY, response_model=EnrolledOut,
             responses={200: {"model": EnrolledOut, "description": "Không có gì mới / No news"}})  # fmt: skip
async def send(
    request: Request,
    response: Response,
    actor: Enroller,
    connection: Connection,
    service: Service,
    school_code: Annotated[
        SchoolCode | None, Query(description="Với CSV; bỏ trống khi tệp có cột «Mã trường» / CSV only")
    ] = None,
    school_year: Annotated[SchoolYearText | None, Query(description="Với CSV / CSV only")] = None,
) -> EnrolledOut | Response:
    """Take whole rolls as the newest versions, or none of them (NV-109 names every wrong line)."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in {CSV, JSON}:
        raise DomainError("DD-902", expected=f"{CSV}, {JSON}")
    body = await request.body()
    if media == JSON:
        asked = await service.offload.run(_read_json, body)
        year, read = asked.school_year, _roll_of(asked)
    else:
        if school_year is None:
            raise RequestValidationError([YEAR_MISSING])
        year, read = school_year, await service.offload.run(read_roll, body, school_code)
    form = "json" if media == JSON else "csv"
    wrong, taken = await _take(connection, read, first_year(year), form, actor=actor, now=service.clock())
    if wrong:
        return _refused(request, wrong)
    if all(roll.is_repeat for roll in taken):
        response.status_code = 200
    return EnrolledOut(items=[TakenOut.taken(roll) for roll in taken])


def _read_json(body: bytes) -> RollIn:
    try:
        return RollIn.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_input=False, include_url=False)) from error


def _roll_of(asked: RollIn) -> ReadRoll:
    lines = [RollLine(line=line, **dict(pupil)) for line, pupil in enumerate(asked.pupils, start=1)]
    return ReadRoll(schools={asked.school_code: lines}, findings=() if lines else (finding("NV-108"),))


async def _take(
    connection: AsyncConnection,
    read: ReadRoll,
    school_year: int,
    form: str,
    *,
    actor: Submitter | Officer,
    now: datetime,
) -> tuple[Sequence[Finding], Sequence[TakenRoll]]:
    """Check every school's lines before the first is written; QH-004 for a school not in scope."""
    schools = {
        code: await school_for(connection, actor, code, legal_date(now)) for code in sorted(read.schools)
    }
    wrong = list(read.findings)
    for code, school in schools.items():
        wrong += check_roll(read.schools[code], code, school.levels)
    if wrong:
        return by_line(wrong), ()
    return (), [
        await take_roll(connection, school, school_year, read.schools[code], form=form, now=now, actor=actor)
        for code, school in schools.items()
    ]


def _refused(request: Request, findings: Sequence[Finding]) -> Response:
    errors = [
        {
            "line": found.line,
            "column": found.facts.get("column"),
            "code": found.code,
            "message_vi": found.message_vi,
            "message_en": found.message_en,
        }
        for found in findings
    ]
    return problem(
        "NV-109", facts={"count": len(errors)}, reference=str(request.state.request_id), errors=errors
    )


@router.get("", summary="Các bản danh sách trong phạm vi / Versions of rolls in scope")
async def listing(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    school_code: Annotated[SchoolCode | None, Query(description="Mã trường / school code")] = None,
    school_year: Annotated[SchoolYearText | None, Query(description="Năm học / school year")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RollOut]:
    """List the versions of rolls, oldest first; the last of a school and year is the one that counts."""
    found = await list_rolls(
        connection,
        actor=actor,
        on=legal_date(service.clock()),
        school_code=school_code,
        school_year=None if school_year is None else first_year(school_year),
        after=id_after(cursor),
        limit=limit + 1,
    )
    return Page.cut(found, limit, show=RollOut.of, place=lambda row: row.id)


@router.get("/{enrolment_id}", summary="Một bản danh sách / One version of a roll")
async def one(enrolment_id: RollId, actor: Reader, connection: Connection, service: Service) -> RollDetail:
    """Give a version with its numbers by class, and no pupil."""
    view = await find_roll(connection, identified(enrolment_id), actor, now=service.clock())
    return RollDetail.of(view, classes=[ClassOut.of(c) for c in await classes_of(connection, view)])


@router.get("/{enrolment_id}/pupils", summary="Học sinh của một bản danh sách / A roll's pupils")
async def pupils(
    enrolment_id: RollId,
    actor: PupilReader,
    connection: Connection,
    service: Service,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[PupilOut]:
    """List a version's pupils by pupil code; every reading is in the audit log."""
    now, after = service.clock(), text_after(cursor)
    view = await find_roll(connection, identified(enrolment_id), actor, now=now)
    found = await pupils_of(connection, view, after=after, limit=limit + 1)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ENROLMENT_READ,
        subject=f"enrolment:{hex32(view.id)}",
        school_id=view.school_id,
    )
    return Page.cut(found, limit, show=PupilOut.of, place=lambda row: row.student_code)
