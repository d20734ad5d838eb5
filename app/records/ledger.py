"""Appending to the ledger: what may not be there twice; the record, its signatures and its first event."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, SmallInteger, Text, Uuid, any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import System
from app.db import Prepared, copy_rows, database_moment, insert_absent
from app.ids import uuid7
from app.records.changes import note_changes
from app.records.custody import managed_records
from app.records.entry import (
    Clash,
    Entry,
    ManagedRecord,
    ReplacementRule,
    SignatureView,
    about_to_stand,
    may_follow_recall,
)
from app.records.packing import MAX_BASE_PACKED_BYTES, XML_ENCODING, Base, PackedXml, pack_alone
from app.records.status import RecordEventKind
from app.records.tables import active_record, record, record_claim, record_event, record_signature

_CLAIMS: Final = Prepared(
    select(record_claim.c.record_id, record_claim.c.school_id, record_claim.c.content_sha256).where(
        record_claim.c.record_id == any_(bindparam("record_ids", type_=ARRAY(Uuid)))
    )
)
# Every place that was asked for, and perhaps one of the same pupil at another level or in another year.
_PLACES: Final = Prepared(
    select(active_record).where(
        active_record.c.pupil_key == any_(bindparam("pupil_keys", type_=ARRAY(Text))),
        active_record.c.school_year == any_(bindparam("school_years", type_=ARRAY(SmallInteger))),
        active_record.c.level == any_(bindparam("levels", type_=ARRAY(Text))),
    )
)
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


async def find_clashes(
    connection: AsyncConnection, entries: Sequence[Entry], *, rule: ReplacementRule | None = None
) -> Mapping[int, tuple[Clash, UUID]]:
    """Say, by position, which entries clash with the ledger as it stands, and with which record.

    ``rule`` says whether a standing record may be replaced directly; without one it always may.
    """
    if not entries:
        return {}
    claims = await _CLAIMS.rows(connection, record_ids=[entry.facts.record_id for entry in entries])
    claimed = {row["record_id"]: row for row in claims}
    pupil_keys, school_years, levels = zip(*(entry.place for entry in entries), strict=True)
    places = await _PLACES.rows(
        connection,
        pupil_keys=list(pupil_keys),
        school_years=list(set(school_years)),
        levels=list(set(levels)),
    )
    standing = {
        (row["pupil_key"], row["school_year"], row["level"]): (row["record_id"], row["school_id"])
        for row in places
    }
    named = {entry.facts.replaces for entry in entries if entry.facts.replaces is not None}
    replaced = dict(await managed_records(connection, named)) if named else {}
    clashes: dict[int, tuple[Clash, UUID]] = {}
    for entry in entries:
        claim = claimed.get(entry.facts.record_id)
        if claim is not None:
            same = (claim["content_sha256"], claim["school_id"]) == (entry.content_sha256, entry.school_id)
            clashes[entry.position] = (Clash.REPEATED if same else Clash.CODE_TAKEN, entry.facts.record_id)
        elif entry.facts.replaces is not None and (
            why := _clash_of_replacement(
                entry, standing.get(entry.place), replaced.get(entry.facts.replaces), rule
            )
        ):
            clashes[entry.position] = (why, entry.facts.replaces)
        elif entry.facts.replaces is None and (clash := _clash_of_place(entry, standing.get(entry.place))):
            clashes[entry.position] = clash
        else:
            standing[entry.place] = (entry.facts.record_id, entry.school_id)
            replaced[entry.facts.record_id] = about_to_stand(entry)
    return clashes


def _clash_of_place(entry: Entry, standing: tuple[UUID, int] | None) -> tuple[Clash, UUID] | None:
    """Hold an entry against the record (and its manager) that stands in its place, if any."""
    if standing is None:
        return None
    other, school_id = standing
    here = school_id == entry.school_id
    return (Clash.PUPIL_HAS_RECORD if here else Clash.PUPIL_HAS_RECORD_ELSEWHERE), other


def _clash_of_replacement(
    entry: Entry,
    standing: tuple[UUID, int] | None,
    replaced: ManagedRecord | None,
    rule: ReplacementRule | None,
) -> Clash | None:
    """Hold an entry against the record it names as its predecessor: standing in its place, or recalled."""
    if standing is None:
        return None if may_follow_recall(entry, replaced) else Clash.REPLACED_NOT_STANDING
    if replaced is None or standing != (entry.facts.replaces, entry.school_id):
        return Clash.REPLACED_NOT_STANDING
    return rule(entry, replaced) if rule is not None else None


async def hold_places(connection: AsyncConnection, entries: Sequence[Entry]) -> bool:
    """Take the look-up codes and the pupils' places for entries found free of clashes.

    Gives False where somebody else took one meanwhile: the caller undoes its transaction and judges again.
    Keys are taken in one order, so that two packages never wait for each other.
    """
    ordered = sorted(entries, key=lambda e: e.place)
    for has_predecessor, run in groupby(ordered, key=lambda e: e.facts.replaces is not None):
        if has_predecessor:
            for entry in run:
                if not await _succeed(connection, entry):
                    return False
        elif not await _take_places(connection, list(run)):
            return False
    claims = [
        {
            "record_id": entry.facts.record_id,
            "school_id": entry.school_id,
            "school_year": entry.school_year,
            "content_sha256": entry.content_sha256,
        }
        for entry in sorted(entries, key=lambda e: e.facts.record_id)
    ]
    return await insert_absent(connection, record_claim, claims) == len(entries)


async def _succeed(connection: AsyncConnection, entry: Entry) -> bool:
    """Take the place of the record that the entry names, or after its recall; False where neither is so."""
    assert entry.facts.replaces is not None
    if await _replace(connection, entry, entry.facts.replaces):
        return True
    recalled = (await managed_records(connection, [entry.facts.replaces])).get(entry.facts.replaces)
    return may_follow_recall(entry, recalled) and await _take_places(connection, [entry])


async def _take_places(connection: AsyncConnection, entries: Sequence[Entry]) -> bool:
    """Take free places; False where another record has one."""
    rows = [
        {
            "pupil_key": entry.pupil_key,
            "school_year": entry.school_year,
            "level": entry.facts.level,
            "record_id": entry.facts.record_id,
            "school_id": entry.school_id,
        }
        for entry in entries
    ]
    return await insert_absent(connection, active_record, rows) == len(rows)


async def _replace(connection: AsyncConnection, entry: Entry, replaces: UUID) -> bool:
    """Take the place of the record that the entry names; False where that does not stand there."""
    key, year, level = entry.place
    result = await connection.execute(
        update(active_record)
        .where(
            active_record.c.pupil_key == key,
            active_record.c.school_year == year,
            active_record.c.level == level,
            active_record.c.record_id == replaces,
            active_record.c.school_id == entry.school_id,
        )
        .values(record_id=entry.facts.record_id)
    )
    return result.rowcount == 1


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
