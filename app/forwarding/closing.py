"""Closing an arrival (khép đợt nhận): the ministry recounts what arrived, and answers with its signature."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, SmallInteger, Text, Uuid, cast, func, insert, literal, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import jobs
from app.actors import ProvinceSystem, System
from app.audit import AuditTag, record_act
from app.clock import Clock
from app.db import database_now, move, transaction
from app.errors import DomainError
from app.forwarding.acknowledging import Acknowledgement, sign_acknowledgement
from app.forwarding.arrivals import (
    ArrivalView,
    append_event,
    find_arrival,
    is_awaited,
    line_of,
    missing_parts,
)
from app.forwarding.disputes import HELD_OTHERWISE, MISSING, DisputesDigest, Recount
from app.forwarding.life import ARRIVAL_LIFE, ArrivalState
from app.forwarding.receiving import note_disputes
from app.forwarding.requesting import disputes_of
from app.forwarding.tables import (
    arrival_line,
    arrival_progress,
    forwarded_claim,
    forwarding_answer,
    forwarding_dispute,
)
from app.ids import hex32
from app.jobs import Job
from app.keys import KeyRing
from app.offload import Offload

# The kind of job that recounts an arrival and answers.
CLOSE_ARRIVAL: Final = "close_arrival"
LINES_A_READ: Final = 4000
_OF_LINE: Final = (
    func.replace(cast(arrival_line.c.record_id, Text), "-", "").label("subject"),
    arrival_line.c.school_code,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closer:
    """What closing needs, made once by the composition root."""

    engine: AsyncEngine
    clock: Clock
    keys: KeyRing
    offload: Offload


async def request_close(
    connection: AsyncConnection, snapshot_id: UUID, *, now: datetime, actor: ProvinceSystem
) -> ArrivalView:
    """Let an arrival be recounted and answered; saying so again changes nothing.

    Refuses with QH-005 another province's, NV-130 one of which parts are missing. Transcripts that are
    missing are disputed, not waited for: the province says when it is done.
    """
    found = await find_arrival(connection, snapshot_id, actor.province_code)
    if found.state is not ArrivalState.RECEIVING:
        return found
    missing = await missing_parts(connection, found)
    if not missing.is_none:
        raise DomainError("NV-130", parts=len(missing.registrations) + len(missing.manifest))
    await _change(connection, found, ArrivalState.CLOSING, now=now, actor=actor)
    await jobs.enqueue(connection, CLOSE_ARRIVAL, ref=snapshot_id)
    return await find_arrival(connection, snapshot_id, actor.province_code)


async def _change(
    connection: AsyncConnection,
    found: ArrivalView,
    target: ArrivalState,
    *,
    now: datetime,
    actor: ProvinceSystem | System,
) -> None:
    ARRIVAL_LIFE.check(found.state, target)
    key = {"snapshot_id": found.snapshot_id}
    await move(connection, arrival_progress, key, source=found.state, target=target)
    await append_event(connection, found.snapshot_id, found.state, target, found.round, now=now, actor=actor)


async def close_arrival(closer: Closer, job: Job, worker: str) -> None:
    """Recount an arrival and answer, in the transaction that ends the job; done again, it changes nothing."""
    assert job.ref is not None
    async with transaction(closer.engine) as connection:
        found = await find_arrival(connection, job.ref, None)
        if found.state is ArrivalState.CLOSING:
            await _answer(closer, connection, found)
        await jobs.finish(connection, job, worker=worker)


async def _answer(closer: Closer, connection: AsyncConnection, found: ArrivalView) -> None:
    recount = await _recount(closer, connection, found)
    await note_disputes(
        connection,
        found,
        recount.disputes(size=found.size, root=found.root, counts_sha256=found.counts_sha256),
    )
    await _note_missing(connection, found)
    await _note_held_otherwise(connection, found)
    disputes = await _digest(connection, found)
    answered_at = (await connection.execute(select(database_now()))).scalar_one()
    assert found.complete_at is not None
    acknowledgement = Acknowledgement(
        snapshot_id=found.snapshot_id,
        round=found.round,
        scope=found.scope,
        size=recount.size,
        root=recount.root,
        counts=recount.counts,
        held=await _count_held(connection, found),
        disputes=disputes.count,
        disputes_sha256=disputes.value,
        opened_at=found.opened_at,
        complete_at=found.complete_at,
        answered_at=answered_at,
    )
    claims = acknowledgement.claims()
    await connection.execute(
        insert(forwarding_answer).values(
            snapshot_id=found.snapshot_id, round=found.round, claims=claims,
            token=sign_acknowledgement(closer.keys, claims),
        )
    )  # fmt: skip
    target = ArrivalState.DISPUTED if disputes.count else ArrivalState.ACKNOWLEDGED
    await _change(connection, found, target, now=closer.clock(), actor=System())
    await record_act(
        connection,
        now=closer.clock(),
        actor=System(),
        tag=AuditTag.ARRIVAL_ANSWERED,
        subject=f"snapshot:{hex32(found.snapshot_id)}",
        facts={"round": found.round, "disputes": disputes.count, "root": recount.root.hex()},
    )


async def _recount(closer: Closer, connection: AsyncConnection, found: ArrivalView) -> Recount:
    """Walk through the lines in the order of the look-up codes; memory holds a few thousand of them."""
    recount = Recount()
    rows = await connection.stream(
        select(arrival_line)
        .where(arrival_line.c.snapshot_id == found.snapshot_id)
        .order_by(arrival_line.c.record_id),
        execution_options={"yield_per": LINES_A_READ},
    )
    async for batch in rows.partitions(LINES_A_READ):
        await closer.offload.run(recount.add, [line_of(row) for row in batch])
    return recount


async def _note_missing(connection: AsyncConnection, found: ArrivalView) -> None:
    """Dispute what the manifest states and nobody sent."""
    await _dispute_lines(connection, found, MISSING, select(*_OF_LINE).where(is_awaited(found)))


async def _note_held_otherwise(connection: AsyncConnection, found: ArrivalView) -> None:
    """Dispute the codes that stand for other content, or for another province's transcript."""
    differs = or_(
        forwarded_claim.c.province_code != found.scope.province,
        forwarded_claim.c.content_sha256 != arrival_line.c.content_sha256,
        forwarded_claim.c.xml_sha256 != arrival_line.c.xml_sha256,
    )
    statement = (
        select(*_OF_LINE)
        .join(forwarded_claim, forwarded_claim.c.record_id == arrival_line.c.record_id)
        .where(arrival_line.c.snapshot_id == found.snapshot_id, differs)
    )
    await _dispute_lines(connection, found, HELD_OTHERWISE, statement)


