"""The tree of organisations: ministry, departments, communes, schools, and who manages a school on a day."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import ColumnElement, Row, and_, bindparam, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.audit import AuditTag, record_act
from app.errors import DomainError
from app.organisations.kinds import PARENTS, Organisation, OrganisationKind, has_form, managing_kind
from app.organisations.legal_zone import LEGAL_ZONE
from app.organisations.tables import management, organisation


def legal_date(moment: datetime) -> date:
    """Give the day on which an act at that moment counts (Asia/Ho_Chi_Minh)."""
    return moment.astimezone(LEGAL_ZONE).date()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationDraft:
    """An organisation as it is asked for.

    Attributes:
        parent_code: none for the ministry.
        levels: codes of school levels; schools only.
        managed_by: for a school, its authority's code; none: found from its levels and its parent.
        valid_from: first day.
    """

    kind: OrganisationKind
    code: str
    name: str
    valid_from: date
    parent_code: str | None = None
    levels: tuple[str, ...] = ()
    is_public: bool = True
    managed_by: str | None = None


def in_force(on: date) -> ColumnElement[bool]:
    """Give the condition that a row of ``management`` holds on that day."""
    return and_(
        management.c.valid_from <= on, or_(management.c.valid_to.is_(None), management.c.valid_to > on)
    )


def _organisation(row: Row[tuple[object, ...]]) -> Organisation:
    return Organisation(
        id=row.id,
        code=row.code,
        kind=OrganisationKind(row.kind),
        name=row.name,
        parent_id=row.parent_id,
        province_code=row.province_code,
        levels=tuple(row.levels),
        is_public=row.is_public,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
    )


async def find_organisation(connection: AsyncConnection, code: str) -> Organisation | None:
    """Find an organisation by its code; what has the form of no code is not looked for."""
    if not any(has_form(kind, code) for kind in OrganisationKind):
        return None
    row = (await connection.execute(_BY_CODE, {"asked": code})).one_or_none()
    return None if row is None else _organisation(row)


_BY_CODE: Final = select(organisation).where(organisation.c.code == bindparam("asked"))


async def organisation_by_id(connection: AsyncConnection, organisation_id: int) -> Organisation:
    """Give an organisation that a row of ours names."""
    return _organisation(
        (await connection.execute(select(organisation).where(organisation.c.id == organisation_id))).one()
    )


async def list_organisations(
    connection: AsyncConnection,
    *,
    kind: OrganisationKind | None = None,
    province_code: str | None = None,
    after: str | None = None,
    limit: int,
) -> Sequence[Organisation]:
    """Give organisations in the order of their codes, from after a code on."""
    statement = select(organisation).order_by(organisation.c.code).limit(limit)
    if kind is not None:
        statement = statement.where(organisation.c.kind == kind)
    if province_code is not None:
        statement = statement.where(organisation.c.province_code == province_code)
    if after is not None:
        statement = statement.where(organisation.c.code > after)
    return [_organisation(row) for row in await connection.execute(statement)]


async def managing_authority(connection: AsyncConnection, school_id: int, on: date) -> Organisation | None:
    """Give the authority (cơ quan quản lý) that is competent for a school on that day."""
    row = (
        await connection.execute(
            select(organisation)
            .join(management, management.c.authority_id == organisation.c.id)
            .where(management.c.school_id == school_id, in_force(on))
        )
    ).one_or_none()
    return None if row is None else _organisation(row)


async def create_organisation(
    connection: AsyncConnection, draft: OrganisationDraft, *, now: datetime, actor: Actor
) -> Organisation:
    """Add an organisation, and for a school the authority that manages it from its first day.

    Refuses with QH-040 a malformed code, QH-041 a known one, QH-042 a parent that does not fit,
    QH-043 an authority that does not fit or cannot be told, QH-044 unknown levels.
    """
    if not has_form(draft.kind, draft.code):
        raise DomainError("QH-040", organisation_code=draft.code, kind=draft.kind)
    if draft.kind is OrganisationKind.SCHOOL and managing_kind(draft.levels) is None:
        raise DomainError("QH-044", levels=", ".join(draft.levels) or "-")
    parent = await _parent(connection, draft)
    authority = await _authority(connection, draft, parent)
    row = await connection.execute(
        insert(organisation)
        .values(
            code=draft.code,
            kind=draft.kind,
            name=draft.name,
            parent_id=None if parent is None else parent.id,
            province_code=_province(draft, parent),
            levels=sorted(set(draft.levels)),
            is_public=draft.is_public,
            valid_from=draft.valid_from,
        )
        .on_conflict_do_nothing()
        .returning(organisation)
    )
    inserted = row.one_or_none()
    if inserted is None:
        raise DomainError("QH-041", organisation_code=draft.code)
    created = _organisation(inserted)
    if authority is not None:
        await connection.execute(
            insert(management).values(
                school_id=created.id, authority_id=authority.id, valid_from=draft.valid_from
            )
        )
    await _record_creation(connection, created, authority, now=now, actor=actor)
    return created


async def _record_creation(
    connection: AsyncConnection,
    created: Organisation,
    authority: Organisation | None,
    *,
    now: datetime,
    actor: Actor,
) -> None:
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ORGANISATION_CREATED,
        subject=created.code,
        school_id=created.id if created.kind is OrganisationKind.SCHOOL else None,
        facts={"kind": created.kind, "managed_by": None if authority is None else authority.code},
    )


def _province(draft: OrganisationDraft, parent: Organisation | None) -> str | None:
    if draft.kind is OrganisationKind.DEPARTMENT:
        return draft.code
    return None if parent is None else parent.province_code


async def _parent(connection: AsyncConnection, draft: OrganisationDraft) -> Organisation | None:
    code = draft.parent_code
    found = None if code is None else await find_organisation(connection, code)
    fits = (code is None) == (not PARENTS[draft.kind]) and (
        code is None or (found is not None and found.kind in PARENTS[draft.kind])
    )
    if not fits:
        raise DomainError("QH-042", organisation_code=code or "-", kind=draft.kind)
    return found


async def _authority(
    connection: AsyncConnection, draft: OrganisationDraft, parent: Organisation | None
) -> Organisation | None:
    """Find who manages a new school: as stated, or by its highest level along its own line of the tree."""
    if draft.kind is not OrganisationKind.SCHOOL or parent is None:
        return None
    if draft.managed_by is not None:
        found = await find_organisation(connection, draft.managed_by)
    elif managing_kind(draft.levels) is parent.kind:
        found = parent
    elif parent.kind is OrganisationKind.COMMUNE and parent.parent_id is not None:
        found = await organisation_by_id(connection, parent.parent_id)
    else:
        found = None
    return _fitting(found, draft.code, parent.province_code, draft.valid_from)


def _fitting(
    authority: Organisation | None, school_code: str, province_code: str | None, on: date
) -> Organisation:
    if (
        authority is None
        or authority.kind not in {OrganisationKind.COMMUNE, OrganisationKind.DEPARTMENT}
        or authority.province_code != province_code
        or not authority.exists(on)
    ):
        raise DomainError("QH-043", organisation_code=school_code)
    return authority


async def change_organisation(
    connection: AsyncConnection,
    code: str,
    *,
    now: datetime,
    actor: Actor,
    name: str | None = None,
    levels: Collection[str] | None = None,
    is_public: bool | None = None,
    valid_to: date | None = None,
) -> Organisation:
    """Rename an organisation, say which levels a school has now or whether it is public, or end it on a day.

    Who manages a school with other levels is said apart (``change_management``). Refuses with QH-005 an
    unknown code, QH-044 unknown levels or none of a school, QH-045 an end not after the beginning.
    """
    found = await find_organisation(connection, code)
    if found is None:
        raise DomainError("QH-005")
    if valid_to is not None and valid_to <= found.valid_from:
        raise DomainError("QH-045")
    if levels is not None and (found.kind is not OrganisationKind.SCHOOL or managing_kind(levels) is None):
        raise DomainError("QH-044", levels=", ".join(levels) or "-")
    taught = None if levels is None else sorted(set(levels))
    asked = {"name": name, "levels": taught, "is_public": is_public, "valid_to": valid_to}
    changes = {field: value for field, value in asked.items() if value is not None}
    if not changes:
        return found
    row = await connection.execute(
        update(organisation).where(organisation.c.id == found.id).values(**changes).returning(organisation)
    )
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ORGANISATION_CHANGED,
        subject=code,
        school_id=found.id if found.kind is OrganisationKind.SCHOOL else None,
        facts={field: _told(value) for field, value in changes.items()},
    )
    return _organisation(row.one())


def _told(value: object) -> str | bool:
    if isinstance(value, list):
        return ", ".join(value)
    return value if isinstance(value, bool) else str(value)


async def change_management(
    connection: AsyncConnection,
    school_code: str,
    *,
    authority_code: str,
    valid_from: date,
    now: datetime,
    actor: Actor,
) -> None:
    """Give a school another managing authority from a day on; what was decided before stays as it was.

    Refuses with QH-057 an unknown school, QH-043 an authority that does not fit, QH-045 a day that is not
    after the beginning of the present management.
    """
    school = await find_organisation(connection, school_code)
    if school is None or school.kind is not OrganisationKind.SCHOOL:
        raise DomainError("QH-057", organisation_code=school_code)
    authority = _fitting(
        await find_organisation(connection, authority_code), school_code, school.province_code, valid_from
    )
    ended = await connection.execute(
        update(management)
        .where(
            management.c.school_id == school.id,
            management.c.valid_to.is_(None),
            management.c.valid_from < valid_from,
        )
        .values(valid_to=valid_from)
    )
    if ended.rowcount != 1:
        raise DomainError("QH-045")
    await connection.execute(
        insert(management).values(school_id=school.id, authority_id=authority.id, valid_from=valid_from)
    )
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ORGANISATION_CHANGED,
        subject=school_code,
        school_id=school.id,
        facts={"managed_by": authority.code, "valid_from": valid_from.isoformat()},
    )
