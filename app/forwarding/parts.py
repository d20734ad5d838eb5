"""Registrations and manifest as they arrive, part by part.

A part is taken only if the signed opening names its digest, and once: the same again changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import transaction
from app.errors import DomainError
from app.findings import Finding
from app.forwarding.arrivals import ArrivalView, find_arrival
from app.forwarding.life import ArrivalState
from app.forwarding.provinces import keys_of
from app.forwarding.registrations import ToldSchool, read_registrations
from app.forwarding.tables import (
    arrival_certificate,
    arrival_line,
    arrival_part,
    arrival_progress,
    arrival_school,
    forwarding_registration,
)
from app.forwarding.wire import WireError, digest, read_lines
from app.ingest.envelope import unpack
from app.ingest.limits import Limits
from app.ingest.process import Bench
from app.snapshots.manifest import Line
from app.verify.certificates.standing import CertificateEntry

REGISTRATIONS: Final = "registrations"
MANIFEST: Final = "manifest"
# Certificates of one part at most: what keeps the places of two parts apart.
_STRIDE: Final = 10_000


async def receiving(connection: AsyncConnection, snapshot_id: UUID, province: str) -> ArrivalView:
    """Give an arrival that takes parts, and let nobody close it before the caller's transaction ends.

    Refuses with QH-005 what is not the province's, TH-081 one that takes nothing now.
    """
    await connection.execute(
        select(arrival_progress.c.snapshot_id)
        .where(arrival_progress.c.snapshot_id == snapshot_id)
        .with_for_update(read=True)
    )
    found = await find_arrival(connection, snapshot_id, province)
    if found.state is not ArrivalState.RECEIVING:
        raise DomainError("TH-081", state=found.state)
    return found


async def still_receiving(connection: AsyncConnection, found: ArrivalView) -> None:
    """Refuse with TH-081 where the round has ended since an arrival was read."""
    again = await receiving(connection, found.snapshot_id, found.scope.province)
    if again.round != found.round:
        raise DomainError("TH-081", state=again.state)


def opened(octets: bytes, limits: Limits) -> bytes:
    """Unpack a part's gzip within the limits of packages, with the codes of packages."""
    unpacked = unpack(octets, limits)
    if isinstance(unpacked, Finding):
        raise DomainError(unpacked.code, **unpacked.facts)
    return unpacked


def stated_part(octets: bytes, digests: Sequence[str], part: str, number: int) -> bytes:
    """Give a part as it came, once the opening names it; else NV-128."""
    if not 0 <= number < len(digests) or digest(octets) != digests[number]:
        raise DomainError("NV-128", part=part, number=number)
    return octets


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """A part of registrations, read: as it was signed, and what it says."""

    token: str
    schools: Sequence[ToldSchool]
    entries: Sequence[CertificateEntry]


async def take_registrations(
    bench: Bench, snapshot_id: UUID, province: str, number: int, octets: bytes
) -> None:
    """Take a part of the round's registrations; NV-128 for one that is not as it was stated."""
    async with transaction(bench.engine) as connection:
        found = await receiving(connection, snapshot_id, province)
        keys = await keys_of(connection, province)
    told = await bench.offload.run(_read_told, octets, found, number, keys, bench.limits)
    async with transaction(bench.engine) as connection:
        await still_receiving(connection, found)
        await _keep_told(connection, found, number, told)


def _read_told(
    octets: bytes, found: ArrivalView, number: int, keys: Sequence[Mapping[str, Any]], limits: Limits
) -> _Told:
    part = stated_part(opened(octets, limits), found.opening.registrations, REGISTRATIONS, number)
    try:
        token = part.decode("ascii")
        schools = read_registrations(
            token, keys, snapshot_id=found.snapshot_id, turn=found.round, number=number
        )
        entries = [one.entry(school.code) for school in schools for one in school.certificates]
    except ValueError as error:  # WireError, and octets that are no certificate
        raise DomainError("NV-128", part=REGISTRATIONS, number=number) from error
    return _Told(token=token, schools=schools, entries=entries)


async def _keep_told(connection: AsyncConnection, found: ArrivalView, number: int, told: _Told) -> None:
    key = {"snapshot_id": found.snapshot_id, "round": found.round}
    kept = await connection.execute(
        upsert(forwarding_registration)
        .values(**key, number=number, token=told.token)
        .on_conflict_do_nothing()
        .returning(forwarding_registration.c.number)
    )
    if kept.one_or_none() is None:
        return
    await connection.execute(
        upsert(arrival_school).on_conflict_do_nothing(), [_school(school, key) for school in told.schools]
    )
    rows = [
        _certificate(entry, {**key, "position": number * _STRIDE + position})
        for position, entry in enumerate(told.entries)
    ]
    if rows:
        await connection.execute(insert(arrival_certificate), rows)


def _school(school: ToldSchool, key: Mapping[str, object]) -> Mapping[str, object]:
    return {
        **key, "school_code": school.code, "name": school.name, "is_public": school.is_public,
        "levels": list(school.levels),
    }  # fmt: skip


def _certificate(entry: CertificateEntry, key: Mapping[str, object]) -> Mapping[str, object]:
    events: list[dict[str, Any]] = [
        {
            "state": event.state,
            "at": event.at.isoformat(),
            "effective_at": None if event.effective_at is None else event.effective_at.isoformat(),
            "reason": event.reason,
        }
        for event in entry.events
    ]
    return {
        **key, "fingerprint": entry.fingerprint, "school_code": entry.school_code, "role": entry.role,
        "not_before": entry.not_before, "not_after": entry.not_after, "events": events,
    }  # fmt: skip


async def take_lines(bench: Bench, snapshot_id: UUID, province: str, number: int, octets: bytes) -> None:
    """Take a part of the manifest; NV-128 for one that is not as it was stated."""
    async with transaction(bench.engine) as connection:
        found = await receiving(connection, snapshot_id, province)
    lines = await bench.offload.run(_read_lines, octets, found, number, bench.limits)
    async with transaction(bench.engine) as connection:
        await still_receiving(connection, found)
        kept = await connection.execute(
            upsert(arrival_part)
            .values(snapshot_id=found.snapshot_id, number=number, lines=len(lines))
            .on_conflict_do_nothing()
            .returning(arrival_part.c.number)
        )
        if kept.one_or_none() is not None:
            # Two parts that speak of one code can only be a province's mistake: the recount tells.
            rows = [_line(line, found) for line in lines]
            await connection.execute(upsert(arrival_line).on_conflict_do_nothing(), rows)


def _read_lines(octets: bytes, found: ArrivalView, number: int, limits: Limits) -> Sequence[Line]:
    part = stated_part(opened(octets, limits), found.opening.manifest, MANIFEST, number)
    try:
        return read_lines(part)
    except WireError as error:
        raise DomainError("NV-128", part=MANIFEST, number=number) from error


def _line(line: Line, found: ArrivalView) -> Mapping[str, object]:
    return {
        "snapshot_id": found.snapshot_id, "record_id": line.record_id, "school_code": line.school_code,
        "content_sha256": line.content_sha256, "xml_sha256": line.xml_sha256, "status": line.status,
        "is_late": line.is_late,
    }  # fmt: skip
