"""A transcript's content over HTTP, masked by role: as JSON, as a print; and who has looked at it."""

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, SectorSystem, Submitter
from app.api.audit_log import place_of
from app.api.content_bodies import LookOut, SectionOut, tell
from app.api.deps import Connection, Reader, Service, Viewer
from app.api.paging import Cursor, Limit, Page, write_cursor
from app.api.records import RecordHead, SignatureOut, find_in_scope, head_of, present_moment
from app.api.wording import STATUSES, alarm_of, look_up_path, moment_in_words
from app.deadlines.calendar import in_legal_zone
from app.deadlines.locks import locks_of
from app.organisations.looks import looks_at
from app.printing.form import Print, render
from app.records import EventView, RecordEventKind, RecordStatus, RecordView, read_xml, signatures_of
from app.records.masks import MASKS, Mask

router = APIRouter(prefix="/api/v1/records", tags=["records"])

RecordId = Annotated[str, Path(max_length=40, description="Mã tra cứu: UUID / look-up code")]
PDF: Final = "application/pdf"


class ContentOut(BaseModel):
    """Nội dung học bạ theo quyền người xem / a transcript's content, as far as the caller may see it."""

    record_id: str
    status: RecordStatus
    recalled_at: datetime | None
    replaced_by: str | None
    content_sha256: str
    xml_sha256: str
    audience: str = Field(description="Nhóm người xem quyết định phần bị che / whom the mask is for")
    mask_version: str
    sections: list[SectionOut]
    signatures: list[SignatureOut]


def audience_of(actor: Submitter | Officer | SectorSystem) -> str:
    """Say for whom content is masked: by role, for a sector system by its purpose."""
    return str(actor.purpose if isinstance(actor, SectorSystem) else actor.role)


def recalled_at(events: list[EventView]) -> datetime | None:
    """Say since when a record is recalled; None for one that is not."""
    return next((event.at for event in events if event.kind is RecordEventKind.RECALLED), None)


@router.get("/{record_id}/content", summary="Nội dung học bạ / A transcript's content")
async def content(connection: Connection, service: Service, actor: Viewer, record_id: RecordId) -> ContentOut:
    """Give what the verified XML tells, in sections; sensitive groups are masked by the caller's role.

    For readers in their scope, and for sector systems (admissions, transfer) below their organisation.
    """
    view = await find_in_scope(connection, actor, record_id, service, "content")
    head, events = await _present(connection, view)
    audience = audience_of(actor)
    mask = MASKS[audience]
    sections = await service.offload.run(tell, await read_xml(connection, view), view.format_version, mask)
    return ContentOut(
        record_id=head.record_id,
        status=head.status,
        recalled_at=recalled_at(events),
        replaced_by=head.replaced_by,
        content_sha256=head.content_sha256,
        xml_sha256=head.xml_sha256,
        audience=audience,
        mask_version=mask.version,
        sections=[SectionOut.of(section) for section in sections],
        signatures=[SignatureOut.of(signature) for signature in await signatures_of(connection, view)],
    )


@router.get(
    "/{record_id}/pdf",
    summary="Bản in (PDF) / The printable form",
    response_class=Response,
    responses={200: {"content": {PDF: {}}}},
)
async def pdf(connection: Connection, service: Service, actor: Viewer, record_id: RecordId) -> Response:
    """Give a print of the content, masked by the caller's role, with a QR code to look the record up.

    It is rendered from the verified XML and is not the original: it says so on every page.
    """
    view = await find_in_scope(connection, actor, record_id, service, "pdf")
    head, events = await _present(connection, view)
    xml = await read_xml(connection, view)
    moment = in_legal_zone(await present_moment(connection))
    asked = _Asked(
        head=head,
        alarm=alarm_of(head.status, recalled_at(events), head.replaced_by),
        look_up=f"{service.settings.address}{look_up_path(head.record_id)}",
        printed_at=f"{moment:%d/%m/%Y %H:%M %z}",
        signatures=[
            (
                signature.role,
                "" if signature.signed_at is None else moment_in_words(signature.signed_at),
                signature.fingerprint or "",
            )
            for signature in await signatures_of(connection, view)
        ],
    )
    printed = await service.offload.run(_print, xml, view.format_version, MASKS[audience_of(actor)], asked)
    headers = {"Content-Disposition": f'attachment; filename="{head.record_id}.pdf"'}
    return Response(printed, media_type=PDF, headers=headers)


class _Asked(BaseModel):
    """What stands on a print beside the content."""

    head: RecordHead
    alarm: str | None
    look_up: str
    printed_at: str
    signatures: list[tuple[str, str, str]]


def _print(xml: bytes, format_version: str, mask: Mask, asked: _Asked) -> bytes:
    head = asked.head
    return render(
        Print(
            record_code=head.record_id,
            status=STATUSES[head.status],
            alarm=asked.alarm,
            sections=tell(xml, format_version, mask),
            marks=[
                ("Tiếp nhận lúc / received at", moment_in_words(head.received_at)),
                ("SHA-256 nội dung / of the content", head.content_sha256),
                ("SHA-256 tệp XML / of the XML", head.xml_sha256),
                ("Che dữ liệu, bản / masks, edition", mask.version),
            ],
            signatures=asked.signatures,
            look_up=asked.look_up,
            printed_at=asked.printed_at,
        )
    )


@router.get("/{record_id}/looks", summary="Ai đã xem học bạ này / Who looked at it")
async def looks(
    *,
    connection: Connection,
    service: Service,
    actor: Reader,
    record_id: RecordId,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[LookOut]:
    """List every look, oldest first: when, which kind of asker, of which body; never a person's name.

    The family reads the latest of them in the public look-up. Reading the list is a look, too.
    """
    after = place_of(cursor)
    view = await find_in_scope(connection, actor, record_id, service, "looks")
    found = await looks_at(connection, view.record_id, after=after, limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    return Page(
        items=[LookOut.of(look) for look in found[:limit]],
        next_cursor=None if last is None else write_cursor(last.at.isoformat(), last.id),
    )


async def _present(connection: AsyncConnection, view: RecordView) -> tuple[RecordHead, list[EventView]]:
    locks = await locks_of(connection, [view])
    head, events = await head_of(
        connection, view, locks_at=locks[view.record_id], as_of=await present_moment(connection)
    )
    return head, list(events)
