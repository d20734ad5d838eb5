"""Transcripts as they arrive at the ministry: verified on arrival, kept or disputed in the same transaction.

Nothing unverified is stored. The same part again changes nothing: what is held stays held, what is disputed
stays disputed until the province begins a further round.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import database_now, transaction
from app.errors import DomainError
from app.formats.profile import SignerRole
from app.forwarding.arrivals import ArrivalView, line_of
from app.forwarding.disputes import NOT_IN_MANIFEST, Dispute, disputed
from app.forwarding.judging import Bars, Verified, examined, verified
from app.forwarding.parts import opened, receiving, still_receiving
from app.forwarding.provinces import keys_of
from app.forwarding.tables import (
    arrival_certificate,
    arrival_line,
    arrival_school,
    forwarded_claim,
    forwarded_record,
    forwarding_dispute,
)
from app.forwarding.wire import SentTranscript, WireError, read_transcripts
from app.ids import hex32
from app.ingest.examination import ExaminedItem
from app.ingest.process import Bench
from app.policies.book import policies_at
from app.records.packing import XML_ENCODING
from app.snapshots.manifest import Line
from app.verify.certificates.anchors import trust_list
from app.verify.certificates.standing import CertificateEntry, CertificateEvent, CertificateState
from app.verify.signers import Entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came of a part: newly kept, held already, disputed."""

    taken: int
    held: int
    disputed: int


async def take_transcripts(bench: Bench, snapshot_id: UUID, province: str, octets: bytes) -> Taken:
    """Verify a part of transcripts and keep what holds.

    Refuses with the codes of packages what does not unpack, NV-129 what is not framed as a part, QH-005
    another province's snapshot, TH-081 one that takes nothing now. Whatever is wrong with one transcript is
    a dispute, and the others are taken.
    """
    sent = await bench.offload.run(_read, bench, octets)
    async with transaction(bench.engine) as connection:
        found = await receiving(connection, snapshot_id, province)
        lines = await _lines(connection, found, [one.record_id for one in sent])
        held = await _held(connection, lines)
    fresh = [one for one in sent if one.record_id not in held]
    items = await bench.offload.run(examined, fresh, lines, bench.limits, bench.acceptance)
    async with transaction(bench.engine) as connection:
        bars = await _bars(bench, connection, found, lines, items)
    judged = await bench.offload.run(_judged, fresh, lines, items, bars)
    async with transaction(bench.engine) as connection:
        await still_receiving(connection, found)
        return await _keep(connection, found, judged, lines, held=len(held))


def _read(bench: Bench, octets: bytes) -> Sequence[SentTranscript]:
    try:
        return read_transcripts(opened(octets, bench.limits))
    except WireError as error:
        raise DomainError("NV-129") from error


async def _lines(
    connection: AsyncConnection, found: ArrivalView, record_ids: Collection[UUID]
) -> Mapping[UUID, Line]:
    rows = await connection.execute(
        select(arrival_line).where(
            arrival_line.c.snapshot_id == found.snapshot_id, arrival_line.c.record_id.in_(record_ids)
        )
    )
    return {row.record_id: line_of(row) for row in rows}


async def _held(connection: AsyncConnection, lines: Mapping[UUID, Line]) -> frozenset[UUID]:
    """Give the codes that stand already, whether for the same transcript or (told at the close) another."""
    rows = await connection.execute(
        select(forwarded_claim.c.record_id).where(forwarded_claim.c.record_id.in_(list(lines)))
    )
    return frozenset(rows.scalars())


async def _bars(
    bench: Bench,
    connection: AsyncConnection,
    found: ArrivalView,
    lines: Mapping[UUID, Line],
    items: Mapping[UUID, ExaminedItem | Sequence[str]],
) -> Bars:
    fingerprints = {
        check.fingerprint
        for item in items.values()
        if isinstance(item, ExaminedItem)
        for check in item.checks
        if check.fingerprint is not None
    }
    schools = await connection.execute(
        select(arrival_school.c.school_code, arrival_school.c.is_public).where(
            arrival_school.c.snapshot_id == found.snapshot_id,
            arrival_school.c.round == found.round,
            arrival_school.c.school_code.in_({line.school_code for line in lines.values()}),
        )
    )
    moment: datetime = (await connection.execute(select(database_now()))).scalar_one()
    return Bars(
        province=found.scope.province,
        keys=await keys_of(connection, found.scope.province),
        schools={row.school_code: row.is_public for row in schools},
        entries=await _entries(connection, found, fingerprints),
        trust=await trust_list(connection),
        rules=bench.rules,
        acceptance=bench.acceptance,
        policies=await policies_at(connection, moment),
        revocations=await bench.shelf.known(connection),
    )


