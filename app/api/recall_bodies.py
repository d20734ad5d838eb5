"""What travels in requests and answers about recalls."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from app.api.certificate_bodies import ProblemOut
from app.api.snapshot_bodies import HoldingOut
from app.api.texts import Asked, Prose, UuidText
from app.ids import hex32
from app.ingest.package import school_year_of
from app.recalls.decisions import Action, Decision
from app.recalls.impact import Impact
from app.recalls.life import RecallEventKind, RecallState
from app.recalls.reasons import REASONS, RecallReason
from app.recalls.register import RecallLine, RecallView

MAX_RECORDS = 500
MAX_DECISIONS = 500

ReasonCode = Annotated[str, Field(max_length=64, examples=["WRONG_RESULTS"])]


class RecallIn(Asked):
    """Yêu cầu thu hồi / a request."""

    record_ids: Annotated[list[UuidText], Field(min_length=1, max_length=MAX_RECORDS)]
    reason_code: ReasonCode = Field(description="Mã lý do: GET /api/v1/recalls/reasons / reason code")
    reason: Prose = Field(description="Giải thích / in words")

    def ids(self) -> frozenset[UUID]:
        """Give the records, each once."""
        return frozenset(UUID(text) for text in self.record_ids)


class ReasonIn(Asked):
    """Lý do của quyết định / the reason of a decision."""

    reason: Prose | None = None


class DecisionsIn(ReasonIn):
    """Một quyết định cho nhiều yêu cầu / one decision on many requests."""

    recall_ids: Annotated[list[UuidText], Field(min_length=1, max_length=MAX_DECISIONS)]
    action: Action

    def decision(self) -> Decision:
        """Give what is decided on each."""
        return Decision(action=self.action, reason=self.reason)


class ReasonOut(BaseModel):
    """Một lý do trong danh mục / a listed reason."""

    code: str
    title: str
    title_en: str

    @classmethod
    def of(cls, reason: RecallReason) -> Self:
        """Write a reason out."""
        return cls(code=reason.code, title=reason.title_vi, title_en=reason.title_en)


class ReasonsOut(BaseModel):
    """Danh mục lý do thu hồi / the listed reasons."""

    items: list[ReasonOut]


class ItemOut(BaseModel):
    """Một học bạ của yêu cầu / one record of a request."""

    record_id: str
    status: RecallState


class LineOut(BaseModel):
    """Một dòng lịch sử / one line of the history."""

    kind: RecallEventKind
    at: datetime
    actor_kind: str
    actor_id: str
    reason: str | None
    facts: dict[str, str] = Field(description="statement: JWS của quyết định / of the decision")

    @classmethod
    def of(cls, line: RecallLine) -> Self:
        """Write a line out."""
        return cls(
            kind=line.kind,
            at=line.at,
            actor_kind=line.actor_kind,
            actor_id=line.actor_id,
            reason=line.reason,
            facts=dict(line.facts),
        )


class RecallHead(BaseModel):
    """Một yêu cầu thu hồi / a request."""

    recall_id: str
    status: RecallState
    school_code: str
    school_name: str
    reason_code: str
    reason_title: str
    reason_title_en: str
    reason: str
    requested_at: datetime
    requested_by_kind: str = Field(description="client: phần mềm / software; officer: cán bộ")
    is_escalated: bool = Field(description="Đã chuyển lên Sở / the department may decide too")
    total: int

    @classmethod
    def of(cls, found: RecallView) -> Self:
        """Write a request out."""
        return cls(**_fields(found))


class RecallOut(RecallHead):
    """Yêu cầu thu hồi với các học bạ và lịch sử / a request with its records and its history."""

    items: list[ItemOut]
    history: list[LineOut]

    @classmethod
    def whole(cls, found: RecallView, items: Mapping[UUID, RecallState], lines: Sequence[RecallLine]) -> Self:
        """Write out all that is known of a request."""
        return cls(
            **_fields(found),
            items=[ItemOut(record_id=hex32(code), status=state) for code, state in items.items()],
            history=[LineOut.of(line) for line in lines],
        )


def _fields(found: RecallView) -> dict[str, Any]:
    reason = REASONS.get(found.reason_code)
    return {
        "recall_id": hex32(found.id),
        "status": found.state,
        "school_code": found.school_code,
        "school_name": found.school_name,
        "reason_code": found.reason_code,
        "reason_title": found.reason_code if reason is None else reason.title_vi,
        "reason_title_en": found.reason_code if reason is None else reason.title_en,
        "reason": found.reason,
        "requested_at": found.requested_at,
        "requested_by_kind": found.requested_by_kind,
        "is_escalated": found.escalated_to is not None,
        "total": found.total,
    }


class LaterYearOut(BaseModel):
    """Học bạ năm sau của cùng học sinh / a later year's record of the same pupil."""

    record_id: str
    school_code: str
    school_year: str


