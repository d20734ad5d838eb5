"""Records over HTTP: what is known of one, its verified bytes, its receipt, one pupil's years."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.api.deps import Connection, Reader, Service, ServiceState
from app.api.explanations import ExplanationOut
from app.api.scope import scope_of, uuid_of
from app.api.snapshot_bodies import HoldingOut
from app.api.texts import Moment
from app.audit import AuditTag, record_act
from app.db import database_now
from app.deadlines.calendar import in_legal_zone
from app.deadlines.locks import locks_of
from app.errors import DomainError
from app.ids import hex32
from app.ingest.answers import record_receipt
from app.ingest.package import school_year_of
from app.ingest.queries import explanations_of_item
from app.recalls.life import RecallState
from app.recalls.register import RecallOfRecord, recalls_of_record
from app.records import (
    EventView,
    RecordEventKind,
    RecordStatus,
    RecordView,
    SignatureView,
    events_of,
    find_record,
    pupil_records,
    read_xml,
    signatures_of,
    status_of,
)
from app.snapshots.reading import snapshots_containing
from app.verify.revocation.answer import EvidenceKind, RevocationStatus

router = APIRouter(prefix="/api/v1", tags=["records"])

RecordId = Annotated[str, Path(max_length=40, description="Mã tra cứu: UUID / look-up code")]
XML = "application/xml"
AsOf = Annotated[Moment | None, Query(description="Tại thời điểm; trống: bây giờ / none: now")]


class EventOut(BaseModel):
    """One thing that happened to a record."""

    kind: RecordEventKind
    at: datetime
    facts: dict[str, str]

    @classmethod
    def of(cls, event: EventView) -> Self:
        """Write an event out."""
        return cls(kind=event.kind, at=event.at, facts=event.facts)


class SignatureOut(BaseModel):
    """One signature, as it was judged when the record was made."""

    position: int
    role: str
    indication: str
    fingerprint: str | None
    subject: str | None
    signed_at: datetime | None
    algorithm: str | None

    @classmethod
    def of(cls, signature: SignatureView) -> Self:
        """Write a signature out."""
        return cls(**{name: getattr(signature, name) for name in cls.model_fields})


class EvidenceOut(BaseModel):
    """What the revocation of one certificate was judged by; without a source nothing was known."""

    certificate: str = Field(description="SHA-256 của chứng thư số / of the certificate")
    status: RevocationStatus
    source: EvidenceKind | None = None
    sha256: str | None = Field(
        default=None, description="của CRL hay câu trả lời OCSP / of the list or answer"
    )
    number: str | None = Field(default=None, description="số CRL, hệ 16 / the list's number, hexadecimal")
    produced_at: datetime | None = Field(default=None, description="thisUpdate")
    next_update: datetime | None = None


class JudgedSignatureOut(SignatureOut):
    """A signature with what was known of its certificates' revocation then, the signer's first."""

    evidence: list[EvidenceOut] = Field(
        description="Rỗng khi chính sách không kiểm tra thu hồi / empty where the policy asked for none"
    )


class RecordHead(BaseModel):
    """A record without what only its document tells; no sensitive field is here."""

    record_id: str
    school_code: str = Field(description="Trường phát hành / the issuing school")
    managed_by: str = Field(description="Trường đang quản lý / the school that manages it now")
    school_year: str
    level: str
    grade: int
    class_name: str
    student_id: str
    full_name: str
    status: RecordStatus
    is_completed: bool
    is_digitised: bool
    replaces: str | None
    replaced_by: str | None
    issued_on: date
    received_at: datetime
    late: bool = Field(description="Gửi sau mốc chốt / received after its cut-off")
    locks_at: datetime = Field(description="Thời điểm chốt / from when it is in force and unchangeable")
    package_id: str
    position: int
    content_sha256: str
    xml_sha256: str
    schema_version: str
    circular: str
    policy_version: str
    calendar_version: str

    @classmethod
    def of(
        cls, view: RecordView, status: RecordStatus, events: Sequence[EventView], locks_at: datetime
    ) -> Self:
        """Write a record's head out."""
        return cls(
            record_id=hex32(view.record_id),
            school_code=view.school_code,
            managed_by=_last(events, RecordEventKind.CUSTODY_TRANSFERRED, "to_school") or view.school_code,
            school_year=school_year_of(view.school_year),
            level=view.level,
            grade=view.grade,
            class_name=view.class_name,
            student_id=view.student_code,
            full_name=view.full_name,
            status=status,
            is_completed=view.is_completed,
            is_digitised=view.is_digitised,
            replaces=None if view.replaces is None else hex32(view.replaces),
            replaced_by=_last(events, RecordEventKind.REPLACED, "by"),
            issued_on=view.issued_on,
            received_at=view.received_at,
            late=view.is_late,
            locks_at=in_legal_zone(locks_at),
            package_id=hex32(view.package_id),
            position=view.position,
            content_sha256=view.content_sha256.hex(),
            xml_sha256=view.xml_sha256.hex(),
            schema_version=view.format_version,
            circular=view.circular,
            policy_version=view.policy_version,
            calendar_version=view.calendar_version,
        )


