"""Import of the tree from CSV: provinces, communes (QĐ 19/2025/QĐ-TTg), schools. All lines or none."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.errors import DomainError
from app.findings import Finding
from app.organisations.csv_rows import (
    MAX_FINDINGS,
    Column,
    CsvRow,
    bad_value,
    read_csv,
    read_day,
    read_ownership,
)
from app.organisations.kinds import OrganisationKind
from app.organisations.tables import organisation
from app.organisations.tree import (
    OrganisationDraft,
    change_organisation,
    create_organisation,
    find_organisation,
    legal_date,
)


class ImportKind(StrEnum):
    """What a file lists."""

    PROVINCES = "provinces"
    COMMUNES = "communes"
    SCHOOLS = "schools"


PROVINCE_CODE: Final = "Mã tỉnh"
PROVINCE_NAME: Final = "Tên tỉnh"
COMMUNE_CODE: Final = "Mã xã"
COMMUNE_NAME: Final = "Tên xã"
SCHOOL_CODE: Final = "Mã trường"
SCHOOL_NAME: Final = "Tên trường"
LEVELS: Final = "Cấp học"
MANAGED_BY: Final = "Cơ quan quản lý"
OWNERSHIP: Final = "Loại hình"
VALID_FROM: Final = "Hiệu lực từ"

_SINCE: Final = Column(title=VALID_FROM, is_required=False)
LAYOUTS: Final[Mapping[ImportKind, tuple[Column, ...]]] = {
    ImportKind.PROVINCES: (Column(title=PROVINCE_CODE), Column(title=PROVINCE_NAME), _SINCE),
    ImportKind.COMMUNES: (
        Column(title=PROVINCE_CODE),
        Column(title=COMMUNE_CODE),
        Column(title=COMMUNE_NAME),
        _SINCE,
    ),
    ImportKind.SCHOOLS: (
        Column(title=SCHOOL_CODE),
        Column(title=SCHOOL_NAME),
        Column(title=PROVINCE_CODE),
        Column(title=COMMUNE_CODE, is_required=False),
        Column(title=LEVELS),
        Column(title=MANAGED_BY, is_required=False),
        Column(title=OWNERSHIP, is_required=False),
        _SINCE,
    ),
}
_KEYS: Final[Mapping[ImportKind, str]] = {
    ImportKind.PROVINCES: PROVINCE_CODE,
    ImportKind.COMMUNES: COMMUNE_CODE,
    ImportKind.SCHOOLS: SCHOOL_CODE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did; with findings it did nothing."""

    created: int = 0
    renamed: int = 0
    unchanged: int = 0
    findings: tuple[Finding, ...] = ()


async def import_organisations(
    connection: AsyncConnection, content: bytes, kind: ImportKind, *, now: datetime, actor: Actor
) -> ImportReport:
    """Create what is new, rename what is called otherwise, leave the rest; all lines or none.

    Every wrong line is found, not the first only: codes QH-040 to QH-049, each with its line.
    A line without a date holds from today.
    """
    rows, findings = read_csv(content, LAYOUTS[kind], key=_KEYS[kind])
    if findings:
        return ImportReport(findings=tuple(findings))
    root = await _root(connection)
    savepoint = await connection.begin_nested()
    done: Counter[str] = Counter()
    wrong: list[Finding] = []
    for row in rows:
        draft = _draft(row, kind, root, legal_date(now))
        if isinstance(draft, Finding):
            wrong.append(draft)
            continue
        try:
            done[await _take(connection, draft, now=now, actor=actor)] += 1
        except DomainError as error:
            wrong.append(Finding(code=error.code, line=row.line, facts=error.facts))
    await (savepoint.rollback() if wrong else savepoint.commit())
    if wrong:
        return ImportReport(findings=tuple(wrong[:MAX_FINDINGS]))
    return ImportReport(created=done["created"], renamed=done["renamed"], unchanged=done["unchanged"])


async def _take(connection: AsyncConnection, draft: OrganisationDraft, *, now: datetime, actor: Actor) -> str:
    known = await find_organisation(connection, draft.code)
    if known is None:
        await create_organisation(connection, draft, now=now, actor=actor)
        return "created"
    if known.kind is not draft.kind:
        raise DomainError("QH-041", organisation_code=draft.code)
    if known.name == draft.name:
        return "unchanged"
    await change_organisation(connection, draft.code, name=draft.name, now=now, actor=actor)
    return "renamed"


async def _root(connection: AsyncConnection) -> str | None:
    """Give the ministry's code: provinces stand under it."""
    statement = select(organisation.c.code).where(organisation.c.kind == OrganisationKind.MINISTRY)
    return (await connection.execute(statement.limit(1))).scalar_one_or_none()


def _draft(row: CsvRow, kind: ImportKind, root: str | None, today: date) -> OrganisationDraft | Finding:
    """Read a line as the organisation it asks for, or say which cell is wrong."""
    since = read_day(row.values[VALID_FROM]) if row.values[VALID_FROM] else today
    if since is None:
        return bad_value(row, VALID_FROM)
    match kind:
        case ImportKind.PROVINCES:
            return OrganisationDraft(
                kind=OrganisationKind.DEPARTMENT,
                code=row.values[PROVINCE_CODE],
                name=f"Sở Giáo dục và Đào tạo {row.values[PROVINCE_NAME]}",
                parent_code=root,
                valid_from=since,
            )
        case ImportKind.COMMUNES:
            return OrganisationDraft(
                kind=OrganisationKind.COMMUNE,
                code=row.values[COMMUNE_CODE],
                name=row.values[COMMUNE_NAME],
                parent_code=row.values[PROVINCE_CODE],
                valid_from=since,
            )
        case ImportKind.SCHOOLS:
            return _school(row, since)


def _school(row: CsvRow, since: date) -> OrganisationDraft | Finding:
    is_public = read_ownership(row.values[OWNERSHIP]) if row.values[OWNERSHIP] else True
    if is_public is None:
        return bad_value(row, OWNERSHIP)
    return OrganisationDraft(
        kind=OrganisationKind.SCHOOL,
        code=row.values[SCHOOL_CODE],
        name=row.values[SCHOOL_NAME],
        parent_code=row.values[COMMUNE_CODE] or row.values[PROVINCE_CODE],
        levels=tuple(_codes(row.values[LEVELS])),
        is_public=is_public,
        managed_by=row.values[MANAGED_BY] or None,
        valid_from=since,
    )


def _codes(text: str) -> Sequence[str]:
    """Read level codes however they are set apart."""
    return [code for code in re.split(r"[^0-9A-Za-z]+", text) if code]
