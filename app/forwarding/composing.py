"""What a province puts together from its database to forward: registrations, manifest parts, transcripts."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Text, and_, cast, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import transaction
from app.formats.profile import SignerRole
from app.forwarding.registrations import ToldCertificate, ToldEvent, ToldSchool, sign_registrations
from app.forwarding.tables import forwarding_opening, forwarding_registration
from app.forwarding.wire import Opening, SentTranscript, digest, sign_opening, write_lines
from app.ids import hex32
from app.ingest.receipts import ReceiptKind
from app.ingest.tables import receipt
from app.keys import KeyRing
from app.offload import Offload
from app.organisations.tables import account, organisation
from app.records.packing import DamagedRecordError, unpack
from app.records.tables import record, record_claim
from app.snapshots.reading import SnapshotView, manifest_pages
from app.snapshots.tables import snapshot_school
from app.verify.certificates.standing import CertificateState
from app.verify.certificates.tables import certificate, certificate_event

# Schools read from the database at a time.
SCHOOLS_A_READ: Final = 200

log = structlog.get_logger()


async def opening_of(engine: AsyncEngine, keys: KeyRing, found: SnapshotView, turn: int) -> str:
    """Give the opening of a round: composed once, with the registrations as they stand then, and kept."""
    async with transaction(engine) as connection:
        held = await _held_opening(connection, found.id, turn)
    if held is not None:
        return held
    manifest = [digest(write_lines(lines)) async for lines in manifest_pages(engine, found.id)]
    async with transaction(engine) as connection:
        schools = [school async for school in _schools(connection, found.id)]
        registrations = list(sign_registrations(keys, found.id, turn, schools))
        opening = Opening(
            snapshot_id=found.id,
            round=turn,
            statement=digest(found.statement.encode()),
            registrations=tuple(digest(token.encode()) for token in registrations),
            manifest=tuple(manifest),
        )
        await _keep(connection, opening, sign_opening(keys, opening), registrations)
    async with transaction(engine) as connection:
        kept = await _held_opening(connection, found.id, turn)
    assert kept is not None
    return kept


async def _held_opening(connection: AsyncConnection, snapshot_id: UUID, turn: int) -> str | None:
    token: str | None = await connection.scalar(
        select(forwarding_opening.c.token).where(
            forwarding_opening.c.snapshot_id == snapshot_id, forwarding_opening.c.round == turn
        )
    )
    return token


async def _keep(
    connection: AsyncConnection, opening: Opening, token: str, registrations: Sequence[str]
) -> None:
    """Keep an opening with its registrations, unless another worker has kept one for this round."""
    key = {"snapshot_id": opening.snapshot_id, "round": opening.round}
    kept = await connection.execute(
        upsert(forwarding_opening)
        .values(**key, token=token)
        .on_conflict_do_nothing()
        .returning(forwarding_opening.c.round)
    )
    if kept.one_or_none() is not None and registrations:
        rows = [{**key, "number": number, "token": part} for number, part in enumerate(registrations)]
        await connection.execute(insert(forwarding_registration), rows)


async def registration_part(connection: AsyncConnection, snapshot_id: UUID, turn: int, number: int) -> str:
    """Give a part of a round's registrations as it was signed."""
    table = forwarding_registration.c
    statement = select(table.token).where(
        table.snapshot_id == snapshot_id, table.round == turn, table.number == number
    )
    token: str = (await connection.execute(statement)).scalar_one()
    return token


async def _schools(connection: AsyncConnection, snapshot_id: UUID) -> AsyncIterator[ToldSchool]:
    """Give the schools whose records stand in a snapshot, with all certificates that they registered."""
    statement = select(snapshot_school.c.school_id, snapshot_school.c.school_code)
    rows = await connection.execute(statement.where(snapshot_school.c.snapshot_id == snapshot_id))
    # By the code that the lines have, which is the school's as the snapshot was sealed.
    codes = {row.school_id: row.school_code for row in rows}
    ids = sorted(codes)
    for first in range(0, len(ids), SCHOOLS_A_READ):
        some = ids[first : first + SCHOOLS_A_READ]
        certificates = await _certificates(connection, some)
        schools = await connection.execute(
            select(organisation).where(organisation.c.id.in_(some)).order_by(organisation.c.id)
        )
        for row in schools:
            yield ToldSchool(
                code=codes[row.id],
                name=row.name,
                is_public=row.is_public,
                levels=tuple(row.levels),
                certificates=tuple(certificates.get(row.id, ())),
            )


