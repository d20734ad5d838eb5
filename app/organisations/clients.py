"""Clients (phần mềm): a vendor's, with the schools that authorised it; a department's; a sector system's."""

import re
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    DateTime,
    Row,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Purpose
from app.audit import AuditTag, record_act
from app.errors import DomainError
from app.ids import uuid7
from app.organisations.kinds import Organisation, OrganisationKind
from app.organisations.passwords import hash_secret, make_secret
from app.organisations.tables import client, client_school, organisation, province_client
from app.organisations.tree import find_organisation

_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client as it stands at a moment, with the schools it may act for; never its secret.

    Attributes:
        department_id: where it is a department's own instance, which forwards to the ministry: of which.
    """

    id: UUID
    client_id: str
    name: str
    is_active: bool
    created_at: datetime
    school_ids: frozenset[int]
    school_codes: tuple[str, ...]
    rate_multiplier: int
    department_id: int | None = None
    department_code: str | None = None
    purpose: Purpose | None = None
    organisation_id: int | None = None
    organisation_code: str | None = None


def _authorised(at: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    return and_(
        client_school.c.valid_from <= at,
        or_(client_school.c.valid_to.is_(None), client_school.c.valid_to > at),
    )


def _clients(at: datetime | BindParameter[datetime]) -> Select[tuple[object, ...]]:
    """Read a client and its present schools in one row."""
    ids = func.array_agg(organisation.c.id).filter(organisation.c.id.is_not(None))
    codes = func.array_agg(organisation.c.code).filter(organisation.c.code.is_not(None))
    department, sector = organisation.alias("department"), organisation.alias("sector")
    return (
        select(
            client,
            ids.label("school_ids"),
            codes.label("school_codes"),
            department.c.id.label("department_id"),
            department.c.code.label("department_code"),
            sector.c.code.label("organisation_code"),
        )
        .outerjoin(province_client, province_client.c.client_id == client.c.id)
        .outerjoin(department, department.c.id == province_client.c.department_id)
        .outerjoin(sector, sector.c.id == client.c.organisation_id)
        .outerjoin(client_school, and_(client_school.c.client_id == client.c.id, _authorised(at)))
        .outerjoin(organisation, organisation.c.id == client_school.c.school_id)
        .group_by(client.c.id, department.c.id, sector.c.id)
    )


def _client(row: Row[tuple[object, ...]]) -> Client:
    return Client(
        id=row.id,
        client_id=row.client_id,
        name=row.name,
        is_active=row.is_active,
        created_at=row.created_at,
        school_ids=frozenset(row.school_ids or ()),
        school_codes=tuple(sorted(row.school_codes or ())),
        rate_multiplier=row.rate_multiplier,
        department_id=row.department_id,
        department_code=row.department_code,
        purpose=None if row.purpose is None else Purpose(row.purpose),
        organisation_id=row.organisation_id,
        organisation_code=row.organisation_code,
    )


async def find_client(connection: AsyncConnection, row_id: UUID, at: datetime) -> Client | None:
    """Find a client by the id of its row, with the schools it may act for at that moment."""
    row = (await connection.execute(_BY_ID, {"row_id": row_id, "at": at})).one_or_none()
    return None if row is None else _client(row)


_BY_ID: Final = _clients(bindparam("at", type_=DateTime(timezone=True))).where(
    client.c.id == bindparam("row_id")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a client id is checked against; ``row_id`` is None where there is no such client."""

    row_id: UUID | None = None
    secret_hash: str | None = field(default=None, repr=False)
    is_active: bool = False
    purpose: Purpose | None = None


async def credentials(connection: AsyncConnection, client_id: str) -> Credentials:
    """Give what a client id is checked against; the caller does equal work where there is nothing."""
    if _CLIENT_ID.fullmatch(client_id) is None:
        return Credentials()
    row = (
        await connection.execute(
            select(client.c.id, client.c.secret_hash, client.c.is_active, client.c.purpose).where(
                client.c.client_id == client_id
            )
        )
    ).one_or_none()
    if row is None:
        return Credentials()
    return Credentials(
        row_id=row.id,
        secret_hash=row.secret_hash,
        is_active=row.is_active,
        purpose=None if row.purpose is None else Purpose(row.purpose),
    )


