"""Rows of this room: what the ledger says of each school's year, counted by class.

A tally is no evidence: it can be counted anew at any time, and is, whenever the school's number of changes
has moved on since. One row a school, so that two who count at once cannot mix their counts.
"""

from sqlalchemy import BigInteger, Column, Integer, SmallInteger, Table
from sqlalchemy.dialects.postgresql import JSONB

from app.db import metadata

compliance_tally = Table(
    "compliance_tally",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("at_changes", BigInteger, nullable=False),
    Column("counts", JSONB, nullable=False),
)
