"""Forwarding as the worker does it: ask the ministry what is missing, send that, take its answer.

Nothing is remembered of what was sent: after a cut or a death the ministry says where it stands. Memory holds
one part at a time. What the ministry does not take, or a network that is away, is tried again later and told.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

import httpx
import structlog
from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.actors import System
from app.client.errors import SenderError
from app.client.session import Patience, RefusalError
from app.clock import Clock
from app.db import database_now, transaction
from app.forwarding.acknowledging import read_acknowledgement
from app.forwarding.composing import opening_of, registration_part, transcripts
from app.forwarding.disputes import OTHER_ROOT, Dispute, DisputesDigest
from app.forwarding.life import ArrivalState, ForwardingState
from app.forwarding.ministry import Ministry, Standing, Upstream
from app.forwarding.requesting import (
    ForwardingView,
    change,
    forwarding_of,
    open_forwardings,
    request_sealed,
)
from app.forwarding.tables import forwarding, forwarding_answer, forwarding_dispute
from app.forwarding.wire import (
    BYTES_A_PART,
    TRANSCRIPTS_A_PART,
    SentTranscript,
    WireError,
    write_lines,
    write_transcripts,
)
from app.ids import hex32
from app.keys import KeyRing
from app.offload import Offload
from app.snapshots.reading import SnapshotView, find_snapshot, manifest_pages

# Walks through what is missing before what nobody can find is left to the ministry to dispute.
MOST_PASSES: Final = 3
# Looks at the ministry's answer before it is left to the next run; each looks after the pause of patience.
MOST_LOOKS: Final = 12
FIRST_DELAY: Final = timedelta(seconds=30)
LONGEST_DELAY: Final = timedelta(hours=1)
_DOUBLINGS: Final = 8
ANSWERED: Final = frozenset({ArrivalState.ACKNOWLEDGED, ArrivalState.DISPUTED})

log = structlog.get_logger()


class UnprovenAnswerError(SenderError):
    """The ministry's acknowledgement does not verify, or speaks of another snapshot."""

    def __init__(self) -> None:
        super().__init__(
            "Biên nhận của Bộ không kiểm tra được.", "The ministry's acknowledgement does not verify."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwarder:
    """What forwarding needs, made once by the composition root; without an upstream nothing is forwarded.

    Attributes:
        is_automatic: whether sealed snapshots are forwarded without being asked for.
        transcripts: sent at once, at most.
    """

    engine: AsyncEngine
    clock: Clock
    keys: KeyRing
    offload: Offload
    upstream: Upstream | None
    is_automatic: bool = True
    transcripts: int = TRANSCRIPTS_A_PART
    patience: Patience = field(default_factory=Patience)
    transport: httpx.AsyncBaseTransport | None = None


async def forward_due(forwarder: Forwarder) -> Mapping[str, int]:
    """Work on every forwarding that is due; gives how often each outcome was met."""
    if forwarder.upstream is None:
        return {}
    async with transaction(forwarder.engine) as connection:
        if forwarder.is_automatic:
            await request_sealed(connection, now=forwarder.clock())
        due = await open_forwardings(connection)
    outcomes: dict[str, int] = {}
    for snapshot_id in due:
        outcome = await forward(forwarder, forwarder.upstream, snapshot_id)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    return outcomes


async def forward(forwarder: Forwarder, upstream: Upstream, snapshot_id: UUID) -> str:
    """Bring one forwarding as far as it goes; gives its state, or ``failed`` where it came to nothing."""
    async with transaction(forwarder.engine) as connection:
        found = await find_snapshot(connection, snapshot_id, None)
        held = await forwarding_of(connection, snapshot_id)
        if held.state is ForwardingState.PENDING:
            await change(connection, held, ForwardingState.SENDING, now=forwarder.clock(), actor=System())
            held = await forwarding_of(connection, snapshot_id)
    try:
        async with Ministry(upstream, forwarder.patience, forwarder.transport) as ministry:
            await _Run(forwarder, ministry, found, held).go()
    except SenderError as error:
        await _failed(forwarder, snapshot_id, error)
        return "failed"
    async with transaction(forwarder.engine) as connection:
        return (await forwarding_of(connection, snapshot_id)).state


async def _failed(forwarder: Forwarder, snapshot_id: UUID, error: SenderError) -> None:
    """Note why a run came to nothing, and when the next is due; the text never quotes a transcript."""
    log.warning("forwarding failed", snapshot=hex32(snapshot_id), fault=type(error).__name__)
    async with transaction(forwarder.engine) as connection:
        attempts = (await forwarding_of(connection, snapshot_id)).attempts
        await connection.execute(
            update(forwarding)
            .where(forwarding.c.snapshot_id == snapshot_id, forwarding.c.state == ForwardingState.SENDING)
            .values(
                attempts=attempts + 1,
                next_try_at=database_now() + delay_after(attempts),
                last_error=str(error)[:500],
                last_error_at=database_now(),
            )
        )


def delay_after(attempts: int) -> timedelta:
    """Give how long to wait after so many runs came to nothing: twice as long each time, up to an hour."""
    return LONGEST_DELAY if attempts >= _DOUBLINGS else min(LONGEST_DELAY, FIRST_DELAY * 2**attempts)


class _Run:
    """One attempt at a round, from whatever point the ministry says it has reached."""

    def __init__(
        self, forwarder: Forwarder, ministry: Ministry, found: SnapshotView, held: ForwardingView
    ) -> None:
        self._forwarder = forwarder
        self._engine = forwarder.engine
        self._ministry = ministry
        self._found = found
        self._held = held

    async def go(self) -> None:
        """Open, send what is missing, close, and take the answer."""
        opening = await opening_of(self._engine, self._forwarder.keys, self._found, self._held.round)
        try:
            standing = await self._ministry.open(self._found.statement, opening)
        except RefusalError as refusal:
            if not _is_final(refusal):
                raise
            await self._end(ForwardingState.REFUSED, code=refusal.code, error=str(refusal))
            return
        if standing.state is ArrivalState.RECEIVING:
            await self._send_parts(standing)
            await self._send_transcripts()
            standing = await self._ministry.close(self._found.id)
        await self._take_answer(standing)

    async def _send_parts(self, standing: Standing) -> None:
        for number in standing.registrations:
            async with transaction(self._engine) as connection:
                part = await registration_part(connection, self._found.id, self._held.round, number)
            await self._ministry.tell_registrations(self._found.id, number, part)
        wanted, number = set(standing.manifest), 0
        if not wanted:
            return
        async for lines in manifest_pages(self._engine, self._found.id):
            if number in wanted:
                part_octets = await self._forwarder.offload.run(write_lines, lines)
                await self._ministry.send_lines(self._found.id, number, part_octets)
            number += 1

    async def _send_transcripts(self) -> None:
        """Walk through what is missing until nothing is; what is never found is left to be disputed."""
        for _ in range(MOST_PASSES):
            after: UUID | None = None
            while page := await self._ministry.missing(self._found.id, after):
                for first in range(0, len(page), self._forwarder.transcripts):
                    await self._send_some(page[first : first + self._forwarder.transcripts])
                after = page[-1]
            if after is None:
                return

    async def _send_some(self, record_ids: Sequence[UUID]) -> None:
        async with transaction(self._engine) as connection:
            found = await transcripts(connection, record_ids, self._forwarder.offload)
        for part in _parts(found):
            octets = await self._forwarder.offload.run(write_transcripts, part)
            answer = await self._ministry.send_transcripts(self._found.id, octets)
            async with transaction(self._engine) as connection:
                await connection.execute(
                    update(forwarding)
                    .where(forwarding.c.snapshot_id == self._found.id)
                    .values(sent=forwarding.c.sent + answer["taken"])
                )

    async def _take_answer(self, standing: Standing) -> None:
        """Wait a while for the ministry's answer; a later run asks again."""
        for look in range(MOST_LOOKS):
            if standing.state in ANSWERED:
                break
            await self._forwarder.patience.pause(look)
            standing = await self._ministry.standing(self._found.id)
        if standing.state not in ANSWERED or standing.answer is None:
            return
        digest, is_root_disputed = DisputesDigest(), False
        async for page in self._ministry.disputes(self._found.id, standing.round):
            digest.add(page)
            is_root_disputed |= any(dispute.code == OTHER_ROOT for dispute in page)
        claims = self._proven(
            standing.answer, await self._ministry.keys(), digest, is_root_disputed=is_root_disputed
        )
        key = {"snapshot_id": self._found.id, "round": self._held.round}
        async for page in self._ministry.disputes(self._found.id, standing.round):
            async with transaction(self._engine) as connection:
                await _keep_disputes(connection, page, key)
        async with transaction(self._engine) as connection:
            kept = upsert(forwarding_answer).values(**key, token=standing.answer, claims=dict(claims))
            await connection.execute(kept.on_conflict_do_nothing())
            target = ForwardingState.DISPUTED if digest.count else ForwardingState.ACKNOWLEDGED
            await self._move(connection, target)

    def _proven(
        self,
        answer: str,
        keys: Sequence[Mapping[str, object]],
        disputes: DisputesDigest,
        *,
        is_root_disputed: bool,
    ) -> Mapping[str, object]:
        """Give what the ministry signed, once it speaks of this snapshot as it was sealed and forwarded."""
        found = self._found
        try:
            claims = read_acknowledgement(answer, keys)
        except WireError as error:
            raise UnprovenAnswerError from error
        said = tuple(claims.get(name) for name in ("snapshot_id", "round", "disputes", "disputes_sha256"))
        if said != (hex32(found.id), self._held.round, disputes.count, disputes.value):
            raise UnprovenAnswerError
        whole = (claims.get("size"), claims.get("root"))
        if whole != (found.size, found.root.hex()) and not is_root_disputed:
            raise UnprovenAnswerError
        return claims

    async def _end(self, target: ForwardingState, *, code: str, error: str) -> None:
        async with transaction(self._engine) as connection:
            await connection.execute(
                update(forwarding)
                .where(forwarding.c.snapshot_id == self._found.id)
                .values(last_error=error[:500], last_error_at=database_now())
            )
            await self._move(connection, target, code=code)

    async def _move(
        self, connection: AsyncConnection, target: ForwardingState, *, code: str | None = None
    ) -> None:
        await change(
            connection, self._held, target, now=self._forwarder.clock(), actor=System(), code=code,
            ended_at=database_now(),
        )  # fmt: skip


def _is_final(refusal: RefusalError) -> bool:
    """Say whether asking again would be refused again: the ministry understood, and said no with a cause.

    An unknown client or an expired token is the operators' affair and shows as a failed attempt.
    """
    return refusal.status in {403, 404, 409, 422} and "-" in refusal.code


def _parts(found: Iterable[SentTranscript]) -> Iterator[Sequence[SentTranscript]]:
    """Cut transcripts into parts of bounded size; one that is larger travels alone."""
    part: list[SentTranscript] = []
    size = 0
    for sent in found:
        if part and size + len(sent.xml) > BYTES_A_PART:
            yield part
            part, size = [], 0
        part.append(sent)
        size += len(sent.xml)
    if part:
        yield part


async def _keep_disputes(
    connection: AsyncConnection, disputes: Iterable[Dispute], key: Mapping[str, object]
) -> None:
    rows = [
        {**key, "subject": one.subject, "code": one.code, "school_code": one.school_code} for one in disputes
    ]
    if rows:
        await connection.execute(upsert(forwarding_dispute).on_conflict_do_nothing(), rows)