async def list_clients(
    connection: AsyncConnection, *, at: datetime, after: str | None = None, limit: int
) -> Sequence[Client]:
    """Give clients in the order of their client ids."""
    statement = _clients(at).order_by(client.c.client_id).limit(limit)
    if after is not None:
        statement = statement.where(client.c.client_id > after)
    return [_client(row) for row in await connection.execute(statement)]


async def create_client(
    connection: AsyncConnection,
    *,
    name: str,
    school_codes: Collection[str] = (),
    department_code: str | None = None,
    client_id: str | None = None,
    sector: tuple[Purpose, str] | None = None,
    now: datetime,
    actor: Actor,
) -> tuple[Client, str]:
    """Add a client; gives it and its secret, which is shown this once and kept only as a digest.

    It acts for schools, or is a department's own instance, or a sector system (its purpose, and the code of
    the authority below which it looks up). Refuses with QH-056 a client id that is taken or malformed, QH-057
    a code that is no school's, QH-120 one that is no department's or stands beside schools, QH-101 a sector
    system for schools or a department, or below what is no authority.
    """
    department = await _department(connection, department_code, school_codes)
    chosen = client_id or f"client-{secrets.token_hex(6)}"
    if _CLIENT_ID.fullmatch(chosen) is None:
        raise DomainError("QH-056", client_id=chosen)
    purpose, below = await _sector(connection, sector, [*school_codes, *filter(None, [department_code])])
    row_id, secret = uuid7(now), make_secret()
    inserted = await connection.execute(
        insert(client)
        .values(
            id=row_id,
            client_id=chosen,
            name=name,
            secret_hash=hash_secret(secret),
            purpose=purpose,
            organisation_id=below,
        )
        .on_conflict_do_nothing()
    )
    if inserted.rowcount != 1:
        raise DomainError("QH-056", client_id=chosen)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.CLIENT_CREATED,
        subject=row_id.hex,
        facts={"client_id": chosen, "name": name, "department": department_code, "purpose": purpose},
    )
    if department is not None:
        await connection.execute(
            insert(province_client).values(client_id=row_id, department_id=department.id)
        )
    for code in sorted(set(school_codes)):
        await authorise(connection, row_id, code, now=now, actor=actor)
    return await _present(connection, row_id, now), secret


async def _sector(
    connection: AsyncConnection, sector: tuple[Purpose, str] | None, beside: Collection[str]
) -> tuple[Purpose | None, int | None]:
    """Give purpose and organisation of a sector system; QH-101 where they do not fit."""
    if sector is None:
        return None, None
    purpose, code = sector
    below = await find_organisation(connection, code)
    if beside or below is None or below.kind is OrganisationKind.SCHOOL:
        raise DomainError("QH-101", organisation_code=code)
    return purpose, below.id


async def authorise(
    connection: AsyncConnection,
    row_id: UUID,
    school_code: str,
    *,
    now: datetime,
    actor: Actor,
    valid_to: datetime | None = None,
) -> None:
    """Record that a school lets the client act for it, from now until ``valid_to`` or until further notice.

    Said again, it changes the end and nothing else. Refuses with QH-005 an unknown client, QH-057 a code that
    is no school's, QH-120 a department's instance, QH-101 a sector system, QH-045 an end that is not to come.
    """
    if valid_to is not None and valid_to <= now:
        raise DomainError("QH-045")
    await _require(connection, row_id, is_for_schools=True)
    school = await _school(connection, school_code)
    if await connection.scalar(
        select(province_client.c.client_id).where(province_client.c.client_id == row_id)
    ):
        raise DomainError("QH-120", organisation_code=school_code)
    current = and_(
        client_school.c.client_id == row_id, client_school.c.school_id == school.id, _authorised(now)
    )
    found = (await connection.execute(select(client_school.c.valid_to).where(current))).one_or_none()
    if found is None:
        await connection.execute(
            insert(client_school).values(
                client_id=row_id, school_id=school.id, valid_from=now, valid_to=valid_to
            )
        )
    elif found.valid_to != valid_to:
        await connection.execute(update(client_school).where(current).values(valid_to=valid_to))
    else:
        return
    await _record_change(connection, row_id, "authorised", school, now=now, actor=actor)


