"""Extensions (gia hạn): one officer of the department asks for a school, a second one decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Row, Select, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Officer
from app.approvals import require_reason
from app.audit import AuditTag, record_act
from app.db import Prepared, database_now, move
from app.deadlines.calendar import Category
from app.deadlines.lives import EXTENSION_LIFE, ExtensionState
from app.deadlines.rules import Extension
from app.deadlines.tables import extension, extension_event
from app.errors import DomainError
from app.ids import uuid7
from app.organisations.kinds import OrganisationKind
from app.organisations.scope import in_scope, require_in_scope
from app.organisations.tables import organisation
from app.organisations.tree import find_organisation, legal_date

_ACTIONS: Final[Mapping[ExtensionState, str]] = {
    ExtensionState.APPROVED: "approve",
    ExtensionState.DECLINED: "decline",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionDraft:
    """An extension as it is asked for.

    Attributes:
        school_year: by its first year; for digitised transcripts the year they are digitised in.
        category: only for these; None: for all.
        until: the first instant that is too late again, aware.
    """

    school_code: str
    school_year: int
    category: Category | None
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionView:
    """An extension with its school and what was decided."""

    id: UUID
    school_id: int
    school_code: str
    school_name: str
    school_year: int
    category: Category | None
    until: datetime
    reason: str
    requested_by: str
    requested_at: datetime
    state: ExtensionState
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None

    def is_in_force(self, at: datetime) -> bool:
        """Say whether it is approved and has not lapsed at a moment (aware)."""
        return self.state is ExtensionState.APPROVED and at < self.until


async def school_of_department(
    connection: AsyncConnection, officer: Officer, school_code: str, now: datetime
) -> int:
    """Give the id of a school in the officer's scope; QH-005 for any other, as if it did not exist."""
    school = await find_organisation(connection, school_code)
    if school is None or school.kind is not OrganisationKind.SCHOOL:
        raise DomainError("QH-005")
    await require_in_scope(connection, officer, school.id, legal_date(now))
    return school.id


async def request_extension(
    connection: AsyncConnection, draft: ExtensionDraft, *, now: datetime, officer: Officer
) -> UUID:
    """Ask for an extension of a school's cut-offs; it holds from a second officer's approval on.

    Refuses with QH-005 a school outside the officer's province, QH-023 a missing reason, TH-020 an end that
    is not to come.
    """
    school_id = await school_of_department(connection, officer, draft.school_code, now)
    reason = require_reason(draft.reason, action="extension")
    await _require_future(connection, draft.until)
    extension_id = uuid7(now)
    await connection.execute(
        insert(extension).values(
            id=extension_id,
            school_id=school_id,
            school_year=draft.school_year,
            category=draft.category,
            until=draft.until,
            reason=reason,
            requested_by=officer.id,
            state=EXTENSION_LIFE.initial,
        )
    )
    await _append_event(
        connection, extension_id, None, EXTENSION_LIFE.initial, reason=None, now=now, officer=officer
    )
    await record_act(
        connection,
        now=now,
        actor=officer,
        tag=AuditTag.EXTENSION_REQUESTED,
        subject=f"extension:{extension_id.hex}",
        school_id=school_id,
        facts={"school_year": draft.school_year, "until": draft.until.isoformat()},
    )
    return extension_id


async def decide_extension(
    connection: AsyncConnection,
    extension_id: UUID,
    target: ExtensionState,
    *,
    reason: str | None,
    now: datetime,
    officer: Officer,
) -> None:
    """Approve or decline an extension that another officer of the department asked for.

    Refuses with QH-005 what is unknown or outside the officer's scope, QH-022 a request of their own, TH-021
    one that is decided already, QH-023 declining without a reason, TH-020 approving what has lapsed,
    QH-020 when somebody else decided in the same moment.
    """
    found = await find_extension(connection, extension_id)
    if found is None:
        raise DomainError("QH-005")
    await require_in_scope(connection, officer, found.school_id, legal_date(now))
    if found.requested_by == officer.id:
        raise DomainError("QH-022")
    if not EXTENSION_LIFE.may_become(found.state, target):
        raise DomainError("TH-021", state=found.state, action=_ACTIONS[target])
    if target is ExtensionState.DECLINED:
        reason = require_reason(reason, action=_ACTIONS[target])
    else:
        await _require_future(connection, found.until)
    await move(connection, extension, {"id": extension_id}, source=found.state, target=target)
    await _append_event(
        connection, extension_id, found.state, target, reason=reason, now=now, officer=officer
    )
    await record_act(
        connection,
        now=now,
        actor=officer,
        tag=AuditTag.EXTENSION_DECIDED,
        subject=f"extension:{extension_id.hex}",
        school_id=found.school_id,
        facts={"target": target},
    )