def _last(events: Sequence[EventView], kind: RecordEventKind, fact: str) -> str | None:
    """Give a fact of the latest event of a kind, if there is one."""
    return next((event.facts[fact] for event in reversed(events) if event.kind is kind), None)


class RecallLine(BaseModel):
    """Một yêu cầu thu hồi học bạ này / a request for this record's recall."""

    recall_id: str
    status: RecallState
    reason_code: str
    requested_at: datetime

    @classmethod
    def of(cls, request: RecallOfRecord) -> Self:
        """Write a request out."""
        return cls(
            recall_id=hex32(request.recall_id),
            status=request.state,
            reason_code=request.reason_code,
            requested_at=request.requested_at,
        )


class RecordOut(RecordHead):
    """A record with its history and its signatures."""

    events: list[EventOut]
    recalls: list[RecallLine]
    explanations: list[ExplanationOut]
    snapshots: list[HoldingOut] = Field(description="Bản chốt có học bạ này / sealed snapshots that hold it")
    signatures: list[JudgedSignatureOut]


class PupilOut(BaseModel):
    """All school years of one pupil, oldest first."""

    student_id: str
    items: list[RecordHead]
    next_cursor: None = None


async def find_in_scope(
    connection: AsyncConnection, actor: Actor, record_id: str, service: ServiceState, part: str
) -> RecordView:
    """Find a record in the caller's scope (else QH-005) and note in the audit log who looked at what."""
    now = service.clock()
    view = await find_record(connection, uuid_of(record_id, "record_id"), scope_of(actor, now))
    if view is None:
        raise DomainError("QH-005")
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.RECORD_READ,
        subject=f"record:{hex32(view.record_id)}",
        school_id=view.school_id,
        facts={"part": part},
    )
    return view


async def head_of(
    connection: AsyncConnection, view: RecordView, *, locks_at: datetime, as_of: datetime
) -> tuple[RecordHead, Sequence[EventView]]:
    """Give a record as it was at a moment; QH-005 before it was recorded, when it was not there."""
    found = await _head_at(connection, view, locks_at=locks_at, as_of=as_of)
    if found is None:
        raise DomainError("QH-005")
    return found


async def _head_at(
    connection: AsyncConnection, view: RecordView, *, locks_at: datetime, as_of: datetime
) -> tuple[RecordHead, Sequence[EventView]] | None:
    events = [event for event in await events_of(connection, view) if event.at <= as_of]
    status = status_of([(event.kind, event.at) for event in events], as_of=as_of, locks_at=locks_at)
    return None if status is None else (RecordHead.of(view, status, events, locks_at), events)


