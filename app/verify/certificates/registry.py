"""The register of certificates (sổ đăng ký chứng thư số): what is registered, with its whole history."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Row, Select, Text, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.db import Prepared
from app.formats.profile import SignerRole
from app.organisations.scope import in_scope
from app.organisations.tables import organisation
from app.verify.certificates.standing import CertificateEntry, CertificateEvent, CertificateState
from app.verify.certificates.tables import certificate, certificate_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One certificate as a school registered it for a role, in its present state."""

    id: UUID
    school_id: int
    school_code: str
    school_name: str
    school_is_public: bool
    role: SignerRole
    state: CertificateState
    fingerprint: str
    key_fingerprint: str
    der: bytes
    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    renews: UUID | None
    registered_at: datetime
    registered_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One line of a certificate's history: what it became, who decided, why."""

    source: CertificateState | None
    target: CertificateState
    at: datetime
    effective_at: datetime | None
    actor_kind: str
    actor_id: str
    reason: str | None
    reason_code: str | None


def _registrations() -> Select[tuple[object, ...]]:
    return select(
        certificate,
        organisation.c.code.label("school_code"),
        organisation.c.name.label("school_name"),
        organisation.c.is_public.label("school_is_public"),
    ).join(organisation, organisation.c.id == certificate.c.school_id)


def _registration(row: Row[tuple[object, ...]]) -> Registration:
    return Registration(
        id=row.id,
        school_id=row.school_id,
        school_code=row.school_code,
        school_name=row.school_name,
        school_is_public=row.school_is_public,
        role=SignerRole(row.role),
        state=CertificateState(row.state),
        fingerprint=row.fingerprint,
        key_fingerprint=row.key_fingerprint,
        der=row.der,
        subject=row.subject,
        issuer=row.issuer,
        serial_number=row.serial_number,
        not_before=row.not_before,
        not_after=row.not_after,
        renews=row.renews,
        registered_at=row.registered_at,
        registered_by=row.registered_by,
    )


async def find_registration(connection: AsyncConnection, certificate_id: UUID) -> Registration | None:
    """Find a registered certificate by its id, in nobody's scope in particular."""
    statement = _registrations().where(certificate.c.id == certificate_id)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _registration(row)


async def list_registrations(
    connection: AsyncConnection,
    *,
    actor: Actor,
    on: date,
    state: CertificateState | None = None,
    school_code: str | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[Registration]:
    """Give the registrations that the caller may see on that day, oldest first."""
    statement = (
        _registrations()
        .where(in_scope(certificate.c.school_id, actor, on))
        .order_by(certificate.c.id)
        .limit(limit)
    )
    if state is not None:
        statement = statement.where(certificate.c.state == state)
    if school_code is not None:
        statement = statement.where(organisation.c.code == school_code)
    if after is not None:
        statement = statement.where(certificate.c.id > after)
    return [_registration(row) for row in await connection.execute(statement)]


async def history(connection: AsyncConnection, certificate_id: UUID) -> Sequence[HistoryLine]:
    """Give a certificate's history, oldest first."""
    rows = await connection.execute(
        select(certificate_event)
        .where(certificate_event.c.certificate_id == certificate_id)
        .order_by(certificate_event.c.at, certificate_event.c.id)
    )
    return [
        HistoryLine(
            source=None if row.source is None else CertificateState(row.source),
            target=CertificateState(row.target),
            at=row.at,
            effective_at=row.effective_at,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id,
            reason=row.reason,
            reason_code=row.reason_code,
        )
        for row in rows
    ]


async def same_key_elsewhere(connection: AsyncConnection, found: Registration) -> Sequence[str]:
    """Give where else the same key is registered, as ``school code (role)``, whoever it belongs to."""
    rows = await connection.execute(
        select(organisation.c.code, certificate.c.role)
        .join(organisation, organisation.c.id == certificate.c.school_id)
        .where(certificate.c.key_fingerprint == found.key_fingerprint, certificate.c.id != found.id)
        .distinct()
        .order_by(organisation.c.code, certificate.c.role)
    )
    own = (found.school_code, found.role)
    return [f"{row.code} ({row.role})" for row in rows if (row.code, row.role) != own]


_IS_WANTED: Final = certificate.c.fingerprint == any_(bindparam("fingerprints", type_=ARRAY(Text)))
_ENTRIES: Final = Prepared(
    select(
        certificate.c.id,
        certificate.c.fingerprint,
        certificate.c.role,
        certificate.c.not_before,
        certificate.c.not_after,
        organisation.c.code.label("school_code"),
        certificate_event.c.target,
        certificate_event.c.at,
        certificate_event.c.effective_at,
        certificate_event.c.reason,
        certificate_event.c.reason_code,
    )
    .join(organisation, organisation.c.id == certificate.c.school_id)
    .join(certificate_event, certificate_event.c.certificate_id == certificate.c.id)
    .where(_IS_WANTED)
    .order_by(certificate.c.id, certificate_event.c.at, certificate_event.c.id)
)
_HOLD_STILL: Final = Prepared(
    select(certificate.c.id).where(_IS_WANTED).order_by(certificate.c.id).with_for_update(read=True)
)


async def entries_for(
    connection: AsyncConnection, fingerprints: Collection[str]
) -> Mapping[str, Sequence[CertificateEntry]]:
    """Give every registration of these certificates with its history, by fingerprint, in one query.

    The same certificate may be registered by several schools; one that nobody registered is not in the
    answer. The state column is not read: standing follows from the history alone.
    """
    if not fingerprints:
        return {}
    rows = await _ENTRIES.rows(connection, fingerprints=sorted(fingerprints))
    entries: dict[str, list[CertificateEntry]] = {}
    for _, group in itertools.groupby(rows, key=lambda row: row["id"]):
        entry = _entry(list(group))
        entries.setdefault(entry.fingerprint, []).append(entry)
    return entries


def _entry(rows: Sequence[Mapping[str, Any]]) -> CertificateEntry:
    first = rows[0]
    return CertificateEntry(
        fingerprint=first["fingerprint"],
        school_code=first["school_code"],
        role=SignerRole(first["role"]),
        not_before=first["not_before"],
        not_after=first["not_after"],
        events=tuple(
            CertificateEvent(
                state=CertificateState(row["target"]),
                at=row["at"],
                effective_at=row["effective_at"],
                reason=row["reason"] or row["reason_code"],
            )
            for row in rows
        ),
    )


async def hold_still(connection: AsyncConnection, fingerprints: Collection[str]) -> None:
    """Let no decision about these certificates commit before the caller's transaction ends."""
    await _HOLD_STILL.rows(connection, fingerprints=sorted(fingerprints))
