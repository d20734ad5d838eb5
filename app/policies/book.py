"""The book of policies: reading what holds at a moment, writing a choice."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Row, bindparam, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role
from app.audit import AuditTag, record_act
from app.db import database_now
from app.errors import DomainError
from app.ids import uuid7
from app.organisations.kinds import LEVELS, OrganisationKind
from app.organisations.tree import find_organisation, organisation_by_id
from app.policies.policy_set import DEFINITIONS, PolicyChoice, PolicyKey, PolicySet, Value
from app.policies.tables import policy_value


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDraft:
    """A choice as it is asked for; ``valid_from`` none: from now on."""

    key: PolicyKey
    value: Value | None
    reason: str
    province: str | None = None
    level: str | None = None
    school_year: int | None = None
    valid_from: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyEntry:
    """A choice with who made it, when and why."""

    choice: PolicyChoice
    reason: str
    author_kind: str
    author: str
    made_at: datetime


def _choice(row: Row[tuple[object, ...]]) -> PolicyChoice:
    return PolicyChoice(
        id=row.id,
        key=PolicyKey(row.key),
        province=row.province,
        level=row.level,
        school_year=row.school_year,
        value=row.value,
        valid_from=row.valid_from,
    )


_AT: Final = select(policy_value).where(policy_value.c.valid_from <= bindparam("moment"))


async def policies_at(connection: AsyncConnection, moment: datetime) -> PolicySet:
    """Give what holds at a moment (aware)."""
    rows = await connection.execute(_AT, {"moment": moment})
    return PolicySet.as_of([_choice(row) for row in rows], moment)


async def list_choices(
    connection: AsyncConnection,
    *,
    key: PolicyKey | None = None,
    province: str | None = None,
    after: UUID | None = None,
    limit: int,
) -> Sequence[PolicyEntry]:
    """Give the choices ever made, oldest first; of a province: its own and those for the whole country."""
    statement = select(policy_value).order_by(policy_value.c.id).limit(limit)
    if key is not None:
        statement = statement.where(policy_value.c.key == key)
    if province is not None:
        statement = statement.where(
            or_(policy_value.c.province == province, policy_value.c.province.is_(None))
        )
    if after is not None:
        statement = statement.where(policy_value.c.id > after)
    return [
        PolicyEntry(
            choice=_choice(row),
            reason=row.reason,
            author_kind=row.author_kind,
            author=row.author,
            made_at=row.made_at,
        )
        for row in await connection.execute(statement)
    ]


async def choose(
    connection: AsyncConnection, draft: PolicyDraft, *, now: datetime, officer: Officer
) -> PolicyEntry:
    """Write a choice down, with its audit line.

    Refuses with QH-091 a value that the policy does not allow, QH-092 an unknown province or level, QH-093 a
    province that is not the officer's to decide for, QH-094 a beginning in the past: what was done under a
    policy stays as it was.
    """
    definition = DEFINITIONS[draft.key]
    if draft.value is not None and not definition.allows(draft.value):
        raise DomainError("QH-091", key=draft.key, allowed=definition.allowed)
    await _require_place(connection, draft)
    await _require_province(connection, officer, draft.province)
    made_at = (await connection.execute(select(database_now()))).scalar_one()
    if draft.valid_from is not None and draft.valid_from < made_at:
        raise DomainError("QH-094", valid_from=draft.valid_from.isoformat())
    choice = PolicyChoice(
        id=uuid7(now),
        key=draft.key,
        province=draft.province,
        level=draft.level,
        school_year=draft.school_year,
        value=draft.value,
        valid_from=draft.valid_from or made_at,
    )
    entry = PolicyEntry(
        choice=choice, reason=draft.reason, author_kind=officer.kind, author=officer.id, made_at=made_at
    )
    await _insert(connection, entry)
    await record_act(
        connection,
        now=now,
        actor=officer,
        tag=AuditTag.POLICY_CHOSEN,
        subject=choice.key,
        facts={
            "province": choice.province,
            "level": choice.level,
            "school_year": choice.school_year,
            "value": choice.value,
        },
    )
    return entry


async def _insert(connection: AsyncConnection, entry: PolicyEntry) -> None:
    choice = entry.choice
    await connection.execute(
        insert(policy_value).values(
            id=choice.id,
            key=choice.key,
            province=choice.province,
            level=choice.level,
            school_year=choice.school_year,
            value=choice.value,
            valid_from=choice.valid_from,
            reason=entry.reason,
            author_kind=entry.author_kind,
            author=entry.author,
            made_at=entry.made_at,
        )
    )


async def _require_place(connection: AsyncConnection, draft: PolicyDraft) -> None:
    if draft.level is not None and draft.level not in LEVELS:
        raise DomainError("QH-092", place=draft.level)
    if draft.province is not None:
        found = await find_organisation(connection, draft.province)
        if found is None or found.kind is not OrganisationKind.DEPARTMENT:
            raise DomainError("QH-092", place=draft.province)


async def _require_province(connection: AsyncConnection, officer: Officer, province: str | None) -> None:
    """A department chooses for its own province; an administrator of the ministry for any, or for all."""
    own = await organisation_by_id(connection, officer.organisation_id)
    is_national = own.kind is OrganisationKind.MINISTRY and officer.role is Role.ADMINISTRATOR
    if not is_national and (province is None or province != own.province_code):
        raise DomainError("QH-093", province=province or "-")