async def _require_future(connection: AsyncConnection, until: datetime) -> None:
    moment = (await connection.execute(select(database_now()))).scalar_one()
    if until <= moment:
        raise DomainError("TH-020", until=until.isoformat(), now=moment.isoformat())


async def _append_event(
    connection: AsyncConnection,
    extension_id: UUID,
    source: ExtensionState | None,
    target: ExtensionState,
    *,
    reason: str | None,
    now: datetime,
    officer: Officer,
) -> None:
    await connection.execute(
        insert(extension_event).values(
            id=uuid7(now),
            extension_id=extension_id,
            source=source,
            target=target,
            actor_kind=officer.kind,
            actor_id=officer.id,
            reason=(reason or "").strip() or None,
        )
    )


def _extensions() -> Select[tuple[object, ...]]:
    decision = extension_event.alias("decision")
    return (
        select(
            extension,
            organisation.c.code.label("school_code"),
            organisation.c.name.label("school_name"),
            decision.c.actor_id.label("decided_by"),
            decision.c.at.label("decided_at"),
            decision.c.reason.label("decision_reason"),
        )
        .join(organisation, organisation.c.id == extension.c.school_id)
        .outerjoin(
            decision,
            (decision.c.extension_id == extension.c.id) & (decision.c.source == ExtensionState.REQUESTED),
        )
    )


def _view(row: Row[tuple[object, ...]]) -> ExtensionView:
    return ExtensionView(
        id=row.id,
        school_id=row.school_id,
        school_code=row.school_code,
        school_name=row.school_name,
        school_year=row.school_year,
        category=None if row.category is None else Category(row.category),
        until=row.until,
        reason=row.reason,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        state=ExtensionState(row.state),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        decision_reason=row.decision_reason,
    )


async def find_extension(connection: AsyncConnection, extension_id: UUID) -> ExtensionView | None:
    """Find an extension by its id, in nobody's scope in particular."""
    row = (await connection.execute(_extensions().where(extension.c.id == extension_id))).one_or_none()
    return None if row is None else _view(row)


async def list_extensions(
    connection: AsyncConnection,
    *,
    actor: Actor,
    on: date,
    state: ExtensionState | None = None,
    school_code: str | None = None,
    school_year: int | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[ExtensionView]:
    """Give the extensions of schools that the caller may see on that day, oldest first."""
    statement = (
        _extensions().where(in_scope(extension.c.school_id, actor, on)).order_by(extension.c.id).limit(limit)
    )
    if state is not None:
        statement = statement.where(extension.c.state == state)
    if school_code is not None:
        statement = statement.where(organisation.c.code == school_code)
    if school_year is not None:
        statement = statement.where(extension.c.school_year == school_year)
    if after is not None:
        statement = statement.where(extension.c.id > after)
    return [_view(row) for row in await connection.execute(statement)]


async def extensions_of(connection: AsyncConnection, school_id: int) -> tuple[Extension, ...]:
    """Give a school's approved extensions, lapsed ones too: whether one covers is for the rules to say."""
    return tuple(
        Extension(
            extension_id=row["id"],
            school_year=row["school_year"],
            category=None if row["category"] is None else Category(row["category"]),
            approved_at=row["decided_at"],
            until=row["until"],
        )
        for row in await _APPROVED.rows(connection, school_id=school_id)
    )


_APPROVED: Final = Prepared(
    _extensions()
    .where(extension.c.school_id == bindparam("school_id"), extension.c.state == ExtensionState.APPROVED)
    .order_by(extension.c.id)
)
