"""The durable queue: rows claimed by lease, beside the evidence they work on.

At least once: a job whose worker died is claimed again when its lease ends, so the work must be idempotent.
``finish`` is the fence: it belongs in the transaction of the results, and refuses when the lease was lost.

Whoever sends has a lane. A job is stamped with a turn as it is queued: where its lane's last one ends, and no
earlier than what is next now (start-time fair queueing); jobs are claimed by turn. A flood so runs ahead of
itself alone: the next lane's job comes after at most one of every other lane, whatever waits behind those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Identity,
    Index,
    Integer,
    Interval,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningUpdate

from app.db import Prepared, metadata

MAX_ATTEMPTS: Final = 8
# What a job costs besides its bytes, in bytes: very many tiny ones are no small load.
FIXED_SIZE: Final = 64 * 1024
# From here on a job is large: so many are held at once that small ones still find a place.
LARGE_SIZE: Final = 1024 * 1024

# Kinds of work that verification asks of the room above it: to judge anew a school's held transcripts, and
# whatever waits for revocation data.
SETTLE_HELD: Final = "settle_held"
SETTLE_REVOCATION: Final = "settle_revocation"

job = Table(
    "job",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("school_id", Integer),
    Column("ref", Uuid),
    Column("payload", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("dedupe_key", Text, unique=True),
    Column("run_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("lease_until", DateTime(timezone=True)),
    Column("worker", Text),
    Column("last_error", Text),
    Column("dead_at", DateTime(timezone=True)),
    Column("lane", Text),
    Column("size", BigInteger, nullable=False, server_default=text("0")),
    # Lanes begin at 0: what is in none comes before them all.
    Column("turn", BigInteger, nullable=False, server_default=text("-1")),
    Index("ix_job_ready", "turn", "id", postgresql_where=text("lease_until IS NULL AND dead_at IS NULL")),
    Index("ix_job_lane", "lane", "turn", postgresql_where=text("lane IS NOT NULL AND dead_at IS NULL")),
    Index("ix_job_leased", "lease_until", postgresql_where=text("lease_until IS NOT NULL")),
)


_READY: Final = (job.c.lease_until.is_(None), job.c.dead_at.is_(None), job.c.run_at <= func.now())


class LeaseLostError(Exception):
    """Another worker has taken the job over: undo everything done for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One claimed job; ``attempts`` fences it against a second holder."""

    id: int
    kind: str
    school_id: int | None
    ref: UUID | None
    payload: Mapping[str, object]
    attempts: int
    size: int = 0

    @property
    def is_large(self) -> bool:
        """Whether it takes one of the places for large jobs."""
        return self.size > LARGE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Whose job it is, and how large its share is beside the shares of others."""

    name: str
    weight: int = 1


async def enqueue(
    connection: AsyncConnection,
    kind: str,
    *,
    school_id: int | None = None,
    ref: UUID | None = None,
    payload: Mapping[str, object] | None = None,
    lane: Lane | None = None,
    size: int = 0,
) -> None:
    """Add a job in the caller's transaction: it exists exactly if that commits.

    A job in no lane is the service's own and goes first. ``size`` is in bytes.
    """
    values = {
        "kind": kind,
        "school_id": school_id,
        "ref": ref,
        "payload": dict(payload or {}),
        "size": size,
    }
    if lane is None:
        await _ENQUEUE.count(connection, **values)
    else:
        await _ENQUEUE_IN_LANE.count(
            connection, **values, lane=lane.name, own_lane=lane.name, weight=lane.weight
        )


def _turn() -> ColumnElement[int]:
    """Give the SQL for the next turn of ``own_lane``. Who queues at the same moment may get the same one."""
    next_now = (
        select(job.c.turn)
        .where(*_READY, job.c.lane.is_not(None))
        .order_by(job.c.turn, job.c.id)
        .limit(1)
        .scalar_subquery()
    )
    last_taken = (
        select(func.max(job.c.turn))
        .where(job.c.lease_until.is_not(None), job.c.lane.is_not(None))
        .scalar_subquery()
    )
    own_end = (
        select(job.c.turn + (job.c.size + FIXED_SIZE) / bindparam("weight", type_=Integer))
        .where(job.c.lane == bindparam("own_lane"), job.c.dead_at.is_(None))
        .order_by(job.c.turn.desc())
        .limit(1)
        .scalar_subquery()
    )
    return func.greatest(func.coalesce(next_now, last_taken, 0), func.coalesce(own_end, 0), type_=BigInteger)