class TransferringOut(BaseModel):
    """Chuyển giao đang chờ trả lời / a transfer in progress."""

    transfer_id: str
    to_school_code: str


class ImpactOut(BaseModel):
    """Thu hồi học bạ này ảnh hưởng đến gì / what the recall of this record touches."""

    record_id: str
    school_year: str
    stands: bool = Field(description="Chưa thu hồi, chưa thay thế / neither recalled nor replaced")
    snapshots: list[HoldingOut]
    later_years: list[LaterYearOut]
    later_years_elsewhere: int = Field(description="Ngoài phạm vi của bạn / outside your scope")
    transfers: list[TransferringOut]
    lookups: int = Field(description="Số lần cán bộ, người ngoài tra cứu / look-ups but for the school's own")
    last_lookup_at: datetime | None
    replaced: list[str] = Field(description="Các mã mà học bạ này đã thay thế, gần nhất trước / predecessors")

    @classmethod
    def of(cls, impact: Impact) -> Self:
        """Write out what is touched."""
        return cls(
            record_id=hex32(impact.record_id),
            school_year=school_year_of(impact.school_year),
            stands=impact.stands,
            snapshots=[HoldingOut.of(held) for held in impact.snapshots],
            later_years=[
                LaterYearOut(
                    record_id=hex32(later.record_id),
                    school_code=later.school_code,
                    school_year=school_year_of(later.school_year),
                )
                for later in impact.later_years
            ],
            later_years_elsewhere=impact.later_years_elsewhere,
            transfers=[
                TransferringOut(transfer_id=hex32(open_.transfer_id), to_school_code=open_.to_school_code)
                for open_ in impact.transfers
            ],
            lookups=impact.looks.count,
            last_lookup_at=impact.looks.last_at,
            replaced=[hex32(record_id) for record_id in impact.replaced],
        )


class ImpactsOut(BaseModel):
    """Phạm vi ảnh hưởng của yêu cầu / what approving a request would touch."""

    recall_id: str
    items: list[ImpactOut]


class ReachOut(BaseModel):
    """Phạm vi ảnh hưởng, gộp lại / what one request touches, in numbers."""

    records: int
    snapshots: int
    later_years: int
    transfers: int
    lookups: int

    @classmethod
    def of(cls, impacts: Sequence[Impact]) -> Self:
        """Add up."""
        return cls(
            records=len(impacts),
            snapshots=len({held.id for i in impacts for held in i.snapshots}),
            later_years=sum(len(i.later_years) + i.later_years_elsewhere for i in impacts),
            transfers=sum(len(i.transfers) for i in impacts),
            lookups=sum(i.looks.count for i in impacts),
        )


class DecisionOut(BaseModel):
    """Kết quả của một yêu cầu / what became of one request."""

    recall_id: str
    status: RecallState | None = None
    problem: ProblemOut | None = None
    impact: ReachOut | None = Field(default=None, description="Chỉ khi xem trước / in a preview only")


class DecisionsOut(BaseModel):
    """Kết quả theo thứ tự đã gửi / results in the order asked."""

    preview: bool
    results: list[DecisionOut]
