"""Accounts of officers (tài khoản cán bộ): a person, a role, an organisation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor, Role
from app.audit import AuditTag, record_act
from app.errors import DomainError
from app.ids import uuid7
from app.organisations.kinds import ROLE_KINDS
from app.organisations.tables import account, organisation
from app.organisations.tree import find_organisation

_USERNAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{2,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account as it stands; the password's hash never leaves this room with it."""

    id: UUID
    username: str
    full_name: str
    role: Role
    organisation_id: int
    organisation_code: str
    external_subject: str | None
    is_active: bool
    created_at: datetime
    tokens_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDraft:
    """An account as it is asked for; signs in by password, by an external identity, or by either."""

    username: str
    full_name: str
    role: Role
    organisation_code: str
    password_hash: str | None = None
    external_subject: str | None = None


def _accounts() -> Select[tuple[object, ...]]:
    return select(account, organisation.c.code.label("organisation_code")).join(
        organisation, organisation.c.id == account.c.organisation_id
    )


def _account(row: Row[tuple[object, ...]]) -> Account:
    return Account(
        id=row.id,
        username=row.username,
        full_name=row.full_name,
        role=Role(row.role),
        organisation_id=row.organisation_id,
        organisation_code=row.organisation_code,
        external_subject=row.external_subject,
        is_active=row.is_active,
        created_at=row.created_at,
        tokens_since=row.tokens_since,
    )


async def find_account(connection: AsyncConnection, account_id: UUID) -> Account | None:
    """Find an account by its id."""
    row = (await connection.execute(_accounts().where(account.c.id == account_id))).one_or_none()
    return None if row is None else _account(row)


async def account_of_subject(connection: AsyncConnection, external_subject: str) -> Account | None:
    """Find the account of a person whom the external identity provider vouches for."""
    row = (
        await connection.execute(_accounts().where(account.c.external_subject == external_subject))
    ).one_or_none()
    return None if row is None else _account(row)


async def sign_in_facts(connection: AsyncConnection, username: str) -> tuple[Account | None, str | None]:
    """Give the account of a user name and its password hash; the caller does equal work without one."""
    if _USERNAME.fullmatch(username) is None:
        return None, None
    row = (await connection.execute(_accounts().where(account.c.username == username))).one_or_none()
    return (None, None) if row is None else (_account(row), row.password_hash)


async def list_accounts(
    connection: AsyncConnection, *, after: str | None = None, limit: int
) -> Sequence[Account]:
    """Give accounts in the order of their user names."""
    statement = _accounts().order_by(account.c.username).limit(limit)
    if after is not None:
        statement = statement.where(account.c.username > after)
    return [_account(row) for row in await connection.execute(statement)]


async def create_account(
    connection: AsyncConnection, draft: AccountDraft, *, now: datetime, actor: Actor
) -> Account:
    """Add an account.

    Refuses with QH-051 a malformed user name, QH-057 an unknown organisation, QH-053 a role that its kind
    cannot have, QH-054 an account nobody could sign in to, QH-050 a name or subject that is taken.
    """
    if _USERNAME.fullmatch(draft.username) is None:
        raise DomainError("QH-051")
    if draft.password_hash is None and draft.external_subject is None:
        raise DomainError("QH-054")
    belongs_to = await find_organisation(connection, draft.organisation_code)
    if belongs_to is None:
        raise DomainError("QH-057", organisation_code=draft.organisation_code)
    if belongs_to.kind not in ROLE_KINDS[draft.role]:
        raise DomainError("QH-053", role=draft.role, kind=belongs_to.kind)
    account_id = uuid7(now)
    inserted = await connection.execute(
        insert(account)
        .values(
            id=account_id,
            username=draft.username,
            password_hash=draft.password_hash,
            external_subject=draft.external_subject,
            full_name=draft.full_name,
            role=draft.role,
            organisation_id=belongs_to.id,
        )
        .on_conflict_do_nothing()
    )
    if inserted.rowcount != 1:
        raise DomainError("QH-050", username=draft.username)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ACCOUNT_CREATED,
        subject=account_id.hex,
        facts={"username": draft.username, "role": draft.role, "organisation": belongs_to.code},
    )
    return await _present(connection, account_id)


async def change_account(
    connection: AsyncConnection,
    account_id: UUID,
    *,
    now: datetime,
    actor: Actor,
    is_active: bool | None = None,
    full_name: str | None = None,
    password_hash: str | None = None,
) -> Account:
    """Enable or disable an account, rename its holder, or set a new password, which ends all its tokens.

    Refuses with QH-005 an unknown account and QH-055 disabling the last active administrator.
    A role or organisation is never changed: another post is another account.
    """
    found = await find_account(connection, account_id)
    if found is None:
        raise DomainError("QH-005")
    if is_active is False and found.role is Role.ADMINISTRATOR:
        await _require_another_administrator(connection, account_id)
    asked = {"is_active": is_active, "full_name": full_name, "password_hash": password_hash}
    changes = {field: value for field, value in asked.items() if value is not None}
    if not changes:
        return found
    ended = {} if password_hash is None else {"tokens_since": now}
    await connection.execute(update(account).where(account.c.id == account_id).values(**changes, **ended))
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ACCOUNT_CHANGED,
        subject=account_id.hex,
        facts={"changed": ", ".join(sorted(changes)), "is_active": is_active},
    )
    return await _present(connection, account_id)


async def count_administrators(connection: AsyncConnection) -> int:
    """Give how many administrators can sign in."""
    statement = select(func.count()).where(account.c.role == Role.ADMINISTRATOR, account.c.is_active)
    return int((await connection.execute(statement)).scalar_one())


async def _require_another_administrator(connection: AsyncConnection, leaving: UUID) -> None:
    """Lock the administrators' rows, so that two cannot disable each other at once."""
    rows = await connection.execute(
        select(account.c.id)
        .where(account.c.role == Role.ADMINISTRATOR, account.c.is_active)
        .order_by(account.c.id)
        .with_for_update()
    )
    if not {row.id for row in rows} - {leaving}:
        raise DomainError("QH-055")


async def _present(connection: AsyncConnection, account_id: UUID) -> Account:
    return _account((await connection.execute(_accounts().where(account.c.id == account_id))).one())
