"""What travels in requests and answers about the calendar, extensions and exemptions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Self

from pydantic import BaseModel, Field

from app.api.texts import Asked, Line, Moment, OrganisationCode, Prose, SchoolCode, SchoolYearText
from app.deadlines.book import CalendarChange
from app.deadlines.calendar import (
    GRADES,
    Calendar,
    CalendarRow,
    Category,
    Deciding,
    Mode,
    Precedence,
    Stage,
    in_legal_zone,
)
from app.deadlines.changes import CutOffDraft
from app.deadlines.exemptions import ExemptionDraft, ExemptionView
from app.deadlines.extensions import ExtensionDraft, ExtensionView
from app.deadlines.lives import ExemptionState, ExtensionState
from app.ids import hex32
from app.ingest.package import first_year, school_year_of
from app.organisations.kinds import Organisation

MAX_ROWS: Final = 200

_WHY: Final = {
    Precedence.NATIONAL: ("mốc chung cả nước", "the national cut-off"),
    Precedence.PROVINCE: ("mốc riêng của tỉnh", "the province's own cut-off"),
    Precedence.GRADE: ("riêng cho khối lớp này", "for this grade"),
    Precedence.LEVEL: ("riêng cho cấp học này", "for this level"),
}

Grade = Annotated[int, Field(ge=GRADES.start, le=GRADES.stop - 1, description="Khối lớp / grade")]


class CutOffIn(Asked):
    """Một mốc chốt của tỉnh / a cut-off of the province."""

    category: Category
    stage: Stage
    cut_off: Moment = Field(
        description="Thời điểm đầu tiên bị coi là muộn / the first instant that is too late",
        examples=["2026-06-26T00:00:00+07:00"],
    )
    mode: Mode
    source: Line = Field(description="Văn bản làm căn cứ / the plan or decision it comes from")
    level: OrganisationCode | None = Field(default=None, description="Cấp học; trống: mọi cấp / level")
    grade: Grade | None = None

    def draft(self) -> CutOffDraft:
        """Give what the department asks for."""
        return CutOffDraft(
            category=self.category,
            stage=self.stage,
            cut_off=self.cut_off,
            mode=self.mode,
            source=self.source,
            level=self.level,
            grade=self.grade,
        )


class CalendarIn(Asked):
    """Toàn bộ mốc riêng của tỉnh trong năm học / all of the province's own cut-offs of a school year."""

    rows: Annotated[list[CutOffIn], Field(max_length=MAX_ROWS)]
    reason: Annotated[Prose, Field(min_length=1)]


class CutOffOut(BaseModel):
    """Một mốc chốt / a cut-off: the first instant that is too late."""

    category: Category
    stage: Stage
    cut_off: datetime
    mode: Mode
    province: str | None
    level: str | None
    grade: int | None
    source: str
    version: str
    set_by_department: bool

    @classmethod
    def of(cls, row: CalendarRow) -> Self:
        """Write a row out, by the law's clock."""
        return cls(
            category=row.category,
            stage=row.stage,
            cut_off=in_legal_zone(row.cut_off),
            mode=row.mode,
            province=row.province,
            level=row.level,
            grade=row.grade,
            source=row.source,
            version=row.version,
            set_by_department=row.is_own,
        )


class DecidingOut(BaseModel):
    """Mốc quyết định và vì sao / the deciding cut-off, and why it outweighs the others.

    ``grade`` is null for every grade that has no entry of its own.
    """

    level: str
    grade: int | None
    category: Category
    stage: Stage
    cut_off: datetime
    mode: Mode
    source: str
    version: str
    why: list[Precedence]
    why_vi: str
    why_en: str
    outweighed: list[CutOffOut]

    @classmethod
    def of(cls, level: str, deciding: Deciding) -> Self:
        """Write out what decides for a level."""
        row = deciding.row
        why = row.precedences
        vi, en = (", ".join(_WHY[reason][language] for reason in why) for language in (0, 1))
        if row.is_own:
            vi, en = f"{vi}, do Sở GDĐT đặt", f"{en}, set by the department"
        return cls(
            level=level,
            grade=row.grade,
            category=row.category,
            stage=row.stage,
            cut_off=in_legal_zone(row.cut_off),
            mode=row.mode,
            source=row.source,
            version=row.version,
            why=list(why),
            why_vi=vi,
            why_en=en,
            outweighed=[CutOffOut.of(other) for other in deciding.outweighed],
        )


class SchoolCalendarOut(BaseModel):
    """Các mốc áp dụng cho một trường / what decides for a school."""

    school_code: str
    school_name: str
    deciding: list[DecidingOut]

    @classmethod
    def of(cls, school: Organisation, calendar: Calendar, school_year: int) -> Self:
        """Explain the calendar for a school."""
        return cls(
            school_code=school.code,
            school_name=school.name,
            deciding=[
                DecidingOut.of(level, deciding)
                for level in school.levels
                for category in Category
                for stage in Stage
                for deciding in _deciding(calendar, school_year, level, category, stage)
            ],
        )


