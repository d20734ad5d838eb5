"""Asking that a snapshot be forwarded, once; beginning a further round; reading how far it has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import jobs
from app.actors import Actor, System
from app.audit import AuditTag, record_act
from app.db import database_now, move
from app.errors import DomainError
from app.forwarding.disputes import Dispute
from app.forwarding.life import FORWARDED_KINDS, FORWARDING_LIFE, ForwardingState
from app.forwarding.tables import forwarding, forwarding_answer, forwarding_dispute, forwarding_event
from app.ids import hex32, uuid7
from app.snapshots.reading import SnapshotView
from app.snapshots.tables import snapshot

# The periodic work that forwards; also queued at once when somebody asks.
FORWARD_SNAPSHOTS: Final = "forward snapshots"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingView:
    """How far a province has come with one snapshot.

    Attributes:
        sent: transcripts that the ministry took in this round.
        attempts: runs of this round that came to nothing; ``last_error`` is why the last of them did.
        answer: the ministry's signed acknowledgement of the latest answered round.
        claims: what it says.
    """

    snapshot_id: UUID
    state: ForwardingState
    round: int
    requested_at: datetime
    sent: int
    attempts: int
    next_try_at: datetime
    last_error: str | None
    last_error_at: datetime | None
    ended_at: datetime | None
    answer: str | None = None
    claims: Mapping[str, Any] | None = None


async def request_forwarding(
    connection: AsyncConnection, found: SnapshotView, *, is_again: bool, now: datetime, actor: Actor
) -> ForwardingView:
    """Ask that a snapshot be forwarded; asking again gives the same forwarding.

    ``is_again`` begins a further round of one that the ministry disputed or refused; on any other it changes
    nothing. Refuses with TH-080 a snapshot that stays at home.
    """
    if found.scope.kind not in FORWARDED_KINDS:
        raise DomainError("TH-080", kind=found.scope.kind)
    if await _begin(connection, found.id, now=now, actor=actor):
        return await forwarding_of(connection, found.id)
    held = await forwarding_of(connection, found.id)
    if is_again and held.state in FORWARDING_LIFE.sources(ForwardingState.PENDING):
        await change(
            connection, held, ForwardingState.PENDING, now=now, actor=actor,
            round=held.round + 1, sent=0, attempts=0, next_try_at=database_now(), last_error=None,
            last_error_at=None, ended_at=None,
        )  # fmt: skip
        await _note(connection, held.snapshot_id, held.round + 1, now=now, actor=actor)
        await jobs.enqueue_once(connection, FORWARD_SNAPSHOTS)
        return await forwarding_of(connection, found.id)
    return held


async def request_sealed(connection: AsyncConnection, *, now: datetime) -> int:
    """Ask for every sealed snapshot that is owed to the ministry and that nobody has asked for."""
    rows = await connection.execute(
        select(snapshot.c.id)
        .outerjoin(forwarding, forwarding.c.snapshot_id == snapshot.c.id)
        .where(snapshot.c.kind.in_(FORWARDED_KINDS), forwarding.c.snapshot_id.is_(None))
        .order_by(snapshot.c.id)
    )
    begun = [await _begin(connection, id_, now=now, actor=System()) for id_ in rows.scalars().all()]
    return sum(begun)


async def _begin(connection: AsyncConnection, snapshot_id: UUID, *, now: datetime, actor: Actor) -> bool:
    """Make the forwarding unless there is one, and have it done at once; says whether it was made."""
    initial = FORWARDING_LIFE.initial
    values = {"snapshot_id": snapshot_id, "state": initial, "round": 1, "sent": 0, "attempts": 0}
    made = await connection.execute(
        upsert(forwarding).values(values).on_conflict_do_nothing().returning(forwarding.c.snapshot_id)
    )
    if made.one_or_none() is None:
        return False
    await _append_event(connection, snapshot_id, None, initial, 1, now=now, actor=actor)
    await _note(connection, snapshot_id, 1, now=now, actor=actor)
    await jobs.enqueue_once(connection, FORWARD_SNAPSHOTS)
    return True


async def _note(
    connection: AsyncConnection, snapshot_id: UUID, turn: int, *, now: datetime, actor: Actor
) -> None:
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.FORWARDING_REQUESTED,
        subject=f"snapshot:{hex32(snapshot_id)}",
        facts={"round": turn},
    )


async def change(
    connection: AsyncConnection,
    held: ForwardingView,
    target: ForwardingState,
    *,
    now: datetime,
    actor: Actor,
    code: str | None = None,
    **values: Any,
) -> None:
    """Move a forwarding on, with its event; ``code`` is why the ministry refused."""
    FORWARDING_LIFE.check(held.state, target)
    key = {"snapshot_id": held.snapshot_id}
    await move(connection, forwarding, key, source=held.state, target=target, **values)
    turn = values.get("round", held.round)
    await _append_event(
        connection, held.snapshot_id, held.state, target, turn, now=now, actor=actor, code=code
    )


async def _append_event(
    connection: AsyncConnection,
    snapshot_id: UUID,
    source: ForwardingState | None,
    target: ForwardingState,
    turn: int,
    *,
    now: datetime,
    actor: Actor,
    code: str | None = None,
) -> None:
    await connection.execute(
        insert(forwarding_event).values(
            snapshot_id=snapshot_id, id=uuid7(now), source=source, target=target, round=turn,
            actor_kind=actor.kind, actor_id=actor.id, code=code,
        )
    )  # fmt: skip


async def find_forwarding(connection: AsyncConnection, snapshot_id: UUID) -> ForwardingView | None:
    """Give the forwarding of a snapshot with the ministry's latest answer; None where nobody asked for it."""
    row = (
        await connection.execute(select(forwarding).where(forwarding.c.snapshot_id == snapshot_id))
    ).one_or_none()
    return None if row is None else await _view(connection, row)


