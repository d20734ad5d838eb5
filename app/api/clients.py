"""Clients over HTTP: administrators keep them and record which schools authorised them."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from app.actors import Officer, Purpose, Role
from app.api.deps import Connection, Service, requires
from app.api.paging import Cursor, Limit, Page, text_after
from app.api.texts import Asked, Line, Moment, OrganisationCode, SchoolCode, identified
from app.errors import DomainError
from app.ids import hex32
from app.organisations.clients import (
    Client,
    authorise,
    create_client,
    find_client,
    list_clients,
    renew_secret,
    set_active,
    set_rate_multiplier,
    withdraw_authorisation,
)

router = APIRouter(prefix="/api/v1/clients", tags=["clients"])

Administrator = Annotated[Officer, Depends(requires(Role.ADMINISTRATOR))]
RowId = Annotated[str, Path(max_length=40, description="id của phần mềm / of the client")]
School = Annotated[str, Path(max_length=20, description="Mã trường / school code")]


class SectorIn(Asked):
    """Hệ thống ngành: mục đích, và cơ quan mà nó được tra các trường trực thuộc / a sector system."""

    purpose: Purpose
    organisation: OrganisationCode


class ClientIn(Asked):
    """Phần mềm mới / a new client."""

    name: Line
    client_id: Annotated[str | None, Field(max_length=64)] = None
    schools: list[SchoolCode] = Field(default_factory=list, max_length=5000)
    department: Annotated[
        OrganisationCode | None,
        Field(description="Hệ thống của Sở này, để chuyển bản chốt lên Bộ / this department's own instance"),
    ] = None
    sector: SectorIn | None = None


class ClientChange(Asked):
    """Khoá, mở, hoặc nâng hạn mức gọi / a change."""

    is_active: bool | None = None
    rate_multiplier: Annotated[
        int | None, Field(ge=1, le=1000, description="Hệ số hạn mức gọi / how often as often as others")
    ] = None


class AuthorisationIn(Asked):
    """Thời hạn uỷ quyền / until when."""

    valid_to: Moment | None = None


class ClientOut(BaseModel):
    """Một phần mềm / a client."""

    id: str
    client_id: str
    name: str
    is_active: bool
    created_at: datetime
    rate_multiplier: int
    schools: list[str]
    department: str | None
    purpose: Purpose | None = Field(description="Hệ thống ngành tra cứu để làm gì / of a sector system")
    organisation: str | None = Field(description="Tra các trường thuộc cơ quan này / looks up below it")

    @classmethod
    def of(cls, found: Client, **more: str) -> Self:
        """Write out a client."""
        return cls(
            id=hex32(found.id),
            client_id=found.client_id,
            name=found.name,
            is_active=found.is_active,
            created_at=found.created_at,
            rate_multiplier=found.rate_multiplier,
            schools=list(found.school_codes),
            department=found.department_code,
            purpose=found.purpose,
            organisation=found.organisation_code,
            **more,
        )


class ClientWithSecret(ClientOut):
    """Phần mềm và mật khẩu, chỉ hiện một lần / with its secret, shown this once."""

    client_secret: str


@router.get("", summary="Danh sách phần mềm / Clients")
async def listing(
    _: Administrator, connection: Connection, service: Service, limit: Limit = 100, cursor: Cursor = None
) -> Page[ClientOut]:
    """List clients in the order of their client ids, with the schools they may act for now."""
    after = text_after(cursor)
    found = await list_clients(connection, at=service.clock(), after=after, limit=limit + 1)
    return Page.cut(found, limit, show=ClientOut.of, place=lambda row: row.client_id)


@router.post("", status_code=201, summary="Tạo phần mềm / Create a client")
async def create(
    asked: ClientIn, actor: Administrator, connection: Connection, service: Service
) -> ClientWithSecret:
    """Create a client; the answer is the only place where its secret is ever shown."""
    made, secret = await create_client(
        connection,
        name=asked.name,
        school_codes=asked.schools,
        department_code=asked.department,
        client_id=asked.client_id,
        sector=None if asked.sector is None else (asked.sector.purpose, asked.sector.organisation),
        now=service.clock(),
        actor=actor,
    )
    return ClientWithSecret.of(made, client_secret=secret)


@router.patch("/{row_id}", summary="Sửa phần mềm / Change a client")
async def change(
    row_id: RowId, asked: ClientChange, actor: Administrator, connection: Connection, service: Service
) -> ClientOut:
    """Disable or enable (tokens of a disabled client stop at once), or let it call more often."""
    now, id_ = service.clock(), identified(row_id)
    if asked.is_active is not None:
        await set_active(connection, id_, is_active=asked.is_active, now=now, actor=actor)
    if asked.rate_multiplier is not None:
        await set_rate_multiplier(
            connection, id_, rate_multiplier=asked.rate_multiplier, now=now, actor=actor
        )
    return await _present(connection, row_id, now)


@router.post("/{row_id}/secret", summary="Cấp lại mật khẩu / Renew the secret")
async def renew(
    row_id: RowId, actor: Administrator, connection: Connection, service: Service
) -> ClientWithSecret:
    """Replace the secret; tokens already issued live out their time."""
    secret = await renew_secret(connection, identified(row_id), now=service.clock(), actor=actor)
    found = await find_client(connection, identified(row_id), service.clock())
    assert found is not None
    return ClientWithSecret.of(found, client_secret=secret)


@router.put(
    "/{row_id}/schools/{school_code}", summary="Ghi nhận uỷ quyền của trường / Record an authorisation"
)
async def allow(
    *,
    row_id: RowId,
    school_code: School,
    asked: AuthorisationIn | None = None,
    actor: Administrator,
    connection: Connection,
    service: Service,
) -> ClientOut:
    """Let the client act for a school from now on until ``valid_to``, if given; again: change its end."""
    now = service.clock()
    await authorise(
        connection,
        identified(row_id),
        school_code,
        now=now,
        actor=actor,
        valid_to=None if asked is None else asked.valid_to,
    )
    return await _present(connection, row_id, now)


@router.delete("/{row_id}/schools/{school_code}", summary="Chấm dứt uỷ quyền / End an authorisation")
async def disallow(
    row_id: RowId, school_code: School, actor: Administrator, connection: Connection, service: Service
) -> ClientOut:
    """End the client's right to act for a school; it takes effect at once."""
    now = service.clock()
    await withdraw_authorisation(connection, identified(row_id), school_code, now=now, actor=actor)
    return await _present(connection, row_id, now)


async def _present(connection: Connection, row_id: str, now: datetime) -> ClientOut:
    found = await find_client(connection, identified(row_id), now)
    if found is None:
        raise DomainError("QH-005")
    return ClientOut.of(found)
