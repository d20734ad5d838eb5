"""Statistics of packages: how far they have come, by whom they were made, why they were refused."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Date, Select, Table, and_, cast, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import among
from app.ingest.package import PackageState
from app.ingest.tables import finding, item_event, package, package_progress
from app.organisations.legal_zone import LEGAL_ZONE
from app.organisations.tables import client, management, organisation
from app.organisations.tree import in_force, legal_date


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageCount:
    """Packages of one managing body, set of levels and legal day by state; ``read`` are answered ones."""

    authority_code: str | None
    levels: str
    on: date
    received: int
    processing: int
    answered: int
    read: int
    transcripts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstJudgement:
    """How transcripts fared when they were judged for the first time."""

    packages: int
    transcripts: int
    accepted_at_first: int
    held_at_first: int

    @property
    def first_time_percent(self) -> float | None:
        """Share that was not refused at first, in percent; None where nothing was judged."""
        taken = self.accepted_at_first + self.held_at_first
        return round(100 * taken / self.transcripts, 2) if self.transcripts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftwareCount(FirstJudgement):
    """How one program's fared.

    Attributes:
        errors: how many transcripts each code refused, most frequent first.
    """

    software_name: str
    software_version: str
    errors: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorCount(FirstJudgement):
    """How those fared that one vendor's client sent, whatever program made them."""

    client_id: str
    name: str


_PROGRESS = and_(
    package_progress.c.school_id == package.c.school_id,
    package_progress.c.package_id == package.c.package_id,
)


async def count_packages(
    connection: AsyncConnection, schools: Collection[int], *, since: datetime, until: datetime, now: datetime
) -> Sequence[PackageCount]:
    """Count the packages received from ``since`` up to ``until``, in order of body, level and day."""
    authority = organisation.alias("authority")
    on = cast(func.timezone(LEGAL_ZONE.utcoffset(None), package.c.received_at), Date).label("on")
    state = package_progress.c.state
    levels = func.array_to_string(organisation.c.levels, ",").label("levels")
    rows = await connection.execute(
        select(
            authority.c.code.label("authority_code"),
            levels,
            on,
            func.count().filter(state == PackageState.RECEIVED).label("received"),
            func.count().filter(state == PackageState.PROCESSING).label("processing"),
            func.count().filter(state == PackageState.ANSWERED).label("answered"),
            func.count().filter(package_progress.c.reply_read_at.is_not(None)).label("read"),
            func.coalesce(func.sum(package_progress.c.total), 0).label("transcripts"),
        )
        .join(package_progress, _PROGRESS)
        .join(organisation, organisation.c.id == package.c.school_id)
        .outerjoin(management, and_(management.c.school_id == organisation.c.id, in_force(legal_date(now))))
        .outerjoin(authority, authority.c.id == management.c.authority_id)
        .where(_received(schools, since, until))
        .group_by(authority.c.code, levels, on)
        .order_by(authority.c.code, levels, on)
    )
    return [PackageCount(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented way


def _received(schools: Collection[int], since: datetime, until: datetime) -> ColumnElement[bool]:
    return and_(
        among(package.c.school_id, schools), package.c.received_at >= since, package.c.received_at < until
    )


def _of_package(table: Table) -> ColumnElement[bool]:
    """Give the condition that a row speaks of the first judgement of the package."""
    return and_(
        table.c.school_id == package.c.school_id,
        table.c.school_year == package.c.school_year,
        table.c.package_id == package.c.package_id,
        table.c.round == 1,
    )


_NAME = func.coalesce(package_progress.c.software_name, "").label("software_name")
_VERSION = func.coalesce(package_progress.c.software_version, "").label("software_version")


def _judged(received: ColumnElement[bool], *keys: ColumnElement[str]) -> Select[*tuple[Any, ...]]:
    """Give the query for the first judgements of answered packages, counted by these columns."""
    return (
        select(
            *keys,
            func.count(package.c.package_id.distinct()).label("packages"),
            func.count(item_event.c.position).label("transcripts"),
            func.count().filter(item_event.c.target == "accepted").label("accepted_at_first"),
            func.count().filter(item_event.c.target == "held").label("held_at_first"),
        )
        .select_from(package)
        .join(package_progress, _PROGRESS)
        .join(client, client.c.id == package.c.client_id)
        .outerjoin(item_event, _of_package(item_event))
        .where(received, package_progress.c.state == PackageState.ANSWERED)
        .group_by(*keys)
        .order_by(*keys)
    )


async def count_vendors(
    connection: AsyncConnection, schools: Collection[int], *, since: datetime, until: datetime
) -> Sequence[VendorCount]:
    """Count by client how transcripts fared in the first round of judgement."""
    statement = _judged(_received(schools, since, until), client.c.client_id, client.c.name)
    return [VendorCount(**row._mapping) for row in await connection.execute(statement)]  # noqa: SLF001 - as above


async def count_software(
    connection: AsyncConnection, schools: Collection[int], *, since: datetime, until: datetime
) -> Sequence[SoftwareCount]:
    """Count by program and version how transcripts fared in the first round of judgement."""
    received = _received(schools, since, until)
    judged = (await connection.execute(_judged(received, _NAME, _VERSION))).all()
    errors = await _errors(connection, received)
    return [
        SoftwareCount(
            **row._mapping,  # noqa: SLF001 - as above
            errors=tuple(
                sorted(
                    errors.get((row.software_name, row.software_version), {}).items(),
                    key=lambda counted: (-counted[1], counted[0]),
                )
            ),
        )
        for row in judged
    ]


async def _errors(
    connection: AsyncConnection, received: ColumnElement[bool]
) -> Mapping[tuple[str, str], Mapping[str, int]]:
    """Count by program, version and code how many transcripts (or whole packages) an error refused.

    What is held is not refused, whatever it waits for.
    """
    is_held = exists().where(
        _of_package(item_event), item_event.c.position == finding.c.position, item_event.c.target == "held"
    )
    rows = await connection.execute(
        select(_NAME, _VERSION, finding.c.code, func.count(finding.c.position.distinct()).label("refused"))
        .select_from(package)
        .join(package_progress, _PROGRESS)
        .join(finding, and_(_of_package(finding), finding.c.severity == "error"))
        .where(received, ~is_held)
        .group_by(_NAME, _VERSION, package.c.package_id, finding.c.code)
    )
    errors: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        by_code = errors.setdefault((row.software_name, row.software_version), {})
        by_code[row.code] = by_code.get(row.code, 0) + row.refused
    return errors
