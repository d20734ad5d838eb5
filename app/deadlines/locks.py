"""From when stored records are locked (chốt): their calendars and extensions fetched, the rules applied."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.deadlines.book import load_calendar
from app.deadlines.extensions import extensions_of
from app.deadlines.rules import Received, lock_of


class IssuedRecord(Received, Protocol):
    """A record with the school that issued it and that school's province."""

    @property
    def record_id(self) -> UUID:
        """Its look-up code."""
        ...

    @property
    def school_id(self) -> int:
        """Who issued it."""
        ...

    @property
    def province_code(self) -> str:
        """Where: 2 digits."""
        ...


async def locks_of(connection: AsyncConnection, records: Sequence[IssuedRecord]) -> Mapping[UUID, datetime]:
    """Give the instant from which each record is locked, to come or passed, by its id."""
    calendars = {
        code: await load_calendar(connection, code) for code in {held.province_code for held in records}
    }
    extensions = {
        school_id: await extensions_of(connection, school_id)
        for school_id in {held.school_id for held in records}
    }
    return {
        held.record_id: lock_of(held, calendars[held.province_code], extensions[held.school_id])
        for held in records
    }
