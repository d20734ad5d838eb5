"""Looking a transcript up in public (tra cứu): by its code and the pupil's date of birth, slowly, on record.

An unknown code and a wrong date are answered alike, in the same time; the audit log keeps who was looked up
and when, never the date that was tried.
"""

import asyncio
from datetime import date, datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field
from sqlalchemy import true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Anonymous
from app.api.content_bodies import LookOut, SectionOut, tell
from app.api.contents import recalled_at
from app.api.deps import Public, Service, ServiceState, count_call
from app.api.rate_limits import Calls
from app.api.records import RecordHead, SignatureOut, head_of, present_moment
from app.api.scope import uuid_of
from app.audit import AuditTag, record_act
from app.db import transaction
from app.deadlines.locks import locks_of
from app.errors import DomainError
from app.ids import hex32
from app.organisations.looks import looks_at
from app.records import RecordStatus, RecordView, find_record, read_xml, signatures_of
from app.records.masks import MASKS, PUBLIC

router = APIRouter(prefix="/api/v1/lookup", tags=["lookup"], dependencies=[Depends(Public(Calls.LOOKUP))])

# Every answer takes at least this long, so that its time tells nothing.
FLOOR_SECONDS: Final = 0.2
LOOKS_SHOWN: Final = 50


class LookupOut(BaseModel):
    """What the public may know of a transcript whose holder's date of birth they know."""

    record_id: str
    status: RecordStatus
    full_name: str
    school_code: str
    school_year: str
    level: str
    grade: int
    class_name: str
    issued_on: date
    recalled_at: datetime | None
    replaced_by: str | None
    content_sha256: str
    xml_sha256: str
    signatures: list[SignatureOut]
    mask_version: str
    sections: list[SectionOut] = Field(description="Nội dung, phần nhạy cảm đã che / the content, masked")
    looks: list[LookOut] = Field(description="Những lượt xem gần nhất / the latest looks")

    @classmethod
    def of(cls, head: RecordHead, **beside: Any) -> Self:
        """Write the answer: the head's public part, and what stands beside it."""
        shown = {name: getattr(head, name) for name in set(cls.model_fields) - set(beside)}
        return cls(**shown, **beside)


@router.get("/{record_id}", summary="Tra cứu một học bạ / Look one transcript up")
async def look_up(
    request: Request,
    service: Service,
    record_id: Annotated[str, Path(max_length=40, description="Mã tra cứu / look-up code")],
    dob: Annotated[date, Query(description="Ngày sinh, YYYY-MM-DD / date of birth")],
) -> LookupOut:
    """Give a transcript's status, signatures, masked content, and who looked at it lately.

    QH-100 where code and date of birth do not fit together.
    """
    return await look_up_in_public(request, service, record_id, dob)


async def look_up_in_public(request: Request, service: ServiceState, record_id: str, dob: date) -> LookupOut:
    """Answer whoever knows the code and the date of birth; QH-100 alike, and as late, for all others."""
    code = uuid_of(record_id, "record_id")
    count_call(request, service, Calls.LOOKUP_CODE, hex32(code))
    loop = asyncio.get_running_loop()
    ready_at = loop.time() + FLOOR_SECONDS
    async with transaction(service.engine) as connection:
        view = await find_record(connection, code, lambda _: true())
        fits = view is not None and view.born_on == dob
        await record_act(
            connection,
            now=service.clock(),
            actor=Anonymous(request_id=request.state.request_id),
            tag=AuditTag.RECORD_LOOKED_UP if fits else AuditTag.LOOKUP_REFUSED,
            subject=f"record:{hex32(code)}",
            school_id=None if view is None else view.school_id,
        )
        answer = await _answer(connection, service, view) if view is not None and fits else None
    await asyncio.sleep(ready_at - loop.time())
    if answer is None:
        raise DomainError("QH-100")
    return answer


async def _answer(connection: AsyncConnection, service: ServiceState, view: RecordView) -> LookupOut:
    locks = await locks_of(connection, [view])
    head, events = await head_of(
        connection, view, locks_at=locks[view.record_id], as_of=await present_moment(connection)
    )
    # Whoever looks up learns that it was signed and when; the signers' names are the document's to tell.
    signatures = [
        SignatureOut.of(signature).model_copy(update={"subject": None})
        for signature in await signatures_of(connection, view)
    ]
    mask = MASKS[PUBLIC]
    sections = await service.offload.run(tell, await read_xml(connection, view), view.format_version, mask)
    looks = await looks_at(connection, view.record_id, newest_first=True, limit=LOOKS_SHOWN)
    return LookupOut.of(
        head,
        recalled_at=recalled_at(list(events)),
        signatures=signatures,
        mask_version=mask.version,
        sections=[SectionOut.of(section) for section in sections],
        looks=[LookOut.of(look) for look in looks],
    )
