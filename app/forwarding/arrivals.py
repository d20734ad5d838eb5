"""Snapshots that arrive at the ministry: how far each has come, what is missing, what was answered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, and_, cast, exists, func, insert, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.errors import DomainError
from app.forwarding.life import ArrivalState
from app.forwarding.tables import (
    arrival,
    arrival_event,
    arrival_line,
    arrival_part,
    arrival_progress,
    forwarded_claim,
    forwarding_answer,
    forwarding_dispute,
    forwarding_opening,
    forwarding_registration,
)
from app.forwarding.wire import Opening, opening_claims
from app.ids import uuid7
from app.records.status import RecordStatus
from app.snapshots.manifest import Line
from app.snapshots.scopes import Scope, SnapshotKind

MISSING_A_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalView:
    """One snapshot as it arrives.

    Attributes:
        opening: what the province stated of the round under way.
        complete_at: when the province said, for the first time, that everything was sent.
        answer: the latest signed acknowledgement; ``claims`` is what it says.
    """

    snapshot_id: UUID
    department_id: int
    scope: Scope
    state: ArrivalState
    round: int
    cut_off: datetime
    sealed_at: datetime
    size: int
    root: bytes
    counts_sha256: str
    statement: str
    opened_at: datetime
    complete_at: datetime | None
    opening: Opening
    answer: str | None
    claims: Mapping[str, Any] | None


_complete_at = (
    select(func.min(arrival_event.c.at))
    .where(
        arrival_event.c.snapshot_id == arrival.c.snapshot_id, arrival_event.c.target == ArrivalState.CLOSING
    )
    .scalar_subquery()
)


def _arrivals() -> Select[tuple[Any, ...]]:
    """Give the query for arrivals with the opening of the present round and the latest answer."""
    latest = (
        select(forwarding_answer.c.token, forwarding_answer.c.claims)
        .where(forwarding_answer.c.snapshot_id == arrival.c.snapshot_id)
        .order_by(forwarding_answer.c.round.desc())
        .limit(1)
        .lateral("latest")
    )
    of_round = and_(
        forwarding_opening.c.snapshot_id == arrival.c.snapshot_id,
        forwarding_opening.c.round == arrival_progress.c.round,
    )
    return (
        select(
            arrival,
            arrival_progress.c.state,
            arrival_progress.c.round,
            forwarding_opening.c.token.label("opening"),
            _complete_at.label("complete_at"),
            latest.c.token.label("answer"),
            latest.c.claims,
        )
        .join(arrival_progress, arrival_progress.c.snapshot_id == arrival.c.snapshot_id)
        .join(forwarding_opening, of_round)
        .outerjoin(latest, true())
        .order_by(arrival.c.snapshot_id)
    )


def _view(row: Row[*tuple[Any, ...]]) -> ArrivalView:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
    own = {
        name: found[name]
        for name in ArrivalView.__dataclass_fields__
        if name not in {"scope", "state", "opening"}
    }
    return ArrivalView(
        scope=Scope(province=row.province_code, school_year=row.school_year, kind=SnapshotKind(row.kind)),
        state=ArrivalState(row.state),
        opening=opening_claims(row.opening),
        **own,
    )


async def find_arrival(connection: AsyncConnection, snapshot_id: UUID, province: str | None) -> ArrivalView:
    """Give a snapshot of a province (or of any) that arrives; QH-005 for another, as if there were none."""
    statement = _arrivals().where(arrival.c.snapshot_id == snapshot_id)
    row = (await connection.execute(statement)).one_or_none()
    if row is None or province not in {None, row.province_code}:
        raise DomainError("QH-005")
    return _view(row)


async def list_arrivals(
    connection: AsyncConnection,
    province: str | None,
    *,
    school_year: int | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[ArrivalView]:
    """Give what arrives of a province (or of all), oldest snapshot first."""
    statement = _arrivals().limit(limit)
    if province is not None:
        statement = statement.where(arrival.c.province_code == province)
    if school_year is not None:
        statement = statement.where(arrival.c.school_year == school_year)
    if after is not None:
        statement = statement.where(arrival.c.snapshot_id > after)
    return [_view(row) for row in await connection.execute(statement)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingParts:
    """The parts of a round, by number, that the ministry does not hold."""

    registrations: Sequence[int]
    manifest: Sequence[int]

    @property
    def is_none(self) -> bool:
        """Whether everything but transcripts is here."""
        return not self.registrations and not self.manifest


async def missing_parts(connection: AsyncConnection, found: ArrivalView) -> MissingParts:
    """Say which parts of registrations and manifest are still to come."""
    table = forwarding_registration.c
    told = await connection.execute(
        select(table.number).where(table.snapshot_id == found.snapshot_id, table.round == found.round)
    )
    listed = await connection.execute(
        select(arrival_part.c.number).where(arrival_part.c.snapshot_id == found.snapshot_id)
    )
    return MissingParts(
        registrations=_without(len(found.opening.registrations), set(told.scalars())),
        manifest=_without(len(found.opening.manifest), set(listed.scalars())),
    )


def _without(count: int, held: Collection[int]) -> Sequence[int]:
    return [number for number in range(count) if number not in held]


def is_awaited(found: ArrivalView) -> ColumnElement[bool]:
    """Give the condition that a line's transcript is neither held nor disputed in this round."""
    is_held = exists().where(forwarded_claim.c.record_id == arrival_line.c.record_id)
    subject = func.replace(cast(arrival_line.c.record_id, Text), "-", "")
    is_disputed = exists().where(
        forwarding_dispute.c.snapshot_id == found.snapshot_id,
        forwarding_dispute.c.round == found.round,
        forwarding_dispute.c.subject == subject,
    )
    return and_(arrival_line.c.snapshot_id == found.snapshot_id, ~is_held, ~is_disputed)


async def missing_records(
    connection: AsyncConnection, found: ArrivalView, *, after: UUID | None, limit: int = MISSING_A_PAGE
) -> Sequence[UUID]:
    """Give the transcripts that are still to come, by look-up code."""
    statement = (
        select(arrival_line.c.record_id)
        .where(is_awaited(found))
        .order_by(arrival_line.c.record_id)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(arrival_line.c.record_id > after)
    return list((await connection.execute(statement)).scalars())


def line_of(row: Row[*tuple[Any, ...]]) -> Line:
    """Give the manifest's line of a row of ``arrival_line``."""
    return Line(
        record_id=row.record_id,
        school_code=row.school_code,
        content_sha256=row.content_sha256,
        xml_sha256=row.xml_sha256,
        status=RecordStatus(row.status),
        is_late=row.is_late,
    )


async def append_event(
    connection: AsyncConnection,
    snapshot_id: UUID,
    source: str | None,
    target: ArrivalState,
    turn: int,
    *,
    now: datetime,
    actor: Actor,
) -> None:
    """Append one move to an arrival's history."""
    await connection.execute(
        insert(arrival_event).values(
            snapshot_id=snapshot_id, id=uuid7(now), source=source, target=target, round=turn,
            actor_kind=actor.kind, actor_id=actor.id,
        )
    )  # fmt: skip