async def forwarding_of(connection: AsyncConnection, snapshot_id: UUID) -> ForwardingView:
    """Give the forwarding of a snapshot; QH-005 where nobody asked for it."""
    found = await find_forwarding(connection, snapshot_id)
    if found is None:
        raise DomainError("QH-005")
    return found


async def _view(connection: AsyncConnection, row: Row[*tuple[Any, ...]]) -> ForwardingView:
    answer = (
        await connection.execute(
            select(forwarding_answer.c.token, forwarding_answer.c.claims)
            .where(forwarding_answer.c.snapshot_id == row.snapshot_id)
            .order_by(forwarding_answer.c.round.desc())
            .limit(1)
        )
    ).one_or_none()
    own = {**row._mapping, "state": ForwardingState(row.state)}  # noqa: SLF001 - SQLAlchemy's documented way
    if answer is None:
        return ForwardingView(**own)
    return ForwardingView(**own, answer=answer.token, claims=answer.claims)


async def open_forwardings(connection: AsyncConnection) -> Sequence[UUID]:
    """Give the snapshots that are to be worked on now, oldest first."""
    rows = await connection.execute(
        select(forwarding.c.snapshot_id)
        .where(
            forwarding.c.state.in_([ForwardingState.PENDING, ForwardingState.SENDING]),
            forwarding.c.next_try_at <= database_now(),
        )
        .order_by(forwarding.c.snapshot_id)
    )
    return list(rows.scalars())


async def disputes_of(
    connection: AsyncConnection,
    snapshot_id: UUID,
    turn: int,
    *,
    after: tuple[str, str] | None = None,
    limit: int,
) -> Sequence[Dispute]:
    """Give the disputes of a round, by subject and code."""
    table = forwarding_dispute.c
    statement = (
        select(table.subject, table.code, table.school_code)
        .where(table.snapshot_id == snapshot_id, table.round == turn)
        .order_by(table.subject.collate("C"), table.code.collate("C"))
        .limit(limit)
    )
    if after is not None:
        subject, code = after
        is_later = (table.subject.collate("C") > subject) | (
            (table.subject == subject) & (table.code.collate("C") > code)
        )
        statement = statement.where(is_later)
    return [Dispute(row.subject, row.code, row.school_code) for row in await connection.execute(statement)]


async def list_forwardings(connection: AsyncConnection) -> Sequence[ForwardingView]:
    """Give every forwarding, oldest snapshot first: a few a year."""
    rows = await connection.execute(select(forwarding).order_by(forwarding.c.snapshot_id))
    return [await _view(connection, row) for row in rows.all()]
