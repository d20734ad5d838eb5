"""From when stored records are locked (chốt): their calendars and extensions fetched, the rules applied."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.deadlines.book import load_calendar
from app.deadlines.extensions import extensions_of
from app.deadlines.rules import Received, Terms
from app.organisations.tables import organisation


class IssuedRecord(Received, Protocol):
    """A record with the school that issued it."""

    @property
    def record_id(self) -> UUID:
        """Its look-up code."""
        ...

    @property
    def school_id(self) -> int:
        """Who issued it."""
        ...


async def terms_of(connection: AsyncConnection, school_ids: Collection[int]) -> Mapping[int, Terms]:
    """Give by what the records of each of these schools are locked, by the school that issued them."""
    if not school_ids:
        return {}
    rows = await connection.execute(
        select(organisation.c.id, organisation.c.province_code).where(
            organisation.c.id.in_(sorted(school_ids))
        )
    )
    province_of = {row.id: row.province_code for row in rows}
    calendars = {code: await load_calendar(connection, code) for code in set(province_of.values())}
    return {
        school_id: Terms(calendar=calendars[code], extensions=await extensions_of(connection, school_id))
        for school_id, code in province_of.items()
    }


async def locks_of(connection: AsyncConnection, records: Sequence[IssuedRecord]) -> Mapping[UUID, datetime]:
    """Give the instant from which each record is locked, to come or passed, by its id."""
    terms = await terms_of(connection, {held.school_id for held in records})
    return {held.record_id: terms[held.school_id].lock_of(held) for held in records}
