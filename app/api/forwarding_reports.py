"""The ministry's report over HTTP: which provinces' snapshots arrived, and whether on time."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from app.actors import Officer, Role
from app.api.deps import Connection, Service, requires
from app.api.report_files import ReportFormat, download
from app.api.reports import Form, Year
from app.api.texts import ProvinceCode
from app.audit import AuditTag, record_act
from app.compliance.sheets import Cell
from app.deadlines.calendar import in_legal_zone
from app.errors import DomainError
from app.forwarding.punctuality import Progress, ProvinceLine, report_provinces
from app.ingest.package import first_year
from app.snapshots.reading import province_of
from app.snapshots.scopes import SnapshotKind

router = APIRouter(prefix="/api/v1/reports", tags=["forwarding"])

Watcher = Annotated[Officer, Depends(requires(Role.MINISTRY_OFFICER, Role.INSPECTOR))]

_COUNTS: Final = ("issued", "in_force", "recalled", "replaced", "late")
_COLUMNS: Final = (
    "province_code", "name", "snapshot_kind", "cut_off", "due_at", "progress", "complete_at", "is_on_time",
    "rounds", "size", "verified", "disputes", *_COUNTS, "root",
)  # fmt: skip
# In files, for people.
_WORDS: Final[Mapping[Progress, str]] = {
    Progress.NOT_DUE: "Chưa đến mốc",
    Progress.AWAITED: "Chưa về, còn hạn",
    Progress.OVERDUE: "Chưa về, quá hạn",
    Progress.RECEIVING: "Đang gửi",
    Progress.CLOSING: "Đang kiểm tra",
    Progress.ACKNOWLEDGED: "Đã xác nhận",
    Progress.DISPUTED: "Còn điểm chưa khớp",
}
_YES_NO: Final = {True: "Đúng hạn", False: "Muộn hạn", None: None}


class ProvinceLineOut(BaseModel):
    """One province and one of its snapshots."""

    province: str
    name: str
    kind: SnapshotKind
    cut_off: datetime
    due_at: datetime = Field(description="Phải về đủ trước lúc này / has to be complete before")
    status: Progress
    complete_at: datetime | None
    is_on_time: bool | None = Field(description="Bỏ trống: chưa đến hạn / null: still open")
    rounds: int
    size: int | None
    verified: int | None
    disputes: int | None
    counts: dict[str, int]
    root: str | None

    @classmethod
    def of(cls, line: ProvinceLine) -> Self:
        """Write a line out."""
        same = (
            "province",
            "name",
            "kind",
            "is_on_time",
            "complete_at",
            "rounds",
            "size",
            "verified",
            "disputes",
        )
        return cls(
            **{name: getattr(line, name) for name in same},
            cut_off=in_legal_zone(line.cut_off),
            due_at=in_legal_zone(line.due_at),
            status=line.progress,
            counts=dict(line.counts),
            root=None if line.root is None else line.root.hex(),
        )


class ProvincesOut(BaseModel):
    """The report by province, by province code, the earlier cut-off first."""

    school_year: str
    items: list[ProvinceLineOut]
    next_cursor: None = None


@router.get(
    "/forwarding",
    response_model=ProvincesOut,
    summary="Bản chốt các tỉnh về Bộ, đúng hạn hay không / Provinces' snapshots, on time or not",
)
async def forwarding(
    *,
    actor: Watcher,
    connection: Connection,
    service: Service,
    school_year: Year,
    province: Annotated[ProvinceCode | None, Query(description="Chỉ tỉnh này / this province only")] = None,
    form: Form = ReportFormat.JSON,
) -> Response | ProvincesOut:
    """Say of every department which of its two snapshots arrived, when, how many, and what is disputed."""
    seen = await province_of(connection, actor)
    if seen is not None and province not in {None, seen}:
        raise DomainError("QH-005")
    lines = await report_provinces(connection, first_year(school_year), province=seen or province)
    await record_act(
        connection,
        now=service.clock(),
        actor=actor,
        tag=AuditTag.REPORT_READ,
        subject="report:forwarding",
        facts={"school_year": school_year, "province": province},
    )
    if form is ReportFormat.JSON:
        return ProvincesOut(school_year=school_year, items=[ProvinceLineOut.of(line) for line in lines])
    return await download(
        _once(lines),
        _COLUMNS,
        _cells,
        form=form,
        name=f"ban-chot-ve-bo-{school_year}",
        title="Bản chốt về Bộ",
        offload=service.offload,
    )


async def _once(lines: Sequence[ProvinceLine]) -> AsyncIterator[Sequence[ProvinceLine]]:
    yield lines


def _cells(line: ProvinceLine) -> Sequence[Cell]:
    return (
        line.province, line.name, line.kind.value, line.cut_off, line.due_at, _WORDS[line.progress],
        line.complete_at, _YES_NO[line.is_on_time], line.rounds, line.size, line.verified, line.disputes,
        *(line.counts.get(name) for name in _COUNTS), None if line.root is None else line.root.hex(),
    )  # fmt: skip
