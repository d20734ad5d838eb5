"""Decisions on certificates: approve (phê duyệt), reject (từ chối), suspend, reinstate, revoke (thu hồi)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer
from app.approvals import Request, require_competence, require_reason
from app.audit import AuditTag, record_act
from app.db import move
from app.errors import DomainError
from app.ids import uuid7
from app.jobs import SETTLE_HELD, enqueue
from app.verify.certificates.registry import Registration, find_registration
from app.verify.certificates.standing import CertificateState
from app.verify.certificates.tables import certificate, certificate_event


class Action(StrEnum):
    """What an officer may decide on a certificate."""

    APPROVE = "approve"
    REJECT = "reject"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    REVOKE = "revoke"


class RevocationReason(StrEnum):
    """Why a certificate is revoked, in the words of RFC 5280, 5.3.1 (those that end it for good)."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An officer's decision.

    Attributes:
        action: what is decided.
        reason: why, in words; required but for approval and reinstatement.
        reason_code: for revocation only.
        effective_at: from when a suspension or revocation holds; none: from the decision.
    """

    action: Action
    reason: str | None = None
    reason_code: RevocationReason | None = None
    effective_at: datetime | None = None


TARGETS: Final[Mapping[Action, CertificateState]] = {
    Action.APPROVE: CertificateState.APPROVED,
    Action.REJECT: CertificateState.REJECTED,
    Action.SUSPEND: CertificateState.SUSPENDED,
    Action.REINSTATE: CertificateState.APPROVED,
    Action.REVOKE: CertificateState.REVOKED,
}

# From which states each action leads; together with TARGETS the same moves as the table of the lifecycle.
SOURCES: Final[Mapping[Action, frozenset[CertificateState]]] = {
    Action.APPROVE: frozenset({CertificateState.PENDING}),
    Action.REJECT: frozenset({CertificateState.PENDING}),
    Action.SUSPEND: frozenset({CertificateState.APPROVED}),
    Action.REINSTATE: frozenset({CertificateState.SUSPENDED}),
    Action.REVOKE: frozenset({CertificateState.APPROVED, CertificateState.SUSPENDED}),
}

_NEEDS_REASON: Final = frozenset({Action.REJECT, Action.SUSPEND, Action.REVOKE})
# These answer what a held transcript waits for.
_SETTLES: Final = frozenset({Action.APPROVE, Action.REJECT})


async def decide(
    connection: AsyncConnection,
    certificate_id: UUID,
    decision: Decision,
    *,
    now: datetime,
    officer: Officer,
) -> CertificateState:
    """Carry out a decision: state, event, audit and the settling of held transcripts, in one transaction.

    Refuses with QH-005 what is outside the officer's scope or unknown, QH-021 and QH-022 as
    ``app.approvals`` says, QH-023 a missing reason, QH-024 a decision that the present state does not
    allow, QH-020 when somebody else decided in the same moment.
    """
    found = await find_registration(connection, certificate_id)
    if found is None:
        raise DomainError("QH-005")
    request = Request(school_id=found.school_id, requested_by=found.registered_by)
    await require_competence(connection, officer, request, now=now)
    reason = _reason(decision)
    if found.state not in SOURCES[decision.action]:
        raise DomainError("QH-024", state=found.state, action=decision.action)
    target = TARGETS[decision.action]
    await move(connection, certificate, {"id": certificate_id}, source=found.state, target=target)
    await _append_event(connection, found, target, decision, reason, now=now, officer=officer)
    await record_act(
        connection,
        now=now,
        actor=officer,
        tag=AuditTag.CERTIFICATE_DECIDED,
        subject=certificate_id.hex,
        school_id=found.school_id,
        facts={"action": decision.action, "source": found.state, "target": target},
    )
    if decision.action in _SETTLES:
        await enqueue(connection, SETTLE_HELD, school_id=found.school_id)
    return target


def _reason(decision: Decision) -> str | None:
    """Give the reason in words; a revocation may give its code alone."""
    is_coded = decision.action is Action.REVOKE and decision.reason_code is not None
    if decision.action in _NEEDS_REASON and not is_coded:
        return require_reason(decision.reason, action=decision.action)
    return (decision.reason or "").strip() or None


async def _append_event(
    connection: AsyncConnection,
    found: Registration,
    target: CertificateState,
    decision: Decision,
    reason: str | None,
    *,
    now: datetime,
    officer: Officer,
) -> None:
    """Append to the history; its times strictly ascend, even where two machines' clocks differ."""
    latest = (
        await connection.execute(
            select(func.max(certificate_event.c.at)).where(certificate_event.c.certificate_id == found.id)
        )
    ).scalar_one()
    is_revocation = decision.action is Action.REVOKE
    may_be_dated = decision.action in {Action.SUSPEND, Action.REVOKE}
    await connection.execute(
        insert(certificate_event).values(
            id=uuid7(now),
            certificate_id=found.id,
            source=found.state,
            target=target,
            at=max(now, latest + timedelta(microseconds=1)),
            effective_at=decision.effective_at if may_be_dated else None,
            actor_kind=officer.kind,
            actor_id=officer.id,
            reason=reason,
            reason_code=(decision.reason_code or RevocationReason.UNSPECIFIED) if is_revocation else None,
        )
    )
