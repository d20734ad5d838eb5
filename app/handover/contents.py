"""What an archive of one school holds, file after file, each read by itself.

Files are small beside what a school holds: one package (as it was sent), or one transcript. Between two of
them no connection is held, so that a slow reader keeps nobody waiting. What is read is only ever appended to;
a file tells the state of the moment at which it was read.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import and_, select, true
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import transaction
from app.ids import hex32
from app.ingest.package import school_year_of
from app.ingest.tables import finding, item, package, package_progress, receipt
from app.organisations.kinds import Organisation
from app.organisations.tables import organisation
from app.records import find_record, read_xml
from app.records.packing import DamagedRecordError
from app.records.tables import custody, record, record_event, record_signature
from app.verify.certificates.tables import certificate, certificate_event

README: Final = (
    "Bàn giao dữ liệu học bạ số của một trường / One school's digital transcripts, handed over\n\n"
    "packages/<id>.xml.gz    gói như trường đã gửi / the package as it was sent\n"
    "packages/<id>.json      kết quả và biên nhận đã ký (JWS) / its answers and signed receipts\n"
    "records/<id>.xml        học bạ đã ký, như đã kiểm tra / the signed transcript as it was verified\n"
    "records/<id>.json       lịch sử, chữ ký, biên nhận / its history, signatures and receipt\n"
    "certificates/<id>.der   chứng thư số đã đăng ký / a certificate as registered\n"
    "certificates/<id>.json  lịch sử của chứng thư số / its history\n"
    "index.ndjson            xác nhận đã ký, SHA-256 từng tệp / signed statement, each file's SHA-256\n\n"
    "Kiểm tra ngoại tuyến / verify offline: hocba verify-archive FILE --jwks jwks.json\n"
)
_AT_ONCE: Final = 20
# What is told in another form, or is of this database alone.
_NOT_OF_RECORD: Final = ("xml", "xml_encoding", "leans_on", "school_id", "pupil_key", "born_on")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of the archive; ``is_packed`` where compressing it again would be for nothing."""

    name: str
    content: bytes
    is_packed: bool = False


async def contents(
    engine: AsyncEngine, school: Organisation, school_year: int | None
) -> AsyncIterator[Sequence[File]]:
    """Give everything of a school, or of one school year of it, a few files at a time.

    Its records are those that it issued, and those it manages since they were handed over to it.
    """
    yield [
        File(name="README.txt", content=README.encode()),
        _json("school.json", code=school.code, name=school.name, levels=list(school.levels)),
    ]
    async with transaction(engine) as connection:
        certificates = await _certificates(connection, school.id)
        packages = await _package_ids(connection, school.id, school_year)
        records = await _record_keys(connection, school.id, school_year)
    yield certificates
    for package_id in packages:
        async with transaction(engine) as connection:
            files = await _package(connection, school.id, package_id)
        yield files
    for start in range(0, len(records), _AT_ONCE):
        async with transaction(engine) as connection:
            files = await _records(connection, records[start : start + _AT_ONCE])
        yield files


def _json(name: str, /, **members: Any) -> File:
    text = json.dumps(members, ensure_ascii=False, indent=1, default=_plain)
    return File(name=name, content=text.encode() + b"\n")


