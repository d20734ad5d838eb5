"""The paper register (sổ miễn trừ): schools, grades or classes on paper transcripts for a school year."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Row, Select, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Officer
from app.approvals import require_reason
from app.audit import AuditTag, record_act
from app.db import move
from app.deadlines.extensions import school_of_department
from app.deadlines.lives import EXEMPTION_LIFE, ExemptionState
from app.deadlines.tables import exemption, exemption_event
from app.errors import DomainError
from app.ids import uuid7
from app.organisations.scope import in_scope, require_in_scope
from app.organisations.tables import organisation
from app.organisations.tree import legal_date


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemptionDraft:
    """An exemption as it is registered: a whole school, one of its grades, or one class of a grade.

    Attributes:
        school_year: by its first year.
        pupils: how many pupils keep paper transcripts.
    """

    school_code: str
    school_year: int
    pupils: int
    reason: str
    grade: int | None = None
    class_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExemptionView:
    """An entry of the register with its school."""

    id: UUID
    school_id: int
    school_code: str
    school_name: str
    school_year: int
    grade: int | None
    class_name: str | None
    pupils: int
    reason: str
    registered_by: str
    registered_at: datetime
    state: ExemptionState
    withdrawn_at: datetime | None
    withdrawal_reason: str | None


async def register_exemption(
    connection: AsyncConnection, draft: ExemptionDraft, *, now: datetime, officer: Officer
) -> UUID:
    """Register who stays on paper: expected nowhere, and shown apart in every report.

    Refuses with QH-005 a school outside the officer's province, QH-023 a missing reason, TH-030 a class
    without its grade.
    """
    school_id = await school_of_department(connection, officer, draft.school_code, now)
    reason = require_reason(draft.reason, action="exemption")
    if draft.class_name is not None and draft.grade is None:
        raise DomainError("TH-030", class_name=draft.class_name)
    exemption_id = uuid7(now)
    await connection.execute(
        insert(exemption).values(
            id=exemption_id,
            school_id=school_id,
            school_year=draft.school_year,
            grade=draft.grade,
            class_name=draft.class_name,
            pupils=draft.pupils,
            reason=reason,
            registered_by=officer.id,
            state=EXEMPTION_LIFE.initial,
        )
    )
    await _append_event(
        connection, exemption_id, None, EXEMPTION_LIFE.initial, reason=reason, now=now, officer=officer
    )
    await record_act(
        connection,
        now=now,
        actor=officer,
        tag=AuditTag.EXEMPTION_REGISTERED,
        subject=f"exemption:{exemption_id.hex}",
        school_id=school_id,
        facts={"school_year": draft.school_year, "pupils": draft.pupils},
    )
    return exemption_id


async def withdraw_exemption(
    connection: AsyncConnection, exemption_id: UUID, *, reason: str | None, now: datetime, officer: Officer
) -> None:
    """Take an entry out of force, for the reason given; it stays in the register.

    Refuses with QH-005 what is unknown or outside the officer's scope, TH-031 one that is withdrawn already,
    QH-023 a missing reason, QH-020 when somebody else was first.
    """
    found = await find_exemption(connection, exemption_id)
    if found is None:
        raise DomainError("QH-005")
    await require_in_scope(connection, officer, found.school_id, legal_date(now))
    text = require_reason(reason, action="withdraw")
    target = ExemptionState.WITHDRAWN
    if not EXEMPTION_LIFE.may_become(found.state, target):
        raise DomainError("TH-031")
    await move(connection, exemption, {"id": exemption_id}, source=found.state, target=target)
    await _append_event(connection, exemption_id, found.state, target, reason=text, now=now, officer=officer)
    await record_act(
        connection,
        now=now,
        actor=officer,
        tag=AuditTag.EXEMPTION_WITHDRAWN,
        subject=f"exemption:{exemption_id.hex}",
        school_id=found.school_id,
    )


async def _append_event(
    connection: AsyncConnection,
    exemption_id: UUID,
    source: ExemptionState | None,
    target: ExemptionState,
    *,
    reason: str,
    now: datetime,
    officer: Officer,
) -> None:
    await connection.execute(
        insert(exemption_event).values(
            id=uuid7(now),
            exemption_id=exemption_id,
            source=source,
            target=target,
            actor_kind=officer.kind,
            actor_id=officer.id,
            reason=reason,
        )
    )


def _exemptions() -> Select[tuple[object, ...]]:
    withdrawal = exemption_event.alias("withdrawal")
    return (
        select(
            exemption,
            organisation.c.code.label("school_code"),
            organisation.c.name.label("school_name"),
            withdrawal.c.at.label("withdrawn_at"),
            withdrawal.c.reason.label("withdrawal_reason"),
        )
        .join(organisation, organisation.c.id == exemption.c.school_id)
        .outerjoin(
            withdrawal,
            (withdrawal.c.exemption_id == exemption.c.id) & (withdrawal.c.target == ExemptionState.WITHDRAWN),
        )
    )


def _view(row: Row[tuple[object, ...]]) -> ExemptionView:
    return ExemptionView(
        id=row.id,
        school_id=row.school_id,
        school_code=row.school_code,
        school_name=row.school_name,
        school_year=row.school_year,
        grade=row.grade,
        class_name=row.class_name,
        pupils=row.pupils,
        reason=row.reason,
        registered_by=row.registered_by,
        registered_at=row.registered_at,
        state=ExemptionState(row.state),
        withdrawn_at=row.withdrawn_at,
        withdrawal_reason=row.withdrawal_reason,
    )


async def find_exemption(connection: AsyncConnection, exemption_id: UUID) -> ExemptionView | None:
    """Find an entry by its id, in nobody's scope in particular."""
    row = (await connection.execute(_exemptions().where(exemption.c.id == exemption_id))).one_or_none()
    return None if row is None else _view(row)


async def list_exemptions(
    connection: AsyncConnection,
    *,
    actor: Actor,
    on: date,
    school_code: str | None = None,
    school_year: int | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[ExemptionView]:
    """Give the entries for schools that the caller may see on that day, withdrawn ones too, oldest first."""
    statement = (
        _exemptions().where(in_scope(exemption.c.school_id, actor, on)).order_by(exemption.c.id).limit(limit)
    )
    if school_code is not None:
        statement = statement.where(organisation.c.code == school_code)
    if school_year is not None:
        statement = statement.where(exemption.c.school_year == school_year)
    if after is not None:
        statement = statement.where(exemption.c.id > after)
    return [_view(row) for row in await connection.execute(statement)]
