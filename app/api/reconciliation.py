"""Reconciliation over HTTP: many digests or look-up codes at once; a school's signed daily digest."""

from datetime import date, datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.api.deps import Connection, Reader, School, Service
from app.api.scope import scope_of
from app.api.texts import Asked, SchoolYearText
from app.db import database_now
from app.deadlines.calendar import end_of_day
from app.errors import DomainError
from app.ids import hex32, parse_uuid
from app.ingest.package import first_year
from app.organisations.scope import require_in_scope
from app.organisations.tree import find_organisation, legal_date
from app.reconciliation.daily import (
    LEAVES_AT_ONCE,
    HeldLeaf,
    branches_of,
    counts_of,
    held_leaves,
    root_of,
    state,
)
from app.reconciliation.known import Known, Standing, known_digests, known_records

router = APIRouter(prefix="/api/v1", tags=["digests"])

MAX_KEYS: Final = 10_000
SHA256_DIGITS: Final = 64

Key = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f-]{32,64}$")]
SchoolCodePath = Annotated[str, Path(max_length=20, description="Mã trường / school code")]
Day = Annotated[date | None, Query(description="Hết ngày này; bỏ trống: bây giờ / end of the day; none: now")]
Year = Annotated[SchoolYearText, Query(description="Năm học / school year")]


class KeysIn(Asked):
    """SHA-256 hoặc mã tra cứu, tối đa 10.000 / digests or look-up codes."""

    keys: list[Key] = Field(min_length=1, max_length=MAX_KEYS)


class KnownOut(BaseModel):
    """Câu trả lời cho một mục, theo đúng thứ tự gửi / one answer, in the order sent."""

    key: str
    status: Standing
    record_id: str | None
    package_id: str | None

    @classmethod
    def of(cls, key: str, known: Known) -> Self:
        """Write an answer out."""
        return cls(
            key=key,
            status=known.standing,
            record_id=None if known.record_id is None else hex32(known.record_id),
            package_id=None if known.package_id is None else hex32(known.package_id),
        )


class KnownAllOut(BaseModel):
    """Kết quả đối soát / what is known of each, and how many of each status."""

    counts: dict[Standing, int]
    items: list[KnownOut]


@router.post("/digests", summary="Đối soát nhiều mã một lần / Reconcile many at once")
async def reconcile(asked: KeysIn, actor: School, connection: Connection, service: Service) -> KnownAllOut:
    """Say of up to 10,000 SHA-256 or look-up codes: accepted, recalled, replaced, known or unknown.

    A digest is of a package's gzip or of a transcript's signed content, as in ``GET /digests/{sha256}``.
    DD-905 for a text that is neither.
    """
    scope = scope_of(actor, service.clock())
    digests = {key: bytes.fromhex(key) for key in asked.keys if len(key) == SHA256_DIGITS and "-" not in key}
    codes = {key: parse_uuid(key) for key in asked.keys if key not in digests}
    if None in codes.values():
        raise DomainError("DD-905", field="keys")
    by_digest = await known_digests(connection, list(set(digests.values())), scope)
    by_code = await known_records(
        connection, list({code for code in codes.values() if code is not None}), scope
    )
    found: dict[str, Known] = {key: by_digest[digest] for key, digest in digests.items()}
    found |= {key: by_code[code] for key, code in codes.items() if code is not None}
    items = [KnownOut.of(key, found[key]) for key in asked.keys]
    counts = {status: sum(item.status is status for item in items) for status in Standing}
    return KnownAllOut(counts=counts, items=items)


class DailyOut(BaseModel):
    """Bảng băm hằng ngày của một trường / a school's digest, and what the service signed."""

    school_code: str
    school_year: str
    on: date
    before: datetime
    size: int
    counts: dict[str, int]
    root: str
    statement: str = Field(description="JWS (ES256)")


class BranchOut(BaseModel):
    """Các học bạ có mã bắt đầu giống nhau / the records whose codes begin alike."""

    prefix: str
    size: int
    root: str


class LeafOut(BaseModel):
    """Một học bạ / one record."""

    record_id: str
    content_sha256: str
    status: Standing


class BranchesOut(BaseModel):
    """Một tầng của cây / one storey of the tree; records themselves where few are left."""

    prefix: str
    size: int
    root: str
    branches: list[BranchOut]
    records: list[LeafOut] | None


async def _leaves(
    connection: AsyncConnection, actor: Actor, code: str, school_year: str, on: date | None, now: datetime
) -> tuple[date, datetime, list[HeldLeaf]]:
    """Give the records held at the end of a legal day, or now; QH-005 for a school not in scope."""
    school = await find_organisation(connection, code)
    if school is None:
        raise DomainError("QH-005")
    await require_in_scope(connection, actor, school.id, legal_date(now))
    present: datetime = (await connection.execute(select(database_now()))).scalar_one()
    before = present if on is None else min(end_of_day(on), present)
    leaves = await held_leaves(connection, school.id, first_year(school_year), before)
    return on or legal_date(present), before, list(leaves)


@router.get("/schools/{code}/digest", summary="Bảng băm hằng ngày của trường / A school's daily digest")
async def daily(
    *,
    code: SchoolCodePath,
    actor: Reader,
    connection: Connection,
    service: Service,
    school_year: Year,
    on: Day = None,
) -> DailyOut:
    """Give counts and the Merkle root over what is held, signed; a vendor compares it with its own.

    A leaf is ``SHA-256(0x00 || line)``, a line ``<look-up code, 32 hex> <content SHA-256> <status>`` with
    status accepted, recalled or replaced; leaves stand in the order of the codes, joined as RFC 9162 says.
    """
    day, before, leaves = await _leaves(connection, actor, code, school_year, on, service.clock())
    return DailyOut(
        school_code=code,
        school_year=school_year,
        on=day,
        before=before,
        size=len(leaves),
        counts=dict(counts_of(leaves)),
        root=root_of(leaves).hex(),
        statement=state(
            service.keys, school_code=code, school_year=school_year, on=day, before=before, leaves=leaves
        ),
    )


@router.get("/schools/{code}/digest/branches", summary="Tìm chỗ khác nhau / Descend to the difference")
async def branches(
    *,
    code: SchoolCodePath,
    actor: Reader,
    connection: Connection,
    service: Service,
    school_year: Year,
    on: Day = None,
    prefix: Annotated[str, Query(pattern=r"^[0-9a-f]{0,31}$", description="Các chữ số đầu của mã")] = "",
) -> BranchesOut:
    """Give the roots by the next digit of the look-up codes, and the records where few are left.

    Ask with ``on`` for a day that is over: what is held now may change between two calls.
    """
    _, _, leaves = await _leaves(connection, actor, code, school_year, on, service.clock())
    below = [leaf for leaf in leaves if hex32(leaf.record_id).startswith(prefix)]
    return BranchesOut(
        prefix=prefix,
        size=len(below),
        root=root_of(below).hex(),
        branches=[
            BranchOut(prefix=branch.prefix, size=branch.size, root=branch.root.hex())
            for branch in branches_of(below, prefix)
        ],
        records=None
        if len(below) > LEAVES_AT_ONCE
        else [
            LeafOut(
                record_id=hex32(leaf.record_id),
                content_sha256=leaf.content_sha256.hex(),
                status=leaf.status,
            )
            for leaf in below
        ],
    )
