"""Answering a transfer: consent (xác nhận), accept (tiếp nhận), decline (từ chối), withdraw (rút)."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Submitter
from app.approvals import Request, require_competence, require_reason
from app.audit import AuditTag, record_act
from app.db import database_now, move
from app.errors import DomainError
from app.ids import hex32
from app.organisations.tree import legal_date
from app.records.custody import hold_records, managed_records, take_custody
from app.transfers.life import TARGETS, Action, TransferState, objection
from app.transfers.register import TransferView, find_transfer, records_of
from app.transfers.release import append_event
from app.transfers.tables import transfer, transfer_item


async def answer_transfer(
    connection: AsyncConnection,
    transfer_id: UUID,
    action: Action,
    *,
    reason: str | None = None,
    now: datetime,
    actor: Submitter | Officer,
) -> TransferState:
    """Carry out an answer: state, event, custody and audit, in one transaction.

    Refuses with QH-005 what does not concern the caller, QH-082 an answer that is another's to give, QH-021
    and QH-022 as ``app.approvals`` says, QH-023 a refusal without a reason, QH-066 what the state does not
    allow, QH-083 an acceptance before the consent it needs, QH-020 when somebody else was first.
    """
    found = await find_transfer(connection, transfer_id, actor=actor, on=legal_date(now))
    if found is None:
        raise DomainError("QH-005")
    await _require_turn(connection, found, action, actor, now)
    text = (
        require_reason(reason, action=action) if action is Action.DECLINE else (reason or "").strip() or None
    )
    refused = objection(action, found.state, needs_consent=found.needs_consent)
    if refused == "QH-066":
        raise DomainError(refused, state=found.state, action=action)
    if refused is not None:
        raise DomainError(refused, school_code=found.from_school_code)
    target = TARGETS[action]
    record_ids = await records_of(connection, found.id)
    await hold_records(connection, record_ids)
    at: datetime = (await connection.execute(select(database_now()))).scalar_one()
    await _move(connection, found, target)
    await append_event(connection, found.id, found.state, target, at=at, actor=actor, reason=text)
    if target is TransferState.ACCEPTED:
        await _hand_over(connection, found, at=at, actor=actor)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.TRANSFER_DECIDED,
        subject=f"transfer:{hex32(found.id)}",
        school_id=found.to_school_id,
        facts={"action": action, "target": target, "from_school": found.from_school_code},
    )
    return target


async def _require_turn(
    connection: AsyncConnection,
    found: TransferView,
    action: Action,
    actor: Submitter | Officer,
    now: datetime,
) -> None:
    """Refuse whoever may not give this answer.

    The old school withdraws; its authority consents, or declines where its consent is needed; the new
    school, or its authority for it, accepts or declines.
    """
    is_consent_due = found.needs_consent and found.state is TransferState.RELEASED
    if isinstance(actor, Submitter):
        own = found.from_school_id if action is Action.WITHDRAW else found.to_school_id
        if action is Action.CONSENT or own not in actor.schools:
            raise DomainError("QH-082", action=action)
        return
    if action is Action.WITHDRAW:
        raise DomainError("QH-082", action=action)
    is_old_sides = action is Action.CONSENT or (action is Action.DECLINE and is_consent_due)
    school_id = found.from_school_id if is_old_sides else found.to_school_id
    request = Request(school_id=school_id, requested_by=found.released_by)
    try:
        await require_competence(connection, actor, request, now=now)
    except DomainError as error:
        if error.code != "QH-005":
            raise
        # The transfer itself is in their scope: it is the other side's school that is not.
        raise DomainError("QH-082", action=action) from error


async def _move(connection: AsyncConnection, found: TransferView, target: TransferState) -> None:
    await move(connection, transfer, {"id": found.id}, source=found.state, target=target)
    await connection.execute(
        update(transfer_item)
        .where(transfer_item.c.transfer_id == found.id, transfer_item.c.state == found.state)
        .values(state=target)
    )


async def _hand_over(
    connection: AsyncConnection, found: TransferView, *, at: datetime, actor: Submitter | Officer
) -> None:
    """Move custody of every record; only an accepted transfer does, so the old school still has them all."""
    known = await managed_records(connection, await records_of(connection, found.id))
    facts = {
        "transfer_id": hex32(found.id),
        "from_school": found.from_school_code,
        "to_school": found.to_school_code,
    }
    await take_custody(connection, list(known.values()), found.to_school_id, facts=facts, at=at, actor=actor)