async def withdraw_authorisation(
    connection: AsyncConnection, row_id: UUID, school_code: str, *, now: datetime, actor: Actor
) -> None:
    """End a client's authorisation for a school; QH-005 where there is none, QH-057 for no school's code."""
    school = await _school(connection, school_code)
    ended = await connection.execute(
        update(client_school)
        .where(client_school.c.client_id == row_id, client_school.c.school_id == school.id, _authorised(now))
        .values(valid_to=now)
    )
    if ended.rowcount == 0:
        raise DomainError("QH-005")
    await _record_change(connection, row_id, "withdrawn", school, now=now, actor=actor)


async def set_active(
    connection: AsyncConnection, row_id: UUID, *, is_active: bool, now: datetime, actor: Actor
) -> Client:
    """Enable or disable a client; its tokens stop working at once. QH-005 for an unknown one."""
    await _require(connection, row_id)
    await connection.execute(update(client).where(client.c.id == row_id).values(is_active=is_active))
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.CLIENT_CHANGED,
        subject=row_id.hex,
        facts={"is_active": is_active},
    )
    return await _present(connection, row_id, now)


async def set_rate_multiplier(
    connection: AsyncConnection, row_id: UUID, *, rate_multiplier: int, now: datetime, actor: Actor
) -> Client:
    """Let a client call so many times as often as others (1 to 1,000). QH-005 for an unknown one."""
    await _require(connection, row_id)
    await connection.execute(
        update(client).where(client.c.id == row_id).values(rate_multiplier=rate_multiplier)
    )
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.CLIENT_CHANGED,
        subject=row_id.hex,
        facts={"rate_multiplier": rate_multiplier},
    )
    return await _present(connection, row_id, now)


async def renew_secret(connection: AsyncConnection, row_id: UUID, *, now: datetime, actor: Actor) -> str:
    """Give the client a new secret, shown this once; the old one no longer gets tokens. QH-005 if unknown."""
    await _require(connection, row_id)
    secret = make_secret()
    await connection.execute(
        update(client).where(client.c.id == row_id).values(secret_hash=hash_secret(secret))
    )
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.CLIENT_CHANGED,
        subject=row_id.hex,
        facts={"secret": "renewed"},
    )
    return secret


async def _require(connection: AsyncConnection, row_id: UUID, *, is_for_schools: bool = False) -> None:
    found = await connection.execute(select(client.c.purpose).where(client.c.id == row_id).with_for_update())
    row = found.one_or_none()
    if row is None:
        raise DomainError("QH-005")
    if is_for_schools and row.purpose is not None:
        raise DomainError("QH-101", organisation_code="-")


async def _department(
    connection: AsyncConnection, code: str | None, school_codes: Collection[str]
) -> Organisation | None:
    if code is None:
        return None
    found = await find_organisation(connection, code)
    if found is None or found.kind is not OrganisationKind.DEPARTMENT or school_codes:
        raise DomainError("QH-120", organisation_code=code)
    return found


async def _school(connection: AsyncConnection, code: str) -> Organisation:
    school = await find_organisation(connection, code)
    if school is None or school.kind is not OrganisationKind.SCHOOL:
        raise DomainError("QH-057", organisation_code=code)
    return school


async def _record_change(
    connection: AsyncConnection,
    row_id: UUID,
    change: str,
    school: Organisation,
    *,
    now: datetime,
    actor: Actor,
) -> None:
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.CLIENT_CHANGED,
        subject=row_id.hex,
        school_id=school.id,
        facts={"school": school.code, "authorisation": change},
    )


async def _present(connection: AsyncConnection, row_id: UUID, at: datetime) -> Client:
    return _client((await connection.execute(_clients(at).where(client.c.id == row_id))).one())
