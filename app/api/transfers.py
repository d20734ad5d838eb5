"""Transfers over HTTP: the old school releases, the new one accepts; custody moves, issuer and bytes stay."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role, Submitter
from app.api.deps import Connection, Reader, School, Service, ServiceState, requires
from app.api.paging import Cursor, Limit, Page, id_after
from app.api.texts import Asked, Prose, SchoolCode, UuidText, identified
from app.audit import AuditTag, record_act
from app.errors import DomainError
from app.ids import hex32
from app.organisations.tree import legal_date
from app.transfers.answer import answer_transfer
from app.transfers.life import Action, TransferState
from app.transfers.register import (
    TransferLine,
    TransferView,
    find_transfer,
    history,
    list_transfers,
    records_of,
)
from app.transfers.release import ReleaseDraft, release

router = APIRouter(prefix="/api/v1/transfers", tags=["transfers"])

_DECIDERS = (Role.COMMUNE_OFFICER, Role.DEPARTMENT_OFFICER)
Decider = Annotated[Officer, Depends(requires(*_DECIDERS))]
Answerer = Annotated[Submitter | Officer, Depends(requires(Role.SCHOOL_SOFTWARE, *_DECIDERS))]
TransferId = Annotated[str, Path(max_length=40, description="transfer_id, 32 hoặc 36 ký tự")]
MAX_RECORDS = 500


class TransferIn(Asked):
    """Chuyển giao quyền quản lý / a release: of listed records, or of all of one pupil's."""

    to_school_code: SchoolCode
    record_ids: Annotated[list[UuidText], Field(min_length=1, max_length=MAX_RECORDS)] | None = None
    student_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,20}$")] | None = Field(
        default=None, description="Mã học sinh hoặc số định danh / pupil code or identity number"
    )
    from_school_code: SchoolCode | None = Field(
        default=None, description="Trường chuyển, khi phần mềm dùng cho nhiều trường / the old school"
    )
    note: Prose | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.record_ids is None) == (self.student_id is None):
            raise ValueError(
                "Nêu record_ids hoặc student_id, một trong hai. / Give either record_ids or student_id."
            )
        return self

    def draft(self) -> ReleaseDraft:
        """Give what is to be released."""
        return ReleaseDraft(
            to_school_code=self.to_school_code,
            record_ids=frozenset(identified(text) for text in self.record_ids or ()),
            student_id=self.student_id,
            from_school_code=self.from_school_code,
            note=self.note,
        )


class ReasonIn(Asked):
    """Lý do / a reason."""

    reason: Prose | None = None


class LineOut(BaseModel):
    """Một dòng lịch sử / one line of the history."""

    source: TransferState | None
    target: TransferState
    at: datetime
    actor_kind: str
    actor_id: str
    reason: str | None

    @classmethod
    def of(cls, line: TransferLine) -> Self:
        """Write a line out."""
        return cls(**{name: getattr(line, name) for name in cls.model_fields})


class TransferHead(BaseModel):
    """Một lần chuyển giao / a transfer."""

    transfer_id: str
    status: TransferState
    from_school_code: str
    from_school_name: str
    to_school_code: str
    to_school_name: str
    needs_consent: bool = Field(
        description="Cần cơ quan quản lý nơi đi xác nhận / the old authority consents"
    )
    released_at: datetime
    note: str | None

    @classmethod
    def of(cls, found: TransferView) -> Self:
        """Write a transfer out."""
        return cls(**_fields(found))


class TransferOut(TransferHead):
    """Lần chuyển giao với các học bạ và lịch sử / a transfer with its records and its history."""

    record_ids: list[str]
    history: list[LineOut]


def _fields(found: TransferView) -> dict[str, Any]:
    named = set(TransferHead.model_fields) - {"transfer_id", "status"}
    return {
        "transfer_id": hex32(found.id),
        "status": found.state,
        **{name: getattr(found, name) for name in named},
    }