async def _certificates(
    connection: AsyncConnection, school_ids: Collection[int]
) -> Mapping[int, Sequence[ToldCertificate]]:
    """Give the certificates of schools with every decision, and the authority whose officer took it."""
    authority = organisation.alias("authority")
    event = certificate_event.c
    # An officer is named in the history by 32 hex digits.
    is_officer = func.replace(cast(account.c.id, Text), "-", "") == event.actor_id
    rows = await connection.execute(
        select(
            certificate.c.id, certificate.c.school_id, certificate.c.role, certificate.c.der,
            event.target, event.at, event.effective_at, event.reason, event.reason_code,
            authority.c.code.label("decided_by"),
        )
        .join(certificate_event, event.certificate_id == certificate.c.id)
        .outerjoin(account, is_officer)
        .outerjoin(authority, authority.c.id == account.c.organisation_id)
        .where(certificate.c.school_id.in_(school_ids))
        .order_by(certificate.c.school_id, certificate.c.id, event.at, event.id)
    )  # fmt: skip
    told: dict[int, dict[UUID, list[Any]]] = {}
    for row in rows:
        told.setdefault(row.school_id, {}).setdefault(row.id, []).append(row)
    return {id_: [_told(events) for events in histories.values()] for id_, histories in told.items()}


def _told(rows: Sequence[Any]) -> ToldCertificate:
    return ToldCertificate(
        role=SignerRole(rows[0].role),
        der=rows[0].der,
        events=tuple(
            ToldEvent(
                state=CertificateState(row.target),
                at=row.at,
                effective_at=row.effective_at,
                reason=row.reason or row.reason_code,
                decided_by=row.decided_by,
            )
            for row in rows
        ),
    )


async def transcripts(
    connection: AsyncConnection, record_ids: Collection[UUID], offload: Offload
) -> Sequence[SentTranscript]:
    """Give transcripts by their look-up codes, in order: the stored octets and the receipt given for them.

    One that cannot be read any more is left out: the ministry tells that it is missing.
    """
    base = record.alias("base")
    of_record = and_(
        record.c.school_id == record_claim.c.school_id,
        record.c.school_year == record_claim.c.school_year,
        record.c.record_id == record_claim.c.record_id,
    )
    of_base = and_(
        base.c.school_id == record.c.school_id,
        base.c.school_year == record.c.school_year,
        base.c.record_id == record.c.leans_on,
    )
    accepted = (
        select(receipt.c.jws)
        .where(
            receipt.c.school_id == record.c.school_id,
            receipt.c.school_year == record.c.school_year,
            receipt.c.record_id == record.c.record_id,
            receipt.c.kind == ReceiptKind.ACCEPTANCE,
        )
        .order_by(receipt.c.package_id, receipt.c.round)
        .limit(1)
        .scalar_subquery()
    )
    rows = await connection.execute(
        select(
            record.c.record_id, record.c.format_version, record.c.xml, record.c.xml_sha256,
            base.c.xml.label("base"), accepted.label("receipt"),
        )
        .select_from(record_claim)
        .join(record, of_record)
        .outerjoin(base, of_base)
        .where(record_claim.c.record_id.in_(sorted(record_ids)))
        .order_by(record.c.record_id)
    )  # fmt: skip
    return await offload.run(_unpacked, rows.all())


def _unpacked(rows: Sequence[Any]) -> Sequence[SentTranscript]:
    found: list[SentTranscript] = []
    for row in rows:
        try:
            xml = unpack(row.record_id, row.xml, xml_sha256=row.xml_sha256, base=row.base)
        except DamagedRecordError:
            log.error("record damaged", record=hex32(row.record_id))  # noqa: TRY400 - the code says it all
            continue
        found.append(
            SentTranscript(
                record_id=row.record_id,
                format_version=row.format_version,
                receipt=row.receipt or "",
                xml=xml,
            )
        )
    return found
