"""What travels in requests and answers about forwarded snapshots, at a province and at the ministry."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from app.api.texts import Asked
from app.deadlines.calendar import in_legal_zone
from app.forwarding.arrivals import ArrivalView, MissingParts
from app.forwarding.disputes import Dispute
from app.forwarding.life import ArrivalState, ForwardingState
from app.forwarding.provinces import ProvinceKey
from app.forwarding.receiving import Taken
from app.forwarding.requesting import ForwardingView
from app.ids import hex32
from app.ingest.package import school_year_of
from app.snapshots.scopes import SnapshotKind

# Compact JWS: three parts of base64url.
Jws = Annotated[str, Field(max_length=1_000_000, pattern=r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$")]


class ForwardingOut(BaseModel):
    """A forwarding (chuyển tiếp) as the province sees it."""

    snapshot_id: str
    status: ForwardingState
    round: int = Field(description="Lượt gửi / attempt, from 1")
    requested_at: datetime
    sent: int = Field(description="Học bạ Bộ đã nhận mới trong lượt này / transcripts newly taken")
    attempts: int = Field(description="Số lần chạy hỏng / runs that came to nothing")
    next_try_at: datetime
    last_error: str | None
    last_error_at: datetime | None
    ended_at: datetime | None
    acknowledgement: str | None = Field(description="JWS (ES256) của Bộ / signed by the ministry")
    claims: Mapping[str, Any] | None = Field(description="Nội dung biên nhận / what it says")

    @classmethod
    def of(cls, found: ForwardingView) -> Self:
        """Write a forwarding out."""
        own = {name: getattr(found, name) for name in cls.model_fields if hasattr(found, name)}
        own["snapshot_id"] = hex32(found.snapshot_id)
        return cls(**own, status=found.state, acknowledgement=found.answer)


class DisputeOut(BaseModel):
    """One thing that does not stand as the province stated it (điểm chưa khớp)."""

    record_id: str | None = Field(description="Bỏ trống: cả bản chốt / null: the snapshot as a whole")
    code: str
    school_code: str

    @classmethod
    def of(cls, dispute: Dispute) -> Self:
        """Write a dispute out."""
        return cls(record_id=dispute.subject or None, code=dispute.code, school_code=dispute.school_code)


class OpeningIn(Asked):
    """What a province states of a snapshot that it will forward, both signed by it."""

    statement: Jws = Field(description="Xác nhận đã ký của bản chốt / the snapshot's signed statement")
    opening: Jws = Field(description="Các phần sẽ gửi, theo mã băm / the parts to come, by digest")


class ArrivalOut(BaseModel):
    """A snapshot as it arrives at the ministry (bản chốt chuyển đến)."""

    snapshot_id: str
    province: str
    school_year: str
    kind: SnapshotKind
    status: ArrivalState
    round: int
    cut_off: datetime
    sealed_at: datetime
    opened_at: datetime
    complete_at: datetime | None = Field(description="Sở báo đã gửi đủ / when the province said it was done")
    size: int
    root: str
    statement: str
    acknowledgement: str | None
    claims: Mapping[str, Any] | None

    @classmethod
    def of(cls, found: ArrivalView) -> Self:
        """Write an arrival out."""
        return cls(**_arrival(found))


class StandingOut(ArrivalOut):
    """An arrival with the numbers of the parts that are still to come."""

    missing_registrations: list[int]
    missing_manifest: list[int]

    @classmethod
    def with_parts(cls, found: ArrivalView, missing: MissingParts) -> Self:
        """Write an arrival out with what is missing."""
        return cls(
            **_arrival(found),
            missing_registrations=list(missing.registrations),
            missing_manifest=list(missing.manifest),
        )


def _arrival(found: ArrivalView) -> dict[str, Any]:
    return {
        "snapshot_id": hex32(found.snapshot_id),
        "province": found.scope.province,
        "school_year": school_year_of(found.scope.school_year),
        "kind": found.scope.kind,
        "status": found.state,
        "round": found.round,
        "cut_off": in_legal_zone(found.cut_off),
        "sealed_at": found.sealed_at,
        "opened_at": found.opened_at,
        "complete_at": found.complete_at,
        "size": found.size,
        "root": found.root.hex(),
        "statement": found.statement,
        "acknowledgement": found.answer,
        "claims": found.claims,
    }


class MissingOut(BaseModel):
    """Transcripts that are still to be sent, by look-up code; the next page begins after the last of them."""

    record_ids: list[str]


class TakenOut(BaseModel):
    """What came of a part of transcripts."""

    taken: int = Field(description="Nhận mới / newly kept")
    held: int = Field(description="Đã có / held already")
    disputed: int = Field(description="Chưa khớp / disputed")

    @classmethod
    def of(cls, taken: Taken) -> Self:
        """Write it out."""
        return cls(taken=taken.taken, held=taken.held, disputed=taken.disputed)


class ProvinceKeysIn(Asked):
    """A province's JWKS as it publishes it (/.well-known/jwks.json)."""

    keys: Annotated[list[dict[str, str]], Field(min_length=1, max_length=100)]


class ProvinceKeyOut(BaseModel):
    """One key of a province."""

    kid: str
    public_jwk: Mapping[str, Any]
    added_at: datetime
    withdrawn_at: datetime | None

    @classmethod
    def of(cls, key: ProvinceKey) -> Self:
        """Write a key out."""
        return cls(**{name: getattr(key, name) for name in cls.model_fields})


class ProvinceKeysOut(BaseModel):
    """All keys of a province, withdrawn ones too."""

    items: list[ProvinceKeyOut]
    next_cursor: None = None
