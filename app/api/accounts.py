"""Accounts over HTTP: administrators keep them; a password is set, never read."""

from datetime import datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field, SecretStr

from app.actors import Officer, Role
from app.api.deps import Connection, Service, ServiceState, requires
from app.api.paging import Cursor, Limit, Page, text_after
from app.api.texts import Asked, Line, OrganisationCode, identified
from app.ids import hex32
from app.organisations.accounts import Account, AccountDraft, change_account, create_account, list_accounts
from app.organisations.passwords import hash_password

router = APIRouter(prefix="/api/v1/accounts", tags=["accounts"])

Administrator = Annotated[Officer, Depends(requires(Role.ADMINISTRATOR))]


class AccountIn(Asked):
    """Tài khoản mới / a new account."""

    username: Annotated[str, Field(max_length=64, examples=["canbo.tanlap"])]
    full_name: Line
    role: Role
    organisation: OrganisationCode
    password: SecretStr | None = None
    external_subject: Line | None = Field(default=None, description="sub của OIDC / of OIDC")


class AccountChange(Asked):
    """Sửa tài khoản / a change."""

    is_active: bool | None = None
    full_name: Line | None = None
    password: SecretStr | None = None


class AccountOut(BaseModel):
    """Một tài khoản / an account."""

    account_id: str
    username: str
    full_name: str
    role: Role
    organisation: str
    external_subject: str | None
    is_active: bool
    created_at: datetime

    @classmethod
    def of(cls, found: Account) -> Self:
        """Write out an account."""
        return cls(
            account_id=hex32(found.id),
            username=found.username,
            full_name=found.full_name,
            role=found.role,
            organisation=found.organisation_code,
            external_subject=found.external_subject,
            is_active=found.is_active,
            created_at=found.created_at,
        )


@router.get("", summary="Danh sách tài khoản / Accounts")
async def listing(
    _: Administrator, connection: Connection, limit: Limit = 100, cursor: Cursor = None
) -> Page[AccountOut]:
    """List accounts in the order of their user names."""
    found = await list_accounts(connection, after=text_after(cursor), limit=limit + 1)
    return Page.cut(found, limit, show=AccountOut.of, place=lambda row: row.username)


@router.post("", status_code=201, summary="Tạo tài khoản / Create an account")
async def create(
    asked: AccountIn, actor: Administrator, connection: Connection, service: Service
) -> AccountOut:
    """Create an officer's account, with a password, an external identity, or both."""
    draft = AccountDraft(
        username=asked.username,
        full_name=asked.full_name,
        role=asked.role,
        organisation_code=asked.organisation,
        password_hash=await _hashed(service, asked.password),
        external_subject=asked.external_subject,
    )
    return AccountOut.of(await create_account(connection, draft, now=service.clock(), actor=actor))


@router.patch("/{account_id}", summary="Sửa tài khoản / Change an account")
async def change(
    account_id: Annotated[str, Path(max_length=40)],
    asked: AccountChange,
    actor: Administrator,
    connection: Connection,
    service: Service,
) -> AccountOut:
    """Enable, disable, rename, or set a password; tokens of a disabled account stop at once."""
    changed = await change_account(
        connection,
        identified(account_id),
        now=service.clock(),
        actor=actor,
        is_active=asked.is_active,
        full_name=asked.full_name,
        password_hash=await _hashed(service, asked.password),
    )
    return AccountOut.of(changed)


async def _hashed(service: ServiceState, password: SecretStr | None) -> str | None:
    if password is None:
        return None
    return await service.offload.run(hash_password, password.get_secret_value())