def _deciding(
    calendar: Calendar, school_year: int, level: str, category: Category, stage: Stage
) -> Sequence[Deciding]:
    """Give what decides for the grades of a level, each row once."""
    found: dict[int | None, Deciding] = {}
    for grade in GRADES:
        deciding = calendar.deciding(
            school_year=school_year, level=level, grade=grade, category=category, stage=stage
        )
        found.setdefault(deciding.row.grade, deciding)
    return tuple(found.values())


class ChangeOut(BaseModel):
    """Một lần Sở GDĐT thay đổi lịch / one change by the department."""

    version: int
    reason: str
    made_at: datetime


class CalendarOut(BaseModel):
    """Lịch chốt dữ liệu của một năm học / the cut-offs of a school year, most particular first."""

    school_year: str
    province: str | None
    version: str
    rows: list[CutOffOut]
    changes: list[ChangeOut]
    school: SchoolCalendarOut | None

    @classmethod
    def of(
        cls,
        calendar: Calendar,
        school_year: int,
        *,
        changes: Sequence[CalendarChange],
        school: Organisation | None = None,
    ) -> Self:
        """Write a school year of a calendar out."""
        return cls(
            school_year=school_year_of(school_year),
            province=calendar.province or None,
            version=calendar.version,
            rows=[CutOffOut.of(row) for row in calendar.rows(school_year)],
            changes=[
                ChangeOut(version=change.number, reason=change.reason, made_at=change.made_at)
                for change in changes
            ],
            school=None if school is None else SchoolCalendarOut.of(school, calendar, school_year),
        )


class DecisionIn(Asked):
    """Lý do / a reason."""

    reason: Prose | None = None


class ExtensionIn(Asked):
    """Đề nghị gia hạn cho một trường / an extension asked for a school."""

    school_code: SchoolCode
    school_year: SchoolYearText
    category: Category | None = Field(default=None, description="Trống: mọi loại / none: all")
    until: Moment = Field(description="Thời điểm đầu tiên hết gia hạn / the first instant too late again")
    reason: Annotated[Prose, Field(min_length=1)]

    def draft(self) -> ExtensionDraft:
        """Give what is asked for."""
        return ExtensionDraft(
            school_code=self.school_code,
            school_year=first_year(self.school_year),
            category=self.category,
            until=self.until,
            reason=self.reason,
        )


class ExtensionOut(BaseModel):
    """Một gia hạn / an extension; ``in_force`` is computed: it lapses by itself."""

    extension_id: str
    school_code: str
    school_name: str
    school_year: str
    category: Category | None
    until: datetime
    reason: str
    requested_by: str
    requested_at: datetime
    state: ExtensionState
    in_force: bool
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None

    @classmethod
    def of(cls, view: ExtensionView, now: datetime) -> Self:
        """Write an extension out as of a moment."""
        return cls(
            extension_id=hex32(view.id),
            school_code=view.school_code,
            school_name=view.school_name,
            school_year=school_year_of(view.school_year),
            category=view.category,
            until=in_legal_zone(view.until),
            reason=view.reason,
            requested_by=view.requested_by,
            requested_at=view.requested_at,
            state=view.state,
            in_force=view.is_in_force(now),
            decided_by=view.decided_by,
            decided_at=view.decided_at,
            decision_reason=view.decision_reason,
        )


class ExemptionIn(Asked):
    """Đăng ký tiếp tục dùng học bạ giấy / an entry of the paper register."""

    school_code: SchoolCode
    school_year: SchoolYearText
    grade: Grade | None = None
    class_name: Annotated[Line, Field(max_length=50)] | None = None
    pupils: Annotated[int, Field(ge=1, le=100_000, description="Số học sinh / pupils")]
    reason: Annotated[Prose, Field(min_length=1)]

    def draft(self) -> ExemptionDraft:
        """Give what is registered."""
        return ExemptionDraft(
            school_code=self.school_code,
            school_year=first_year(self.school_year),
            grade=self.grade,
            class_name=self.class_name,
            pupils=self.pupils,
            reason=self.reason,
        )


class ExemptionOut(BaseModel):
    """Một dòng của sổ miễn trừ / an entry of the paper register."""

    exemption_id: str
    school_code: str
    school_name: str
    school_year: str
    grade: int | None
    class_name: str | None
    pupils: int
    reason: str
    registered_by: str
    registered_at: datetime
    state: ExemptionState
    withdrawn_at: datetime | None
    withdrawal_reason: str | None

    @classmethod
    def of(cls, view: ExemptionView) -> Self:
        """Write an entry out."""
        return cls(
            exemption_id=hex32(view.id),
            school_code=view.school_code,
            school_name=view.school_name,
            school_year=school_year_of(view.school_year),
            grade=view.grade,
            class_name=view.class_name,
            pupils=view.pupils,
            reason=view.reason,
            registered_by=view.registered_by,
            registered_at=view.registered_at,
            state=view.state,
            withdrawn_at=view.withdrawn_at,
            withdrawal_reason=view.withdrawal_reason,
        )
