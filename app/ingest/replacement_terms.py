"""Fetching what a replacement is measured by: a record is locked by the terms of its issuing school."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import database_now
from app.deadlines.locks import terms_of
from app.deadlines.rules import Terms
from app.ingest.judgement import Bars, Origin
from app.ingest.replacement import replacement_rule
from app.records import issuers_of_replaced
from app.records.entry import Entry, ReplacementRule


async def replacement_rule_for(
    connection: AsyncConnection, entries: Sequence[Entry], origin: Origin, bars: Bars, *, is_after_all: bool
) -> ReplacementRule:
    """Give the rule by which some entries of a package may replace what they name.

    ``is_after_all``: no seal has waited for them.
    """
    terms = {origin.school_id: Terms(calendar=bars.calendar, extensions=bars.extensions)}
    issuers = set((await issuers_of_replaced(connection, entries)).values())
    terms |= await terms_of(connection, issuers - {origin.school_id})
    settled_at = await connection.scalar(select(database_now())) if is_after_all else None
    return replacement_rule(bars.policies, origin.province_code, terms, settled_at=settled_at)
