"""The ministry's door: a province states, signed, what it will forward of a snapshot in a round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import ProvinceSystem
from app.audit import AuditTag, record_act
from app.db import move
from app.errors import DomainError
from app.forwarding.arrivals import ArrivalView, append_event, find_arrival
from app.forwarding.life import ARRIVAL_LIFE, FORWARDED_KINDS, ArrivalState
from app.forwarding.provinces import keys_of
from app.forwarding.tables import arrival, arrival_progress, forwarding_opening
from app.forwarding.wire import UNREADABLE, Opening, WireError, digest, read_opening, read_signed
from app.ids import hex32
from app.ingest.package import first_year
from app.snapshots.manifest import TYPE as STATEMENT_TYPE
from app.snapshots.scopes import Scope, SnapshotKind

_SHA256_BYTES: Final = 32
# A province that has lost what it stated begins anew, even in the middle.
_OPENABLE: Final = frozenset({ArrivalState.RECEIVING, ArrivalState.DISPUTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What a province signed of a snapshot, as the ministry reads it."""

    snapshot_id: UUID
    scope: Scope
    cut_off: datetime
    sealed_at: datetime
    size: int
    root: bytes
    counts_sha256: str


def read_statement(token: str, keys: Sequence[Mapping[str, Any]]) -> Stated:
    """Verify a province's statement and read it; WireError for one that is not signed or not whole."""
    claims = read_signed(token, keys, STATEMENT_TYPE)
    try:
        stated = Stated(
            snapshot_id=UUID(claims["snapshot_id"]),
            scope=Scope(
                province=str(claims["province"]),
                school_year=first_year(claims["school_year"]),
                kind=SnapshotKind(claims["kind"]),
            ),
            cut_off=_moment(claims["cut_off"]),
            sealed_at=_moment(claims["sealed_at"]),
            size=int(claims["size"]),
            root=bytes.fromhex(claims["root"]),
            counts_sha256=str(claims["counts_sha256"]),
        )
    except UNREADABLE as error:
        raise WireError("statement") from error
    if stated.size < 0 or len(stated.root) != _SHA256_BYTES:
        raise WireError("statement")
    return stated


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise WireError("moment")
    return moment


async def open_arrival(
    connection: AsyncConnection, statement: str, token: str, *, now: datetime, actor: ProvinceSystem
) -> ArrivalView:
    """Take down what a province will forward; stating the same again changes nothing.

    Refuses with QH-122 another province's snapshot, QH-123 what none of the province's keys signed, NV-127
    an opening that does not belong to the statement, TH-080 a kind that is not forwarded, TR-081 another
    snapshot of the same cut-off or another opening of the same round, TH-081 a further round of one that is
    being answered, or stands.
    """
    keys = await keys_of(connection, actor.province_code)
    try:
        stated, opening = read_statement(statement, keys), read_opening(token, keys)
    except WireError as error:
        raise DomainError("QH-123", province=actor.province_code) from error
    if stated.scope.province != actor.province_code:
        raise DomainError("QH-122", province=actor.province_code)
    if (opening.snapshot_id, opening.statement) != (stated.snapshot_id, digest(statement.encode())):
        raise DomainError("NV-127")
    if stated.scope.kind not in FORWARDED_KINDS:
        raise DomainError("TH-080", kind=stated.scope.kind)
    await _take_down(connection, stated, statement, now=now, actor=actor)
    await _begin_round(connection, opening, token, now=now, actor=actor)
    return await find_arrival(connection, stated.snapshot_id, actor.province_code)


async def _take_down(
    connection: AsyncConnection, stated: Stated, statement: str, *, now: datetime, actor: ProvinceSystem
) -> None:
    values = {
        "snapshot_id": stated.snapshot_id, "department_id": actor.department_id,
        "province_code": stated.scope.province, "school_year": stated.scope.school_year,
        "kind": stated.scope.kind, "cut_off": stated.cut_off, "sealed_at": stated.sealed_at,
        "size": stated.size, "root": stated.root, "counts_sha256": stated.counts_sha256,
        "statement": statement,
    }  # fmt: skip
    made = await connection.execute(
        upsert(arrival).values(values).on_conflict_do_nothing().returning(arrival.c.snapshot_id)
    )
    if made.one_or_none() is None:
        held = await connection.scalar(
            select(arrival.c.statement).where(arrival.c.snapshot_id == stated.snapshot_id)
        )
        if held != statement:
            raise DomainError("TR-081", kind=stated.scope.kind)
        return
    await connection.execute(
        insert(arrival_progress).values(snapshot_id=stated.snapshot_id, state=ARRIVAL_LIFE.initial, round=0)
    )
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ARRIVAL_OPENED,
        subject=f"snapshot:{hex32(stated.snapshot_id)}",
        facts={"province": stated.scope.province, "kind": stated.scope.kind, "size": stated.size},
    )


async def _begin_round(
    connection: AsyncConnection, opening: Opening, token: str, *, now: datetime, actor: ProvinceSystem
) -> None:
    """Take the opening of the first round, or of the next one after disputes."""
    progress = (
        await connection.execute(
            select(arrival_progress.c.state, arrival_progress.c.round)
            .where(arrival_progress.c.snapshot_id == opening.snapshot_id)
            .with_for_update()
        )
    ).one()
    held = await connection.scalar(
        select(forwarding_opening.c.token).where(
            forwarding_opening.c.snapshot_id == opening.snapshot_id,
            forwarding_opening.c.round == opening.round,
        )
    )
    if held == token and opening.round == progress.round:
        return
    if held is not None and held != token:
        raise DomainError("TR-081", kind=f"round {opening.round}")
    is_first = progress.round == 0
    if opening.round != progress.round + 1 or progress.state not in _OPENABLE:
        raise DomainError("TH-081", state=progress.state)
    await connection.execute(
        insert(forwarding_opening).values(snapshot_id=opening.snapshot_id, round=opening.round, token=token)
    )
    await move(
        connection, arrival_progress, {"snapshot_id": opening.snapshot_id},
        source=progress.state, target=ArrivalState.RECEIVING, round=opening.round,
    )  # fmt: skip
    await append_event(
        connection, opening.snapshot_id, None if is_first else progress.state, ArrivalState.RECEIVING,
        opening.round, now=now, actor=actor,
    )  # fmt: skip
