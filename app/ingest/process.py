"""The story of one package after it was taken in charge: examine, ask who signed, judge, record, answer.

Everything that an answer consists of (records, events, receipts, findings, the end of the job) commits in
one transaction; a worker that dies before it leaves nothing, and the package is judged again.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import jobs
from app.actors import System
from app.audit import AuditTag, record_act
from app.clock import Clock
from app.db import Prepared, database_moment, move, transaction
from app.deadlines.book import load_calendar
from app.deadlines.extensions import extensions_of
from app.findings import Finding, finding
from app.formats.registry import profile_for, versions
from app.ids import hex32, uuid7
from app.ingest.envelope import OuterFields
from app.ingest.examination import Examination, examining
from app.ingest.intake import Submission
from app.ingest.judgement import Bars, Origin, Outcome, settle_clashes, weigh
from app.ingest.limits import Limits
from app.ingest.package import PACKAGE_LIFE, ItemState, PackageState, school_year_of
from app.ingest.replacement_terms import replacement_rule_for
from app.ingest.reply import sign_answers, write_findings, write_outcomes
from app.ingest.tables import item, item_event, package, package_event, package_progress
from app.jobs import Job
from app.keys import KeyRing
from app.offload import Offload
from app.organisations.tables import organisation
from app.policies.book import policies_at
from app.records import append, bases_for, find_clashes, hold_places
from app.records.entry import Entry
from app.records.packing import Base, PackedXml, pack
from app.verify.certificates.anchors import trust_list
from app.verify.certificates.registry import entries_for, hold_still
from app.verify.policy import AcceptancePolicy
from app.verify.revocation.shelf import Shelf, hold_shelf, shelf_version
from app.verify.signer_policy import SignerRules
from app.verify.signers import Entries

MAX_TRIES: Final = 5


# Told in the transaction which records are replaced, each by which.
OnReplaced = Callable[[AsyncConnection, Mapping[UUID, UUID]], Awaitable[None]]
# Says whether a seal did not wait for a package.
IsLeftOut = Callable[[AsyncConnection, UUID], Awaitable[bool]]


class _TakenMeanwhileError(Exception):
    """What the judgement rested on has changed before it could commit: undo, and judge on what is now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What judging needs, made once by the composition root."""

    engine: AsyncEngine
    clock: Clock
    keys: KeyRing
    offload: Offload
    limits: Limits
    acceptance: AcceptancePolicy
    rules: SignerRules
    shelf: Shelf
    on_replaced: OnReplaced
    is_left_out: IsLeftOut


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A judgement that was not recorded."""

    findings: tuple[Finding, ...]
    items: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received:
    """A package as it is stored, and how far its judgement has come."""

    origin: Origin
    schema_version: str
    payload: bytes
    is_answered: bool
    held: frozenset[int]
    turn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """The outcomes, what they rest on (certificates, revocation data), and what records may lean on."""

    fingerprints: frozenset[str]
    entries: Entries
    shelf_version: tuple[int, int]
    bases: Mapping[str, Base]
    outcomes: Sequence[Outcome]

    @property
    def appended(self) -> Sequence[Entry]:
        """What is appended to the ledger."""
        return [outcome.entry for outcome in self.outcomes if outcome.entry is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sealed:
    """Transcripts as they are kept, by look-up code, and the signed answers, by position."""

    packed: Mapping[UUID, PackedXml]
    signed: Mapping[int, str]


async def judge_package(bench: Bench, job: Job, worker: str) -> None:
    """Judge a package and answer for every item, or settle the items that were held.

    Judging the same package again changes nothing: an answered one only loses its job.
    """
    assert job.school_id is not None
    assert job.ref is not None
    async with bench.engine.connect() as connection:  # one for the whole way, in no transaction between
        received = await _take_up(bench, connection, job.school_id, job.ref, worker)
        if received.is_answered and not received.held:
            async with connection.begin():
                await jobs.finish(connection, job, worker=worker)
            return
        examination = await _examine(bench, received.origin, received.schema_version, received.payload)
        positions = received.held if received.is_answered else None
        for attempt in range(1, MAX_TRIES + 1):
            judged = await _judge(bench, connection, received.origin, examination, positions)
            # Before any lock is taken.
            sealed = await bench.offload.run(_seal, bench, judged, received.origin)
            try:
                async with connection.begin():
                    await _commit(bench, connection, received, examination, judged=judged, sealed=sealed)
                    await jobs.finish(connection, job, worker=worker)
            except _TakenMeanwhileError:
                if attempt == MAX_TRIES:
                    raise
            else:
                return


async def preview(bench: Bench, submission: Submission) -> Preview:
    """Give the judgement that a package would have now; nothing is stored."""
    async with transaction(bench.engine) as connection:
        school = (
            await connection.execute(select(organisation).where(organisation.c.id == submission.school_id))
        ).one()
    origin = Origin(
        package_id=submission.package_id,
        school_id=submission.school_id,
        school_code=school.code,
        province_code=school.province_code,
        school_is_public=school.is_public,
        school_year=submission.school_year,
        received_at=bench.clock(),
        is_atomic=submission.is_atomic,
    )
    examination = await _examine(bench, origin, submission.schema_version, submission.payload)
    async with bench.engine.connect() as connection:
        judged = await _judge(bench, connection, origin, examination, None)
    return Preview(findings=examination.findings, items=tuple(judged.outcomes))


_PACKAGE: Final = Prepared(
    select(
        package,
        package_progress.c.state,
        organisation.c.code,
        organisation.c.province_code,
        organisation.c.is_public,
    )
    .join(
        package_progress,
        (package_progress.c.school_id == package.c.school_id)
        & (package_progress.c.package_id == package.c.package_id),
    )
    .join(organisation, organisation.c.id == package.c.school_id)
    .where(
        package.c.school_id == bindparam("school_id"),
        package.c.package_id == bindparam("package_id"),
    )
)
_EVENT: Final = Prepared(insert(package_event), "school_id", "package_id", "id", "source", "target", "actor")


async def _take_up(
    bench: Bench, connection: AsyncConnection, school_id: int, package_id: UUID, worker: str
) -> _Received:
    """Read a package, with how far its judgement has come, and note that it is being processed."""
    async with connection.begin():
        (row,) = await _PACKAGE.rows(connection, school_id=school_id, package_id=package_id)
        origin = Origin(
            package_id=package_id,
            school_id=school_id,
            school_code=row["code"],
            province_code=row["province_code"],
            school_is_public=row["is_public"],
            school_year=row["school_year"],
            received_at=row["received_at"],
            is_atomic=row["is_atomic"],
        )
        if row["state"] == PackageState.RECEIVED:
            await _move(
                bench, connection, origin,
                source=PackageState.RECEIVED, target=PackageState.PROCESSING, actor=worker,
            )  # fmt: skip
        is_answered = row["state"] == PackageState.ANSWERED
        held, turn = await _rounds(connection, origin) if is_answered else (frozenset[int](), 1)
        return _Received(
            origin=origin,
            schema_version=row["schema_version"],
            payload=row["payload"],
            is_answered=is_answered,
            held=held,
            turn=turn,
        )


async def _rounds(connection: AsyncConnection, origin: Origin) -> tuple[frozenset[int], int]:
    """Give the positions of an answered package that are still held, and the number of the round now."""
    held = await connection.execute(
        select(item.c.position).where(
            item.c.school_id == origin.school_id,
            item.c.school_year == origin.school_year,
            item.c.package_id == origin.package_id,
            item.c.state == ItemState.HELD,
        )
    )
    last = await connection.execute(
        select(func.max(item_event.c.round)).where(
            item_event.c.school_id == origin.school_id,
            item_event.c.school_year == origin.school_year,
            item_event.c.package_id == origin.package_id,
        )
    )
    return frozenset(held.scalars()), (last.scalar_one() or 0) + 1


async def _move(
    bench: Bench,
    connection: AsyncConnection,
    origin: Origin,
    *,
    source: PackageState,
    target: PackageState,
    actor: str,
    **values: object,
) -> None:
    PACKAGE_LIFE.check(source, target)
    key = {"school_id": origin.school_id, "package_id": origin.package_id}
    await move(connection, package_progress, key, source=source, target=target, **values)
    await _EVENT.count(connection, **key, id=uuid7(bench.clock()), source=source, target=target, actor=actor)


async def _examine(bench: Bench, origin: Origin, schema_version: str, payload: bytes) -> Examination:
    profile = profile_for(schema_version)
    if profile is None:
        unknown = finding("DD-044", found=schema_version, supported=", ".join(versions()))
        return Examination(findings=(unknown,), envelope=None, items=())
    outer = OuterFields(
        package_id=origin.package_id,
        school_code=origin.school_code,
        school_year=school_year_of(origin.school_year),
        schema_version=schema_version,
    )
    work = examining(payload, outer, profile, bench.limits, bench.acceptance)
    return await bench.offload.run_in_turns(work)


async def _judge(
    bench: Bench,
    connection: AsyncConnection,
    origin: Origin,
    examination: Examination,
    positions: frozenset[int] | None,
) -> _Judged:
    """Judge the items of an examined package (all, or those at some positions) on what is known now."""
    async with connection.begin():
        entries = await entries_for(connection, examination.fingerprints)
        bars = Bars(
            trust=await trust_list(connection),
            rules=bench.rules,
            acceptance=bench.acceptance,
            calendar=await load_calendar(connection, origin.province_code),
            extensions=await extensions_of(connection, origin.school_id),
            policies=await policies_at(connection, origin.received_at),
            revocations=await bench.shelf.known(connection),
        )
    outcomes = await bench.offload.run(
        weigh,
        [i for i in examination.items if positions is None or i.position in positions],
        origin,
        entries=entries,
        bars=bars,
    )
    async with connection.begin():
        entered = [o.entry for o in outcomes if o.entry is not None]
        rule = None
        if any(entry.facts.replaces for entry in entered):
            is_after_all = positions is not None or await bench.is_left_out(connection, origin.package_id)
            rule = await replacement_rule_for(connection, entered, origin, bars, is_after_all=is_after_all)
        clashes = await find_clashes(connection, entered, rule=rule)
        bases = await bases_for(connection, entered)
    return _Judged(
        fingerprints=examination.fingerprints,
        entries=entries,
        shelf_version=bars.revocations.version,
        bases=bases,
        outcomes=settle_clashes(outcomes, clashes, origin),
    )


def _seal(bench: Bench, judged: _Judged, origin: Origin) -> _Sealed:
    """Pack what is recorded and sign every answer; heavy, so done off the event loop."""
    return _Sealed(
        packed=pack(judged.appended, judged.bases),
        signed=sign_answers(judged.outcomes, origin, keys=bench.keys, now=bench.clock()),
    )


async def _take_places(bench: Bench, connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    """Take the places of what is appended; whoever deals with what is replaced is told."""
    if not await hold_places(connection, entries):
        raise _TakenMeanwhileError
    replaced = {entry.facts.replaces: entry.facts.record_id for entry in entries if entry.facts.replaces}
    if replaced:
        await bench.on_replaced(connection, replaced)


async def _commit(
    bench: Bench,
    connection: AsyncConnection,
    received: _Received,
    examination: Examination,
    *,
    judged: _Judged,
    sealed: _Sealed,
) -> None:
    """Write everything that the answer consists of; what the judgement rested on must still hold."""
    origin, now = received.origin, bench.clock()
    await hold_still(connection, judged.fingerprints)
    if await entries_for(connection, judged.fingerprints) != judged.entries:
        raise _TakenMeanwhileError
    if any(outcome.state is ItemState.HELD for outcome in judged.outcomes):
        await hold_shelf(connection)
        if await shelf_version(connection) != judged.shelf_version:
            raise _TakenMeanwhileError
    entries = judged.appended
    if entries:
        await _take_places(bench, connection, entries)
        await append(connection, entries, now=now, packed=sealed.packed)
    await write_outcomes(connection, origin, judged.outcomes, turn=received.turn, signed=sealed.signed)
    if received.is_answered:
        return
    await write_findings(connection, origin, {0: examination.findings}, turn=received.turn)
    envelope = examination.envelope
    await _move(
        bench,
        connection,
        origin,
        source=PackageState.PROCESSING,
        target=PackageState.ANSWERED,
        actor="system",
        answered_at=await database_moment(connection),
        total=len(judged.outcomes),
        software_name=envelope and envelope.software_name,
        software_version=envelope and envelope.software_version,
    )
    await record_act(
        connection,
        now=now,
        actor=System(),
        tag=AuditTag.PACKAGE_ANSWERED,
        subject=f"package:{hex32(origin.package_id)}",
        school_id=origin.school_id,
        facts={"total": len(judged.outcomes), "recorded": len(entries)},
    )
