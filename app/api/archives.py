"""Hand-over over HTTP (bàn giao dữ liệu): one school's archive, made while it is sent.

It is streamed, not made beforehand by a job: nothing of a school then lies about a second time, the first
byte comes at once, and what the index signs is what was sent before it. After a cut it is begun again with
the school year it was cut in: each can be had by itself.
"""

import zipfile
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from app.api.deps import Connection, Service, ServiceState
from app.api.enrolments import PupilReader
from app.api.texts import SchoolYearText
from app.api.zip_sink import ZipSink
from app.audit import AuditTag, record_act
from app.db import database_now
from app.deadlines.calendar import in_legal_zone
from app.errors import DomainError
from app.handover.contents import File, contents
from app.handover.index import INDEX, Index
from app.ingest.package import first_year
from app.organisations.kinds import Organisation, OrganisationKind
from app.organisations.scope import require_in_scope
from app.organisations.tree import find_organisation, legal_date

router = APIRouter(prefix="/api/v1/schools", tags=["archives"])

SchoolCodePath = Annotated[str, Path(max_length=20, description="Mã trường / school code")]
Year = Annotated[
    SchoolYearText | None, Query(description="Chỉ năm học này; bỏ trống: tất cả / this year only; none: all")
]
ZIP: Final = "application/zip"


@router.get(
    "/{school_code}/archive",
    summary="Toàn bộ dữ liệu của một trường / Everything of one school",
    response_class=StreamingResponse,
    responses={200: {"content": {ZIP: {}}}},
)
async def archive(
    *,
    actor: PupilReader,
    connection: Connection,
    service: Service,
    school_code: SchoolCodePath,
    school_year: Year = None,
) -> StreamingResponse:
    """Stream a ZIP of a school's packages, records, receipts and certificates, with their history.

    Its last file, ``index.ndjson``, holds the digest of every other and the service's signature over all;
    ``hocba verify-archive`` verifies it offline. For the school's own software and the authorities above it.
    QH-005 for a school outside the caller's scope.
    """
    now = service.clock()
    school = await find_organisation(connection, school_code)
    if school is None or school.kind is not OrganisationKind.SCHOOL:
        raise DomainError("QH-005")
    await require_in_scope(connection, actor, school.id, legal_date(now))
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ARCHIVE_READ,
        subject=f"school:{school.code}",
        school_id=school.id,
        facts={"school_year": school_year},
    )
    begun_at = (await connection.execute(select(database_now()))).scalar_one()
    name = f"{school.code}-{school_year or 'tat-ca'}.zip"
    return StreamingResponse(
        _stream(service, school, school_year, begun_at),
        media_type=ZIP,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _stream(
    service: ServiceState, school: Organisation, school_year: str | None, begun_at: datetime
) -> AsyncIterator[bytes]:
    sink, index = ZipSink(), Index()
    year = None if school_year is None else first_year(school_year)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as packed:
        async for files in contents(service.engine, school, year):
            yield await service.offload.run(_pack, packed, sink, index, files, begun_at)
        last = index.close(service.keys, school_code=school.code, school_year=school_year, begun_at=begun_at)
        packed.writestr(_member(File(name=INDEX, content=last), begun_at), last)
    yield sink.drain()


def _pack(
    packed: zipfile.ZipFile, sink: ZipSink, index: Index, files: Sequence[File], begun_at: datetime
) -> bytes:
    for file in files:
        index.add(file.name, file.content)
        packed.writestr(_member(file, begun_at), file.content)
    return sink.drain()


def _member(file: File, begun_at: datetime) -> zipfile.ZipInfo:
    at = in_legal_zone(begun_at)
    member = zipfile.ZipInfo(file.name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
    member.compress_type = zipfile.ZIP_STORED if file.is_packed else zipfile.ZIP_DEFLATED
    return member
