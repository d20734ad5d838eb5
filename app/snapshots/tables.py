"""Rows of this room: sealed snapshots. All of it is evidence and only ever inserted.

A snapshot's row appears in the transaction that wrote its entries and tiles, whole and signed; it is unique
for its province, school year and kind, so that of two sealers only one can have sealed.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db import database_now, metadata

_KINDS = "kind IN ('SCHOOL_CONFIRMED', 'UPSTREAM_CONFIRMED', 'UPSTREAM_FINAL')"

snapshot = Table(
    "snapshot",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("province_code", Text, nullable=False),
    Column("school_year", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("cut_off", DateTime(timezone=True), nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False),
    Column("calendar", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("held", Integer, nullable=False),
    Column("left_out", JSONB, nullable=False),
    Column("statement", Text, nullable=False),
    UniqueConstraint("province_code", "school_year", "kind", name="uq_snapshot_scope"),
    CheckConstraint(_KINDS, name="kind"),
    CheckConstraint("octet_length(root) = 32", name="root"),
)

snapshot_school = Table(
    "snapshot_school",
    metadata,
    Column("snapshot_id", Uuid, ForeignKey("snapshot.id"), primary_key=True),
    Column("school_id", Integer, primary_key=True),
    Column("school_code", Text, nullable=False),
    Column("total", Integer, nullable=False),
    Column("issued", Integer, nullable=False),
    Column("in_force", Integer, nullable=False),
    Column("recalled", Integer, nullable=False),
    Column("replaced", Integer, nullable=False),
    Column("late", Integer, nullable=False),
)

# In the order of the look-up codes; ``position`` counts them from 0.
snapshot_entry = Table(
    "snapshot_entry",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("record_id", Uuid, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("school_id", Integer, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("xml_sha256", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("is_late", Boolean, nullable=False),
    Index("ix_snapshot_entry_record_id", "record_id"),
)

# The Merkle tree over the entries' lines, in tiles of up to 256 hashes.
snapshot_tile = Table(
    "snapshot_tile",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("level", SmallInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
)

# An officer's reasoned decision that the seal need not wait for a package; it takes two officers' to hold.
snapshot_override = Table(
    "snapshot_override",
    metadata,
    Column("province_code", Text, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("package_id", Uuid, primary_key=True),
    Column("school_id", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", Text, primary_key=True),
    Column("decided_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    CheckConstraint(_KINDS, name="kind"),
)