async def _entries(connection: AsyncConnection, found: ArrivalView, fingerprints: Collection[str]) -> Entries:
    """Give the registrations of certificates as the province told them in this round."""
    table = arrival_certificate.c
    rows = await connection.execute(
        select(arrival_certificate)
        .where(
            table.snapshot_id == found.snapshot_id,
            table.round == found.round,
            table.fingerprint.in_(sorted(fingerprints)),
        )
        .order_by(table.position)
    )
    entries: dict[str, list[CertificateEntry]] = {}
    for row in rows:
        entry = CertificateEntry(
            fingerprint=row.fingerprint,
            school_code=row.school_code,
            role=SignerRole(row.role),
            not_before=row.not_before,
            not_after=row.not_after,
            events=tuple(_event(event) for event in row.events),
        )
        entries.setdefault(entry.fingerprint, []).append(entry)
    return entries


def _event(told: Mapping[str, Any]) -> CertificateEvent:
    effective_at = told["effective_at"]
    return CertificateEvent(
        state=CertificateState(told["state"]),
        at=datetime.fromisoformat(told["at"]),
        effective_at=None if effective_at is None else datetime.fromisoformat(effective_at),
        reason=told["reason"],
    )


def _judged(
    sent: Sequence[SentTranscript],
    lines: Mapping[UUID, Line],
    items: Mapping[UUID, ExaminedItem | Sequence[str]],
    bars: Bars,
) -> Mapping[UUID, Verified | Sequence[str]]:
    return {
        one.record_id: verified(one, lines[one.record_id], items[one.record_id], bars)
        if one.record_id in lines
        else [NOT_IN_MANIFEST]
        for one in sent
    }


async def _keep(
    connection: AsyncConnection,
    found: ArrivalView,
    judged: Mapping[UUID, Verified | Sequence[str]],
    lines: Mapping[UUID, Line],
    *,
    held: int,
) -> Taken:
    """Keep what holds, once for the whole country; note what does not."""
    good = {code: one for code, one in judged.items() if isinstance(one, Verified)}
    claimed = await _claim(connection, found, good, lines)
    if claimed:
        rows = [_row(found, good[code], lines[code]) for code in claimed]
        await connection.execute(insert(forwarded_record), rows)
    disputes = [
        dispute
        for code, one in judged.items()
        if not isinstance(one, Verified)
        for dispute in _disputes(code, one, lines)
    ]
    await note_disputes(connection, found, disputes)
    return Taken(taken=len(claimed), held=held + len(good) - len(claimed), disputed=len(judged) - len(good))


def _disputes(code: UUID, causes: Sequence[str], lines: Mapping[UUID, Line]) -> Sequence[Dispute]:
    if code in lines:
        return disputed(lines[code], causes)
    return [Dispute(subject=hex32(code), code=cause, school_code="") for cause in causes]


async def _claim(
    connection: AsyncConnection,
    found: ArrivalView,
    good: Mapping[UUID, Verified],
    lines: Mapping[UUID, Line],
) -> Sequence[UUID]:
    """Take the codes that nobody has; in one order, so that two parts never wait for each other."""
    if not good:
        return []
    rows = [
        {
            "record_id": code, "province_code": found.scope.province, "school_year": good[code].school_year,
            "content_sha256": lines[code].content_sha256, "xml_sha256": lines[code].xml_sha256,
        }
        for code in sorted(good)
    ]  # fmt: skip
    taken = await connection.execute(
        upsert(forwarded_claim).values(rows).on_conflict_do_nothing().returning(forwarded_claim.c.record_id)
    )
    return sorted(taken.scalars())


async def note_disputes(connection: AsyncConnection, found: ArrivalView, disputes: Sequence[Dispute]) -> None:
    """Note disputes of the round; those noted already stay as they are."""
    rows = [
        {
            "snapshot_id": found.snapshot_id, "round": found.round, "subject": dispute.subject,
            "code": dispute.code, "school_code": dispute.school_code,
        }
        for dispute in disputes
    ]  # fmt: skip
    if rows:
        await connection.execute(upsert(forwarding_dispute).on_conflict_do_nothing(), rows)


def _row(found: ArrivalView, one: Verified, line: Line) -> Mapping[str, object]:
    return {
        "province_code": found.scope.province,
        "school_year": one.school_year,
        "record_id": line.record_id,
        "snapshot_id": found.snapshot_id,
        "school_code": line.school_code,
        "level": one.facts.level,
        "grade": one.facts.grade,
        "xml": one.packed,
        "xml_encoding": XML_ENCODING,
        "xml_sha256": line.xml_sha256,
        "content_sha256": line.content_sha256,
        "format_version": one.sent.format_version,
        "policy_version": one.policy_version,
        "receipt": one.sent.receipt,
        "received_at": one.received_at,
        "signatures": [
            {
                "role": signer.role,
                "indication": signer.indication,
                "fingerprint": signer.fingerprint,
                "signed_at": None if signer.signing_time is None else signer.signing_time.isoformat(),
                "algorithm": signer.algorithm,
                "evidence": [dict(piece) for piece in signer.evidence],
            }
            for signer in one.signers
        ],
    }