async def _dispute_lines(
    connection: AsyncConnection, found: ArrivalView, code: str, lines: Select[tuple[Any, ...]]
) -> None:
    """Note one dispute a line, inside the database: there may be as many as transcripts."""
    of_round = lines.add_columns(
        literal(found.snapshot_id, Uuid).label("snapshot_id"),
        literal(found.round, SmallInteger).label("round"),
        literal(code, Text).label("code"),
    )
    names = ["subject", "school_code", "snapshot_id", "round", "code"]
    await connection.execute(upsert(forwarding_dispute).from_select(names, of_round).on_conflict_do_nothing())


async def _digest(connection: AsyncConnection, found: ArrivalView) -> DisputesDigest:
    digest, after = DisputesDigest(), None
    while page := await disputes_of(
        connection, found.snapshot_id, found.round, after=after, limit=LINES_A_READ
    ):
        digest.add(page)
        after = (page[-1].subject, page[-1].code)
    return digest


async def _count_held(connection: AsyncConnection, found: ArrivalView) -> int:
    counted: Any = await connection.scalar(
        select(func.count())
        .select_from(arrival_line)
        .join(forwarded_claim, forwarded_claim.c.record_id == arrival_line.c.record_id)
        .where(
            arrival_line.c.snapshot_id == found.snapshot_id,
            forwarded_claim.c.province_code == found.scope.province,
            forwarded_claim.c.xml_sha256 == arrival_line.c.xml_sha256,
        )
    )
    return int(counted)