_ENQUEUE: Final = Prepared(insert(job), "kind", "school_id", "ref", "payload", "size")
_ENQUEUE_IN_LANE: Final = Prepared(
    insert(job).values(turn=_turn()), "kind", "school_id", "ref", "payload", "size", "lane"
)


async def enqueue_once(
    connection: AsyncConnection,
    kind: str,
    *,
    school_id: int | None = None,
    ref: UUID | None = None,
    lane: Lane | None = None,
    size: int = 0,
) -> bool:
    """Add a job unless one for the same thing was added so and waits or runs; says whether it did.

    One that was given up is tried again from the start: periodic work never stays dead.
    """
    key = kind if ref is None else f"{kind}:{ref.hex}"
    again = upsert(job).values(kind=kind, school_id=school_id, ref=ref, size=size, dedupe_key=key)
    place: dict[str, object] = {}
    if lane is not None:
        again = again.values(lane=lane.name, turn=_turn())
        place = {"own_lane": lane.name, "weight": lane.weight}
    added = await connection.execute(
        again.on_conflict_do_update(
            index_elements=["dedupe_key"],
            set_={"dead_at": None, "attempts": 0, "run_at": func.now()},
            where=job.c.dead_at.is_not(None),
        ).returning(job.c.id),
        place,
    )
    return added.one_or_none() is not None


async def claim(
    connection: AsyncConnection, *, worker: str, lease: timedelta, limit: int, largest: int | None = None
) -> Sequence[Job]:
    """Take up to ``limit`` ready jobs in turn, which nobody else holds and none above ``largest`` bytes."""
    given = {"most": limit, "lease": lease, "holder": worker}
    claimed = (
        connection.execute(_CLAIM, given)
        if largest is None
        else connection.execute(_CLAIM_SMALL, {**given, "largest": largest})
    )
    rows = (await claimed).all()
    return [
        Job(**{name: getattr(row, name) for name in _TAKEN})
        for row in sorted(rows, key=lambda row: (row.turn, row.id))
    ]


def _claim(*conditions: ColumnElement[bool]) -> ReturningUpdate[Any]:
    """Give the statement that claims.

    The conditions repeat the partial index's predicate word for word: without them the planner leaves it.
    """
    ready = (
        select(job.c.id)
        .where(*_READY, *conditions)
        .order_by(job.c.turn, job.c.id)
        .limit(bindparam("most", type_=Integer))
        .with_for_update(skip_locked=True)
        .cte("ready")
    )
    return (
        update(job)
        .where(job.c.id == ready.c.id)
        .values(
            lease_until=func.now() + bindparam("lease", type_=Interval),
            worker=bindparam("holder"),
            attempts=job.c.attempts + 1,
        )
        .returning(*(job.c[name] for name in _TAKEN), job.c.turn)
    )


_TAKEN: Final = ("id", "kind", "school_id", "ref", "payload", "attempts", "size")
_CLAIM: Final = _claim()
_CLAIM_SMALL: Final = _claim(job.c.size <= bindparam("largest", type_=BigInteger))


async def renew(connection: AsyncConnection, jobs: Sequence[Job], *, worker: str, lease: timedelta) -> None:
    """Hold on to jobs that are still being worked on."""
    if jobs:
        await connection.execute(
            update(job)
            .where(
                job.c.id == bindparam("job_id"), job.c.attempts == bindparam("held"), job.c.worker == worker
            )
            .values(lease_until=func.now() + literal(lease)),
            [{"job_id": held.id, "held": held.attempts} for held in jobs],
        )


