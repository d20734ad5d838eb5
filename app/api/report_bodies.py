"""What reports say over HTTP: numbers of pupils, of packages, and what needs attention."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import accumulate
from typing import Any, Self

from pydantic import BaseModel, Field

from app.compliance.judge import GroupBy
from app.compliance.packages import PackageCount, SoftwareCount, VendorCount
from app.compliance.progress import Day


class SumsOut(BaseModel):
    """Các con số của một dòng, đếm theo học sinh / a row's numbers, of pupils."""

    schools: int
    schools_without_roll: int
    expected: int
    received: int
    accepted: int
    rejected: int
    held: int
    recalled: int
    not_sent: int
    missing: int
    on_time: int
    late: int
    locked: int
    exempt: int
    moved_in: int
    moved_out: int
    unlisted: int
    unreadable: int
    pending_certificates: int
    unread_replies: int
    processing_packages: int
    in_snapshot: int | None
    on_time_percent: float | None
    completion_percent: float | None


class RowOut(SumsOut):
    """Một dòng / one row."""

    province_code: str
    authority_code: str | None
    school_code: str | None
    name: str
    grade: int | None
    class_name: str | None


class ComplianceOut(BaseModel):
    """Báo cáo tiến độ / the compliance report."""

    school_year: str
    as_of: datetime
    group_by: GroupBy
    snapshot_id: str | None
    total: SumsOut
    rows: list[RowOut]


class DayOut(BaseModel):
    """Một ngày trên biểu đồ / a day of the chart; the sums run from the first day on."""

    on: date
    received: int
    late: int
    recalled: int
    received_so_far: int
    recalled_so_far: int


class ProgressOut(BaseModel):
    """Tiến độ theo ngày, để vẽ biểu đồ / the year by day, to draw a chart from."""

    school_year: str
    as_of: datetime
    expected: int
    days: list[DayOut]

    @classmethod
    def of(cls, days: Sequence[Day], **head: Any) -> Self:
        """Write the days out with their running sums."""
        received = accumulate(day.received for day in days)
        recalled = accumulate(day.recalled for day in days)
        return cls(
            **head,
            days=[
                DayOut(
                    on=day.on, received=day.received, late=day.late, recalled=day.recalled,
                    received_so_far=so_far, recalled_so_far=ended,
                )
                for day, so_far, ended in zip(days, received, recalled, strict=True)
            ],
        )  # fmt: skip


class ExpiringOut(BaseModel):
    """Chứng thư hết hạn trước mốc chốt / a certificate that ends before the cut-off."""

    school_code: str
    role: str
    not_after: datetime


class PendingOut(BaseModel):
    """Việc chờ duyệt theo tuổi / what awaits a decision, by age."""

    kind: str = Field(description="certificate, recall, extension")
    from_days: int
    count: int
    oldest_at: datetime


class UnreadOut(BaseModel):
    """Trường chưa đọc kết quả / a school with unread replies."""

    school_code: str
    name: str
    unread_replies: int


class SchoolOut(BaseModel):
    """Một trường / a school."""

    school_code: str
    name: str
    authority_code: str


class AttentionOut(BaseModel):
    """Những việc phải làm trước mốc chốt / what must be done before the cut-off."""

    as_of: datetime
    cut_off: datetime | None = Field(description="Mốc sớm nhất sắp tới / the earliest to come")
    schools_without_roll: list[SchoolOut]
    expiring_certificates: list[ExpiringOut]
    pending: list[PendingOut]
    unread: list[UnreadOut]


class PackageCountOut(BaseModel):
    """Số gói tin theo cơ quan, cấp học, ngày gửi / packages by body, levels and day."""

    authority_code: str | None
    levels: list[str]
    on: date
    received: int = Field(description="Chưa xử lý / not taken up yet")
    processing: int = Field(description="Đang xử lý / being judged")
    answered: int = Field(description="Đã xử lý / answered")
    read: int = Field(description="Đã nhận kết quả / reply read")
    transcripts: int

    @classmethod
    def of(cls, counted: PackageCount) -> Self:
        """Write a count out."""
        names = set(cls.model_fields) - {"levels"}
        return cls(levels=counted.levels.split(","), **{name: getattr(counted, name) for name in names})


class ErrorCountOut(BaseModel):
    """Một mã lỗi và số học bạ bị từ chối vì nó / a code and how many transcripts it refused."""

    code: str
    transcripts: int


class SoftwareOut(BaseModel):
    """Một phần mềm, một phiên bản / one program in one version."""

    software_name: str
    software_version: str
    packages: int
    transcripts: int
    accepted_at_first: int
    held_at_first: int
    first_time_percent: float | None = Field(description="Không bị từ chối lần đầu / not refused at first")
    errors: list[ErrorCountOut]

    @classmethod
    def of(cls, counted: SoftwareCount) -> Self:
        """Write a count out."""
        names = set(cls.model_fields) - {"errors"}
        errors = [ErrorCountOut(code=code, transcripts=number) for code, number in counted.errors]
        return cls(errors=errors, **{name: getattr(counted, name) for name in names})


class VendorOut(BaseModel):
    """Một nhà cung cấp, theo tài khoản phần mềm đã gửi / one vendor, by the client that sent."""

    client_id: str
    name: str
    packages: int
    transcripts: int
    accepted_at_first: int
    held_at_first: int
    first_time_percent: float | None = Field(description="Không bị từ chối lần đầu / not refused at first")

    @classmethod
    def of(cls, counted: VendorCount) -> Self:
        """Write a count out."""
        return cls(**{name: getattr(counted, name) for name in cls.model_fields})


class PackagesOut(BaseModel):
    """Thống kê bản tin / statistics of packages."""

    since: datetime
    until: datetime
    counts: list[PackageCountOut]
    software: list[SoftwareOut]
    vendors: list[VendorOut]
