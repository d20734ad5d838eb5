"""Transcripts that the ministry holds (bản sao tại Bộ): by look-up code, given back as they were signed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import DomainError
from app.forwarding.tables import arrival, arrival_line, forwarded_claim, forwarded_record
from app.records.packing import unpack
from app.records.status import RecordStatus
from app.snapshots.scopes import SnapshotKind


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedIn:
    """A snapshot that states the transcript, and how it stood at its cut-off."""

    snapshot_id: UUID
    kind: SnapshotKind
    cut_off: datetime
    status: RecordStatus
    is_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyView:
    """A transcript as the ministry holds it.

    Attributes:
        received_at: when the province took it in charge, by its receipt.
        verified_at: when the ministry did.
        signatures: each as the ministry judged it.
        stated_in: the snapshots that arrived and state it, oldest cut-off first.
    """

    record_id: UUID
    province_code: str
    school_year: int
    school_code: str
    level: str
    grade: int
    format_version: str
    policy_version: str
    content_sha256: bytes
    xml_sha256: bytes
    receipt: str
    received_at: datetime
    verified_at: datetime
    signatures: Sequence[Mapping[str, Any]]
    stated_in: Sequence[StatedIn]


def _is(record_id: UUID, province: str | None) -> Any:
    own = [
        forwarded_record.c.province_code == forwarded_claim.c.province_code,
        forwarded_record.c.school_year == forwarded_claim.c.school_year,
        forwarded_record.c.record_id == forwarded_claim.c.record_id,
        forwarded_claim.c.record_id == record_id,
    ]
    return and_(*own) if province is None else and_(*own, forwarded_claim.c.province_code == province)


async def find_copy(connection: AsyncConnection, record_id: UUID, province: str | None) -> CopyView:
    """Give a transcript of a province (or of any) by its look-up code; QH-005 where none is held."""
    names = [name for name in CopyView.__dataclass_fields__ if name in forwarded_record.c]
    row = (
        await connection.execute(
            select(*(forwarded_record.c[name] for name in names)).where(_is(record_id, province))
        )
    ).one_or_none()
    if row is None:
        raise DomainError("QH-005")
    stated = await connection.execute(
        select(
            arrival.c.snapshot_id, arrival.c.kind, arrival.c.cut_off, arrival_line.c.status,
            arrival_line.c.is_late,
        )
        .join(arrival_line, arrival_line.c.snapshot_id == arrival.c.snapshot_id)
        .where(arrival_line.c.record_id == record_id, arrival.c.province_code == row.province_code)
        .order_by(arrival.c.cut_off)
    )  # fmt: skip
    return CopyView(
        **row._mapping,  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
        stated_in=[
            StatedIn(
                snapshot_id=one.snapshot_id,
                kind=SnapshotKind(one.kind),
                cut_off=one.cut_off,
                status=RecordStatus(one.status),
                is_late=one.is_late,
            )
            for one in stated
        ],
    )


async def read_copy(connection: AsyncConnection, found: CopyView) -> bytes:
    """Give the octets that were verified, unchanged."""
    packed: bytes = (
        await connection.execute(
            select(forwarded_record.c.xml).where(_is(found.record_id, found.province_code))
        )
    ).scalar_one()
    return unpack(found.record_id, packed, xml_sha256=found.xml_sha256)
