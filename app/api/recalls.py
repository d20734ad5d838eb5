"""Recalls over HTTP: schools and officers ask, the competent authority decides, singly or many at once."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role, Submitter
from app.api.certificate_bodies import ProblemOut
from app.api.deps import PUBLIC, Connection, Reader, Service, ServiceState, requires
from app.api.paging import Cursor, Limit, Page, id_after
from app.api.recall_bodies import (
    DecisionOut,
    DecisionsIn,
    DecisionsOut,
    ImpactOut,
    ImpactsOut,
    ReachOut,
    ReasonCode,
    ReasonIn,
    ReasonOut,
    ReasonsOut,
    RecallHead,
    RecallIn,
    RecallOut,
)
from app.api.scope import scope_of
from app.api.texts import SchoolCode, identified
from app.audit import AuditTag, record_act
from app.errors import DomainError
from app.ids import hex32
from app.organisations.scope import require_in_scope
from app.organisations.tree import legal_date
from app.recalls.decisions import Action, Decision, decide, hold_requests
from app.recalls.impact import impact_of
from app.recalls.life import RecallState
from app.recalls.reasons import REASONS
from app.recalls.register import RecallView, find_recall, history, items_of, list_recalls
from app.recalls.request import RecallDraft, request_recall, withdraw

router = APIRouter(prefix="/api/v1/recalls", tags=["recalls"])

_DECIDERS = (Role.COMMUNE_OFFICER, Role.DEPARTMENT_OFFICER)
Decider = Annotated[Officer, Depends(requires(*_DECIDERS))]
Requester = Annotated[Submitter | Officer, Depends(requires(Role.SCHOOL_SOFTWARE, *_DECIDERS))]
RecallId = Annotated[str, Path(max_length=40, description="recall_id, 32 hoặc 36 ký tự")]


@router.post("", status_code=201, summary="Yêu cầu thu hồi học bạ / Request a recall")
async def ask(asked: RecallIn, actor: Requester, connection: Connection, service: Service) -> RecallOut:
    """Ask for records of one school to be recalled; they keep their status until the authority decides.

    Where the province lets schools recall by themselves before the lock, the answer is ``approved`` at once.
    """
    draft = RecallDraft(record_ids=asked.ids(), reason_code=asked.reason_code, reason=asked.reason)
    recall_id = await request_recall(connection, draft, keys=service.keys, now=service.clock(), actor=actor)
    return await _whole(connection, recall_id)


@router.get("/reasons", dependencies=[PUBLIC], summary="Danh mục lý do thu hồi / The listed reasons")
async def reasons() -> ReasonsOut:
    """Give the reasons that a request may name."""
    return ReasonsOut(items=[ReasonOut.of(reason) for reason in REASONS.values()])


@router.get("", summary="Danh sách yêu cầu thu hồi trong phạm vi / Recall requests in scope")
async def listing(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    status: Annotated[RecallState | None, Query(description="Trạng thái / state")] = None,
    reason_code: Annotated[ReasonCode | None, Query()] = None,
    school_code: Annotated[SchoolCode | None, Query()] = None,
    is_escalated: Annotated[bool | None, Query(description="Đã chuyển lên Sở / escalated")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[RecallHead]:
    """List the requests that the caller may see, oldest first, whoever made them."""
    found = await list_recalls(
        connection,
        actor=actor,
        on=legal_date(service.clock()),
        state=status,
        reason_code=reason_code,
        school_code=school_code,
        is_escalated=is_escalated,
        after=id_after(cursor),
        limit=limit + 1,
    )
    return Page.cut(found, limit, show=RecallHead.of, place=lambda row: row.id)


@router.post("/decisions", summary="Quyết định nhiều yêu cầu / Decide on many requests")
async def decide_many(
    *,
    asked: DecisionsIn,
    actor: Decider,
    connection: Connection,
    service: Service,
    preview: Annotated[
        bool, Query(description="true: chỉ xem trước, không ghi gì / show what would happen")
    ] = False,
) -> DecisionsOut:
    """Decide alike on each request; each stands or falls alone, the answer says which.

    A preview does the same and undoes it, so that it is told what would be told, with what each would touch.
    """
    now, results = service.clock(), dict[str, DecisionOut]()
    recall_ids = sorted({UUID(text) for text in asked.recall_ids})
    await hold_requests(connection, recall_ids)
    for recall_id in recall_ids:
        impact = await _reach(connection, recall_id, actor, now) if preview else None
        try:
            async with connection.begin_nested() as savepoint:
                state = await decide(
                    connection, recall_id, asked.decision(), keys=service.keys, now=now, officer=actor
                )
                if preview:
                    await savepoint.rollback()
            outcome = DecisionOut(recall_id=hex32(recall_id), status=state, impact=impact)
        except DomainError as error:
            problem = ProblemOut.of(error.code, error.facts)
            outcome = DecisionOut(recall_id=hex32(recall_id), problem=problem, impact=impact)
        results[outcome.recall_id] = outcome
    return DecisionsOut(preview=preview, results=[results[asked_id] for asked_id in asked.recall_ids])


@router.get("/{recall_id}", summary="Một yêu cầu thu hồi và lịch sử / One request with its history")
async def one(recall_id: RecallId, actor: Reader, connection: Connection, service: Service) -> RecallOut:
    """Give a request with its records and everything that happened to it."""
    found = await _visible(connection, recall_id, actor, service, part="head")
    return await _whole(connection, found.id)


@router.get("/{recall_id}/impact", summary="Phạm vi ảnh hưởng / What an approval would touch")
async def impact(recall_id: RecallId, actor: Reader, connection: Connection, service: Service) -> ImpactsOut:
    """Say for each record which later years, transfers, look-ups and predecessors its recall would touch."""
    found = await _visible(connection, recall_id, actor, service, part="impact")
    impacts = await impact_of(connection, found, scope_of(actor, service.clock()))
    return ImpactsOut(recall_id=hex32(found.id), items=[ImpactOut.of(touched) for touched in impacts])


@router.post("/{recall_id}/approve", summary="Phê duyệt thu hồi / Approve")
async def approve(
    recall_id: RecallId,
    actor: Decider,
    connection: Connection,
    service: Service,
    asked: ReasonIn | None = None,
) -> RecallOut:
    """Approve: every record of the request is recalled in the same moment; new ones may be issued."""
    decision = Decision(action=Action.APPROVE, reason=asked.reason if asked else None)
    return await _decide(connection, recall_id, decision, service, actor)


@router.post("/{recall_id}/decline", summary="Từ chối, có lý do / Decline, with a reason")
async def decline(
    recall_id: RecallId, asked: ReasonIn, actor: Decider, connection: Connection, service: Service
) -> RecallOut:
    """Decline; the records stay as they are, the school reads the reason."""
    decision = Decision(action=Action.DECLINE, reason=asked.reason)
    return await _decide(connection, recall_id, decision, service, actor)


@router.post("/{recall_id}/withdraw", summary="Rút yêu cầu / Withdraw")
async def take_back(
    recall_id: RecallId, actor: Requester, connection: Connection, service: Service
) -> RecallOut:
    """Take a request back that nobody has decided yet; only who made it may."""
    withdrawn = identified(recall_id)
    await withdraw(connection, withdrawn, now=service.clock(), actor=actor)
    return await _whole(connection, withdrawn)


async def _decide(
    connection: AsyncConnection, recall_id: str, decision: Decision, service: ServiceState, officer: Officer
) -> RecallOut:
    decided = identified(recall_id)
    await decide(connection, decided, decision, keys=service.keys, now=service.clock(), officer=officer)
    return await _whole(connection, decided)


async def _visible(
    connection: AsyncConnection,
    recall_id: str,
    actor: Submitter | Officer,
    service: ServiceState,
    *,
    part: str,
) -> RecallView:
    """Find a request in the caller's scope (else QH-005) and note who looked at what."""
    found = await find_recall(connection, identified(recall_id))
    if found is None:
        raise DomainError("QH-005")
    now = service.clock()
    await require_in_scope(connection, actor, found.school_id, legal_date(now))
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.RECALL_READ,
        subject=f"recall:{hex32(found.id)}",
        school_id=found.school_id,
        facts={"part": part},
    )
    return found


async def _whole(connection: AsyncConnection, recall_id: UUID) -> RecallOut:
    found = await find_recall(connection, recall_id)
    if found is None:
        raise DomainError("QH-005")
    return RecallOut.whole(found, await items_of(connection, found.id), await history(connection, found.id))


async def _reach(
    connection: AsyncConnection, recall_id: UUID, actor: Officer, now: datetime
) -> ReachOut | None:
    """Add up what a request touches; None for one that the officer may not see."""
    found = await find_recall(connection, recall_id)
    if found is None:
        return None
    try:
        await require_in_scope(connection, actor, found.school_id, legal_date(now))
    except DomainError:
        return None
    return ReachOut.of(await impact_of(connection, found, scope_of(actor, now)))