async def finish(connection: AsyncConnection, held: Job, *, worker: str) -> None:
    """End a job in the transaction of its results; LeaseLostError where it is no longer ours."""
    ended = await _FINISH.count(connection, ended=held.id, holder=worker, attempt=held.attempts)
    if ended != 1:
        raise LeaseLostError


_FINISH: Final = Prepared(
    delete(job).where(
        job.c.id == bindparam("ended"),
        job.c.worker == bindparam("holder"),
        job.c.attempts == bindparam("attempt"),
    )
)


async def give_back(
    connection: AsyncConnection,
    held: Job,
    *,
    worker: str,
    error: str,
    delay: timedelta,
    is_counted: bool = True,
) -> None:
    """Return a job that failed, to be tried again after ``delay``; the last attempt leaves it dead.

    ``error`` is the kind of fault, never a document's content. An attempt that failed for want of a database
    is not counted: a disk that is full all night must not leave a night's packages dead.
    """
    is_dead = is_counted and held.attempts >= MAX_ATTEMPTS
    await connection.execute(
        update(job)
        .where(job.c.id == held.id, job.c.worker == worker, job.c.attempts == held.attempts)
        .values(
            lease_until=None,
            worker=None,
            last_error=error,
            run_at=func.now() + literal(delay),
            attempts=held.attempts if is_counted else held.attempts - 1,
            dead_at=func.now() if is_dead else None,
        )
    )


async def reclaim(connection: AsyncConnection) -> int:
    """Free the jobs whose lease has ended, because their worker died; gives how many."""
    result = await connection.execute(
        update(job)
        .where(job.c.lease_until.is_not(None), job.c.lease_until < func.now())
        .values(
            lease_until=None,
            worker=None,
            last_error="lease ended",
            run_at=func.now(),
            dead_at=case((job.c.attempts >= MAX_ATTEMPTS, func.now())),
        )
    )
    return int(result.rowcount)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much waits: for a worker, with a worker, dead until an operator acts; bytes of all but the dead."""

    waiting: int
    leased: int
    stuck: int
    oldest_seconds: float
    size: int = 0


async def backlog(connection: AsyncConnection) -> Backlog:
    """Count the queue; ``oldest_seconds`` is the age of the oldest job that should be running."""
    is_waiting = and_(*_READY)
    row = (
        await connection.execute(
            select(
                func.count().filter(is_waiting).label("waiting"),
                func.count().filter(job.c.lease_until.is_not(None)).label("leased"),
                func.count().filter(job.c.dead_at.is_not(None)).label("stuck"),
                func.coalesce(
                    func.extract("epoch", func.now() - func.min(job.c.run_at).filter(is_waiting)), 0
                ).label("oldest_seconds"),
                func.coalesce(func.sum(job.c.size).filter(job.c.dead_at.is_(None)), 0).label("size"),
            )
        )
    ).one()
    return Backlog(
        waiting=row.waiting,
        leased=row.leased,
        stuck=row.stuck,
        oldest_seconds=float(row.oldest_seconds),
        size=int(row.size),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLoad:
    """Bytes that wait or are worked on for one lane; ``older`` of those that an earlier look has seen."""

    size: int
    older: int
    newest: int


async def lane_loads(connection: AsyncConnection, *, seen: int) -> Mapping[str, LaneLoad]:
    """Give the load of every lane; ``seen`` is the newest job's id of the look before."""
    rows = await connection.execute(
        select(
            job.c.lane,
            func.sum(job.c.size).label("size"),
            func.coalesce(func.sum(job.c.size).filter(job.c.id <= seen), 0).label("older"),
            func.max(job.c.id).label("newest"),
        )
        .where(job.c.lane.is_not(None), job.c.dead_at.is_(None))
        .group_by(job.c.lane)
    )
    return {row.lane: LaneLoad(size=int(row.size), older=int(row.older), newest=row.newest) for row in rows}


async def revive(connection: AsyncConnection) -> int:
    """Let the dead jobs be tried again from the start; gives how many."""
    result = await connection.execute(
        update(job)
        .where(job.c.dead_at.is_not(None))
        .values(dead_at=None, attempts=0, run_at=func.now(), lease_until=None, worker=None)
    )
    return int(result.rowcount)