def _plain(value: object) -> str:
    if isinstance(value, UUID):
        return hex32(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    raise TypeError(type(value).__name__)


def _all(row: Any, *, without: Sequence[str] = ()) -> dict[str, Any]:
    return {name: value for name, value in row._mapping.items() if name not in without}  # noqa: SLF001 - SQLAlchemy's documented way to a mapping


async def _certificates(connection: AsyncConnection, school_id: int) -> list[File]:
    files: list[File] = []
    rows = await connection.execute(
        select(certificate).where(certificate.c.school_id == school_id).order_by(certificate.c.id)
    )
    for row in rows.all():
        events = await connection.execute(
            select(certificate_event)
            .where(certificate_event.c.certificate_id == row.id)
            .order_by(certificate_event.c.at, certificate_event.c.id)
        )
        name = f"certificates/{hex32(row.id)}"
        history = [_all(event, without=("id", "certificate_id", "actor_id")) for event in events]
        files += [
            File(name=f"{name}.der", content=bytes(row.der)),
            _json(f"{name}.json", **_all(row, without=("der", "school_id", "registered_by")), events=history),
        ]
    return files


async def _package_ids(
    connection: AsyncConnection, school_id: int, school_year: int | None
) -> Sequence[UUID]:
    statement = select(package.c.package_id).where(package.c.school_id == school_id)
    if school_year is not None:
        statement = statement.where(package.c.school_year == school_year)
    rows = await connection.execute(statement.order_by(package.c.received_at, package.c.package_id))
    return rows.scalars().all()


async def _package(connection: AsyncConnection, school_id: int, package_id: UUID) -> list[File]:
    key = (package.c.school_id == school_id, package.c.package_id == package_id)
    row = (
        await connection.execute(
            select(package, *_columns(package_progress, "school_id", "package_id"))
            .join(
                package_progress,
                and_(
                    package_progress.c.school_id == package.c.school_id,
                    package_progress.c.package_id == package.c.package_id,
                ),
            )
            .where(*key)
        )
    ).one()
    answers: dict[int, dict[str, Any]] = {}
    for table in (item, receipt, finding):
        order = [table.c[name] for name in ("position", "round", "sequence") if name in table.c]
        found = await connection.execute(
            select(table)
            .where(
                table.c.school_id == school_id,
                table.c.school_year == row.school_year,
                table.c.package_id == package_id,
            )
            .order_by(*order)
        )
        for one in found:
            members = _all(one, without=("school_id", "school_year", "package_id", "position"))
            place = answers.setdefault(one.position, {"position": one.position})
            if table is item:
                place.update(members)
            else:
                place.setdefault(f"{table.name}s", []).append(members)
    name = f"packages/{hex32(package_id)}"
    return [
        File(name=f"{name}.xml.gz", content=bytes(row.payload), is_packed=True),
        _json(
            f"{name}.json",
            **{
                **_all(row, without=("payload", "school_id", "client_id")),
                "school_year": school_year_of(row.school_year),
            },
            answers=[answers[position] for position in sorted(answers)],
        ),
    ]


def _columns(table: Any, *without: str) -> list[Any]:
    return [column for column in table.c if column.name not in without]


async def _record_keys(
    connection: AsyncConnection, school_id: int, school_year: int | None
) -> Sequence[tuple[int, int, UUID]]:
    """Give issuer, school year and look-up code of each record, in order."""
    own = select(record.c.school_id, record.c.school_year, record.c.record_id).where(
        record.c.school_id == school_id
    )
    taken = select(custody.c.issuer_id, custody.c.school_year, custody.c.record_id).where(
        custody.c.school_id == school_id
    )
    if school_year is not None:
        own = own.where(record.c.school_year == school_year)
        taken = taken.where(custody.c.school_year == school_year)
    found = {
        (row[0], row[1], row[2]) for statement in (own, taken) for row in await connection.execute(statement)
    }
    return sorted(found)


async def _records(connection: AsyncConnection, keys: Sequence[tuple[int, int, UUID]]) -> list[File]:
    files: list[File] = []
    for school_id, school_year, record_id in keys:
        row = (
            await connection.execute(
                select(*_columns(record, *_NOT_OF_RECORD), organisation.c.code.label("school_code"))
                .join(organisation, organisation.c.id == record.c.school_id)
                .where(
                    record.c.school_id == school_id,
                    record.c.school_year == school_year,
                    record.c.record_id == record_id,
                )
            )
        ).one()
        key = {"school_id": school_id, "school_year": school_year, "record_id": record_id}
        beside = {
            f"{name}s": await _of_record(connection, table, order, key)
            for name, table, order in (
                ("event", record_event, ("at", "id")),
                ("signature", record_signature, ("position",)),
                ("receipt", receipt, ("package_id", "position", "round")),
            )
        }
        name = f"records/{hex32(record_id)}"
        xml = await _xml(connection, record_id)
        if xml is not None:
            files.append(File(name=f"{name}.xml", content=xml))
        members = {
            **_all(row),
            "school_year": school_year_of(school_year),
            "issued_on": row.issued_on.isoformat(),
            "is_damaged": xml is None,
        }
        files.append(_json(f"{name}.json", **members, **beside))
    return files


async def _xml(connection: AsyncConnection, record_id: UUID) -> bytes | None:
    """Give the bytes as they were verified; None where they cannot be read any more.

    The package as it was sent has them, too: one damaged row does not keep a school from all the others.
    """
    view = await find_record(connection, record_id, lambda _: true())
    assert view is not None
    try:
        return await read_xml(connection, view)
    except DamagedRecordError:
        log.error("record damaged", record=hex32(record_id))  # noqa: TRY400 - the code says it all
        return None


async def _of_record(
    connection: AsyncConnection, table: Any, order: Sequence[str], key: Mapping[str, object]
) -> list[Mapping[str, Any]]:
    rows = await connection.execute(
        select(table)
        .where(*(table.c[name] == value for name, value in key.items()))
        .order_by(*(table.c[name] for name in order))
    )
    return [_all(row, without=("school_id", "school_year", "record_id", "id", "actor_id")) for row in rows]