async def _whole(connection: AsyncConnection, found: TransferView) -> TransferOut:
    return TransferOut(
        **_fields(found),
        record_ids=[hex32(record_id) for record_id in await records_of(connection, found.id)],
        history=[LineOut.of(line) for line in await history(connection, found.id)],
    )


async def _find(
    connection: AsyncConnection, transfer_id: str, actor: Submitter | Officer, now: datetime
) -> TransferView:
    found = await find_transfer(connection, identified(transfer_id), actor=actor, on=legal_date(now))
    if found is None:
        raise DomainError("QH-005")
    return found


@router.post("", status_code=201, summary="Chuyển giao học bạ cho trường khác / Release records to a school")
async def releasing(
    asked: TransferIn, actor: School, connection: Connection, service: Service
) -> TransferOut:
    """Release records to another school; custody moves when that school, or its authority, accepts."""
    now = service.clock()
    transfer_id = await release(connection, asked.draft(), now=now, actor=actor)
    return await _whole(connection, await _find(connection, hex32(transfer_id), actor, now))


@router.get("", summary="Danh sách chuyển giao liên quan / Transfers that concern the caller")
async def listing(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    status: Annotated[TransferState | None, Query(description="Trạng thái / state")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[TransferHead]:
    """List the transfers to and from the schools in the caller's scope, oldest first."""
    found = await list_transfers(
        connection,
        actor=actor,
        on=legal_date(service.clock()),
        state=status,
        after=id_after(cursor),
        limit=limit + 1,
    )
    return Page.cut(found, limit, show=TransferHead.of, place=lambda row: row.id)


@router.get("/{transfer_id}", summary="Một lần chuyển giao / One transfer")
async def one(
    transfer_id: TransferId, actor: Reader, connection: Connection, service: Service
) -> TransferOut:
    """Give a transfer with its records and its history."""
    now = service.clock()
    found = await _find(connection, transfer_id, actor, now)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.TRANSFER_READ,
        subject=f"transfer:{hex32(found.id)}",
        school_id=found.from_school_id,
    )
    return await _whole(connection, found)


@router.post("/{transfer_id}/consent", summary="Cơ quan quản lý nơi đi xác nhận / The old authority consents")
async def consent(
    transfer_id: TransferId,
    actor: Decider,
    connection: Connection,
    service: Service,
    asked: ReasonIn | None = None,
) -> TransferOut:
    """Consent to a transfer where the policy asks the old school's authority to."""
    return await _answer(connection, transfer_id, Action.CONSENT, asked, service, actor)


@router.post("/{transfer_id}/accept", summary="Tiếp nhận / Accept")
async def accept(
    transfer_id: TransferId,
    actor: Answerer,
    connection: Connection,
    service: Service,
    asked: ReasonIn | None = None,
) -> TransferOut:
    """Accept as the new school, or as its authority for it: from now on that school manages the records."""
    return await _answer(connection, transfer_id, Action.ACCEPT, asked, service, actor)


@router.post("/{transfer_id}/decline", summary="Từ chối, có lý do / Decline, with a reason")
async def decline(
    transfer_id: TransferId, asked: ReasonIn, actor: Answerer, connection: Connection, service: Service
) -> TransferOut:
    """Decline; the old school goes on managing the records."""
    return await _answer(connection, transfer_id, Action.DECLINE, asked, service, actor)


@router.post("/{transfer_id}/withdraw", summary="Rút lại / Withdraw")
async def take_back(
    transfer_id: TransferId, actor: School, connection: Connection, service: Service
) -> TransferOut:
    """Take a release back before the new school has answered."""
    return await _answer(connection, transfer_id, Action.WITHDRAW, None, service, actor)


async def _answer(
    connection: AsyncConnection,
    transfer_id: str,
    action: Action,
    asked: ReasonIn | None,
    service: ServiceState,
    actor: Submitter | Officer,
) -> TransferOut:
    now = service.clock()
    reason = None if asked is None else asked.reason
    answered = identified(transfer_id)
    await answer_transfer(connection, answered, action, reason=reason, now=now, actor=actor)
    return await _whole(connection, await _find(connection, transfer_id, actor, now))
