"""Queries (cảnh báo cần giải trình): a school explains a finding, the managing authority reviews it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import Row, Select, and_, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Officer, Submitter
from app.approvals import Request, require_competence, require_reason
from app.audit import AuditTag, record_act
from app.db import move
from app.errors import DomainError
from app.findings import Severity
from app.ids import hex32, uuid7
from app.ingest.answers import PackageView, package_items
from app.ingest.tables import explanation, explanation_event
from app.lifecycle import Lifecycle
from app.organisations.scope import in_scope
from app.organisations.tables import organisation


class ExplanationState(StrEnum):
    """How an explanation was taken."""

    GIVEN = "given"  # the managing authority reviews it
    ACCEPTED = "accepted"  # nobody's move
    DECLINED = "declined"  # the school may explain anew


EXPLANATION_LIFECYCLE: Final = Lifecycle(
    states=ExplanationState,
    initial=ExplanationState.GIVEN,
    moves={
        ExplanationState.GIVEN: frozenset({ExplanationState.ACCEPTED, ExplanationState.DECLINED}),
        ExplanationState.ACCEPTED: frozenset(),
        ExplanationState.DECLINED: frozenset(),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplanationView:
    """What a school said of one query, and how it was taken.

    Attributes:
        code: of the finding, for example ``MA-013``.
        decided_at: with ``reason``, once the authority has reviewed it.
    """

    id: UUID
    school_id: int
    school_code: str
    school_year: int
    package_id: UUID
    position: int
    code: str
    text: str
    given_at: datetime
    given_by: str
    state: ExplanationState
    decided_at: datetime | None
    reason: str | None


async def explain(
    connection: AsyncConnection,
    view: PackageView,
    position: int,
    *,
    code: str,
    text: str,
    now: datetime,
    actor: Submitter,
) -> UUID:
    """Write down what a school says of a query about one of its transcripts.

    Refuses with QH-023 no words, QH-067 where the item has no such query, QH-068 where an explanation of it
    stands already. The finding stays; whether it may stand is what the authority reviews.
    """
    words = require_reason(text, action="explanation")
    items = await package_items(connection, view, None)
    found = next((item for item in items if item.position == position), None)
    queried = set() if found is None else {f.code for f in found.findings if f.severity is Severity.QUERY}
    if code not in queried:
        raise DomainError("QH-067", finding_code=code, position=position)
    explanation_id, state = uuid7(now), EXPLANATION_LIFECYCLE.initial
    inserted = await connection.execute(
        upsert(explanation)
        .values(
            id=explanation_id,
            school_id=view.school_id,
            school_year=view.school_year,
            package_id=view.package_id,
            position=position,
            code=code,
            text=words,
            given_by_kind=actor.kind,
            given_by=actor.id,
            state=state,
        )
        .on_conflict_do_nothing()
    )
    if inserted.rowcount != 1:
        raise DomainError("QH-068", finding_code=code, position=position)
    await _append_event(connection, explanation_id, None, state, actor=actor)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.EXPLANATION_GIVEN,
        subject=f"explanation:{hex32(explanation_id)}",
        school_id=view.school_id,
        facts={"code": code},
    )
    return explanation_id


async def review(
    connection: AsyncConnection,
    explanation_id: UUID,
    target: ExplanationState,
    *,
    reason: str | None,
    now: datetime,
    officer: Officer,
) -> None:
    """Accept or decline an explanation, with its event and audit line.

    Refuses with QH-005 what is outside the officer's scope or unknown, QH-021 and QH-022 as
    ``app.approvals`` says, QH-023 a refusal without a reason, QH-066 one that was reviewed already, QH-020
    when somebody else was first.
    """
    found = await find_explanation(connection, explanation_id)
    if found is None:
        raise DomainError("QH-005")
    request = Request(school_id=found.school_id, requested_by=found.given_by)
    await require_competence(connection, officer, request, now=now)
    if not EXPLANATION_LIFECYCLE.may_become(found.state, target):
        raise DomainError("QH-066", state=found.state, action=target)
    words = (reason or "").strip() or None
    if target is ExplanationState.DECLINED:
        words = require_reason(reason, action="decline")
    await move(connection, explanation, {"id": found.id}, source=found.state, target=target)
    await _append_event(connection, found.id, found.state, target, actor=officer, reason=words)
    await record_act(
        connection,
        now=now,
        actor=officer,
        tag=AuditTag.EXPLANATION_DECIDED,
        subject=f"explanation:{hex32(found.id)}",
        school_id=found.school_id,
        facts={"code": found.code, "target": target},
    )


async def _append_event(
    connection: AsyncConnection,
    explanation_id: UUID,
    source: ExplanationState | None,
    target: ExplanationState,
    *,
    actor: Actor,
    reason: str | None = None,
) -> None:
    await connection.execute(
        insert(explanation_event).values(
            explanation_id=explanation_id,
            source=source,
            target=target,
            actor_kind=actor.kind,
            actor_id=actor.id,
            reason=reason,
        )
    )


_given = explanation_event.alias("given")
_decided = explanation_event.alias("decided")


def _explanations() -> Select[tuple[object, ...]]:
    return (
        select(
            explanation,
            organisation.c.code.label("school_code"),
            _given.c.at.label("given_at"),
            _decided.c.at.label("decided_at"),
            _decided.c.reason,
        )
        .join(organisation, organisation.c.id == explanation.c.school_id)
        .join(_given, and_(_given.c.explanation_id == explanation.c.id, _given.c.source.is_(None)))
        .outerjoin(
            _decided, and_(_decided.c.explanation_id == explanation.c.id, _decided.c.source.is_not(None))
        )
    )


def _view(row: Row[tuple[object, ...]]) -> ExplanationView:
    fields = {name: getattr(row, name) for name in ExplanationView.__dataclass_fields__}
    return ExplanationView(**{**fields, "state": ExplanationState(row.state)})


async def find_explanation(connection: AsyncConnection, explanation_id: UUID) -> ExplanationView | None:
    """Find an explanation by its id, in nobody's scope in particular."""
    row = (await connection.execute(_explanations().where(explanation.c.id == explanation_id))).one_or_none()
    return None if row is None else _view(row)


async def list_explanations(
    connection: AsyncConnection,
    *,
    actor: Actor,
    on: date,
    state: ExplanationState | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[ExplanationView]:
    """Give the explanations that the caller may see on that day, oldest first."""
    statement = (
        _explanations()
        .where(in_scope(explanation.c.school_id, actor, on))
        .order_by(explanation.c.id)
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(explanation.c.state == state)
    if after is not None:
        statement = statement.where(explanation.c.id > after)
    return [_view(row) for row in await connection.execute(statement)]


async def explanations_of_item(
    connection: AsyncConnection, package_id: UUID, position: int
) -> Sequence[ExplanationView]:
    """Give everything that was explained of one item, oldest first."""
    statement = (
        _explanations()
        .where(explanation.c.package_id == package_id, explanation.c.position == position)
        .order_by(_given.c.id)
    )
    return [_view(row) for row in await connection.execute(statement)]