async def present_moment(connection: AsyncConnection) -> datetime:
    """Give the database's present moment, which events are dated by."""
    moment: datetime = (await connection.execute(select(database_now()))).scalar_one()
    return moment


@router.get("/records/{record_id}", summary="Một học bạ / One record")
async def read(
    *, connection: Connection, service: Service, actor: Reader, record_id: RecordId, as_of: AsOf = None
) -> RecordOut:
    """Give a record's status, history and snapshots as of a moment; signatures and requests as they stand."""
    view = await find_in_scope(connection, actor, record_id, service, "head")
    locks = await locks_of(connection, [view])
    moment = as_of or await present_moment(connection)
    head, events = await head_of(connection, view, locks_at=locks[view.record_id], as_of=moment)
    snapshots = (await snapshots_containing(connection, [view.record_id])).get(view.record_id, ())
    return RecordOut(
        **head.model_dump(),
        events=[EventOut.of(event) for event in events],
        explanations=[
            ExplanationOut.of(given)
            for given in await explanations_of_item(connection, view.package_id, view.position)
        ],
        snapshots=[HoldingOut.of(found) for found in snapshots if found.sealed_at <= moment],
        recalls=[RecallLine.of(made) for made in await recalls_of_record(connection, view.record_id)],
        signatures=[JudgedSignatureOut.of(signature) for signature in await signatures_of(connection, view)],
    )


@router.get(
    "/records/{record_id}/xml",
    summary="XML đã ký, như đã kiểm tra / The signed XML as verified",
    response_class=Response,
    responses={200: {"content": {XML: {}}}},
)
async def xml(connection: Connection, service: Service, actor: Reader, record_id: RecordId) -> Response:
    """Give the very bytes that were verified; they verify alone with any XMLDSig tool."""
    view = await find_in_scope(connection, actor, record_id, service, "xml")
    headers = {"Content-Disposition": f'attachment; filename="{hex32(view.record_id)}.xml"'}
    return Response(await read_xml(connection, view), media_type=XML, headers=headers)


@router.get(
    "/records/{record_id}/receipt",
    summary="Biên nhận đã ký / The signed receipt",
    response_class=Response,
    responses={200: {"content": {"application/jose": {}}}},
)
async def receipt(connection: Connection, service: Service, actor: Reader, record_id: RecordId) -> Response:
    """Give the receipt of the record's acceptance: a compact JWS that verifies offline."""
    view = await find_in_scope(connection, actor, record_id, service, "receipt")
    jws = await record_receipt(
        connection, school_id=view.school_id, school_year=view.school_year, record_id=view.record_id
    )
    if jws is None:
        raise DomainError("QH-005")
    return Response(jws, media_type="application/jose")


@router.get("/students/{student_id}/records", summary="Các năm học của một học sinh / One pupil's years")
async def pupil(
    connection: Connection,
    service: Service,
    actor: Reader,
    student_id: Annotated[
        str,
        Path(pattern=r"^[0-9A-Za-z]{1,20}$", description="Mã học sinh hoặc số định danh / pupil code or id"),
    ],
    as_of: AsOf = None,
) -> PupilOut:
    """Give all years of one pupil that the caller may read, as they stood at a moment.

    They are linked by the pupil's identity; what was not recorded yet at that moment was not there.
    """
    now = service.clock()
    views = await pupil_records(connection, student_id, scope_of(actor, now))
    if not views:
        raise DomainError("QH-005")
    for view in views:
        await record_act(
            connection,
            now=now,
            actor=actor,
            tag=AuditTag.PUPIL_READ,
            subject=f"record:{hex32(view.record_id)}",
            school_id=view.school_id,
        )
    locks, moment = await locks_of(connection, views), as_of or await present_moment(connection)
    found = [await _head_at(connection, view, locks_at=locks[view.record_id], as_of=moment) for view in views]
    heads = [held[0] for held in found if held is not None]
    if not heads:
        raise DomainError("QH-005")
    return PupilOut(student_id=views[-1].student_code, items=heads)
