"""Appending to the ledger: the record, its signatures and its first event."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Text, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import System
from app.db import Prepared, copy_rows, database_moment
from app.ids import uuid7
from app.records.changes import note_changes
from app.records.entry import Entry, SignatureView
from app.records.packing import MAX_BASE_PACKED_BYTES, XML_ENCODING, Base, PackedXml, pack_alone
from app.records.status import RecordEventKind
from app.records.tables import record, record_claim, record_event, record_signature

_BASES: Final = Prepared(
    select(record.c.class_name, record.c.record_id, record.c.xml)
    .ext(distinct_on(record.c.class_name))
    .where(
        record.c.school_id == bindparam("school_id"),
        record.c.school_year == bindparam("school_year"),
        record.c.class_name == any_(bindparam("class_names", type_=ARRAY(Text))),
        record.c.leans_on.is_(None),
        func.octet_length(record.c.xml) <= MAX_BASE_PACKED_BYTES,
    )
    .order_by(record.c.class_name, record.c.received_at.desc(), record.c.record_id)
)


async def issuers_of_replaced(connection: AsyncConnection, entries: Sequence[Entry]) -> Mapping[UUID, int]:
    """Give who issued the records that entries replace: after a transfer not the school that replaces."""
    named = [entry.facts.replaces for entry in entries if entry.facts.replaces is not None]
    if not named:
        return {}
    rows = await connection.execute(
        select(record_claim.c.record_id, record_claim.c.school_id).where(record_claim.c.record_id.in_(named))
    )
    return {row.record_id: row.school_id for row in rows}


async def bases_for(connection: AsyncConnection, entries: Sequence[Entry]) -> Mapping[str, Base]:
    """Give, by class, the newest record that is kept alone and short enough to lean on."""
    if not entries:
        return {}
    rows = await _BASES.rows(
        connection,
        school_id=entries[0].school_id,
        school_year=entries[0].school_year,
        class_names=sorted({entry.facts.class_name for entry in entries}),
    )
    return {row["class_name"]: Base(record_id=row["record_id"], packed=row["xml"]) for row in rows}


async def append(
    connection: AsyncConnection,
    entries: Sequence[Entry],
    *,
    now: datetime,
    packed: Mapping[UUID, PackedXml] | None = None,
) -> None:
    """Append entries whose places are held: the record, its signatures, what has happened to it.

    ``packed`` holds the transcripts as they are kept, by look-up code; without it each is kept alone.
    """
    kept = packed or {entry.facts.record_id: pack_alone(entry.xml) for entry in entries}
    await copy_rows(
        connection, record, [_record_row(entry, kept[entry.facts.record_id]) for entry in entries]
    )
    signatures = [_signature_row(entry, one) for entry in entries for one in entry.signatures]
    await copy_rows(connection, record_signature, signatures)
    issuers = await issuers_of_replaced(connection, entries)
    at = await database_moment(connection)
    events = [
        _event(entry, entry.facts.record_id, RecordEventKind.RECORDED, {}, now, issuer_id=entry.school_id)
        for entry in entries
    ]
    events += [
        _event(
            entry, replaces, RecordEventKind.REPLACED, {"by": entry.facts.record_id.hex}, now,
            issuer_id=issuers[replaces],
        )
        for entry in entries
        if (replaces := entry.facts.replaces) is not None
    ]  # fmt: skip
    await copy_rows(connection, record_event, [{**event, "at": at} for event in events])
    touched = [(issuer_id, entries[0].school_year) for issuer_id in issuers.values()]
    await note_changes(connection, [*touched, *((entry.school_id, entry.school_year) for entry in entries)])


def _event(
    entry: Entry,
    record_id: UUID,
    kind: RecordEventKind,
    facts: Mapping[str, str],
    now: datetime,
    *,
    issuer_id: int,
) -> Mapping[str, object]:
    actor = System()
    return {
        "school_id": issuer_id,
        "school_year": entry.school_year,
        "record_id": record_id,
        "id": uuid7(now),
        "kind": kind,
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "facts": dict(facts),
    }


def _signature_row(entry: Entry, signature: SignatureView) -> Mapping[str, object]:
    return {
        "school_id": entry.school_id,
        "school_year": entry.school_year,
        "record_id": entry.facts.record_id,
        "position": signature.position,
        "role": signature.role,
        "indication": signature.indication,
        "fingerprint": signature.fingerprint,
        "subject": signature.subject,
        "signed_at": signature.signed_at,
        "algorithm": signature.algorithm,
        "evidence": signature.evidence,
    }


def _record_row(entry: Entry, packed: PackedXml) -> Mapping[str, object]:
    facts = entry.facts
    return {
        "school_id": entry.school_id,
        "school_year": entry.school_year,
        "record_id": facts.record_id,
        "package_id": entry.package_id,
        "position": entry.position,
        "xml": packed.xml,
        "xml_encoding": XML_ENCODING,
        "leans_on": packed.leans_on,
        "xml_sha256": entry.xml_sha256,
        "content_sha256": entry.content_sha256,
        "format_version": entry.format_version,
        "policy_version": entry.policy_version,
        "circular": facts.circular,
        "level": facts.level,
        "grade": facts.grade,
        "class_name": facts.class_name,
        "student_code": facts.student_code,
        "identity_number": facts.identity_number,
        "passport_number": facts.passport_number,
        "pupil_key": entry.pupil_key,
        "full_name": facts.full_name,
        "born_on": facts.born_on,
        "is_completed": facts.is_completed,
        "is_digitised": facts.is_digitised,
        "replaces": facts.replaces,
        "issued_on": facts.issued_on,
        "received_at": entry.received_at,
        "is_late": entry.is_late,
        "calendar_version": entry.calendar_version,
    }
