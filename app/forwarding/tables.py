"""Rows of this room: what a province forwards, what the ministry takes, and what both keep of it.

Evidence is only ever inserted. What moves is how far each side has come (``forwarding``,
``arrival_progress``) and whether a province's key still counts (``province_key``). The first group is a
province's, the second both keep alike, the third is the ministry's.
"""

from sqlalchemy import (
    ARRAY,
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

# --- the province's

forwarding = Table(
    "forwarding",
    metadata,
    Column("snapshot_id", Uuid, ForeignKey("snapshot.id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("round", SmallInteger, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("sent", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("last_error", Text),
    Column("last_error_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('pending', 'sending', 'acknowledged', 'disputed', 'refused')", name="state"),
)

forwarding_event = Table(
    "forwarding_event",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("round", SmallInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("code", Text),
)

# --- both sides': what was stated, which registrations were told, what was answered, what is disputed

forwarding_opening = Table(
    "forwarding_opening",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("token", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
)

forwarding_registration = Table(
    "forwarding_registration",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("token", Text, nullable=False),
)

forwarding_answer = Table(
    "forwarding_answer",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("token", Text, nullable=False),
    Column("claims", JSONB, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
)

# ``subject`` is a look-up code as 32 hex digits; empty where the snapshot as a whole is disputed.
forwarding_dispute = Table(
    "forwarding_dispute",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("code", Text, primary_key=True),
    Column("school_code", Text, nullable=False),
)

# --- the ministry's

# What a province signs with, as somebody of the ministry took it down; a withdrawn key proves nothing more.
province_key = Table(
    "province_key",
    metadata,
    Column("province_code", Text, primary_key=True),
    Column("kid", Text, primary_key=True),
    Column("public_jwk", JSONB, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("withdrawn_at", DateTime(timezone=True)),
)

arrival = Table(
    "arrival",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("department_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("province_code", Text, nullable=False),
    Column("school_year", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("cut_off", DateTime(timezone=True), nullable=False),
    Column("sealed_at", DateTime(timezone=True), nullable=False),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("counts_sha256", Text, nullable=False),
    Column("statement", Text, nullable=False),
    Column("opened_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    UniqueConstraint("province_code", "school_year", "kind", name="uq_arrival_scope"),
    CheckConstraint("kind IN ('UPSTREAM_CONFIRMED', 'UPSTREAM_FINAL')", name="kind"),
    CheckConstraint("octet_length(root) = 32", name="root"),
)

arrival_progress = Table(
    "arrival_progress",
    metadata,
    Column("snapshot_id", Uuid, ForeignKey("arrival.snapshot_id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("round", SmallInteger, nullable=False),
    CheckConstraint("state IN ('receiving', 'closing', 'acknowledged', 'disputed')", name="state"),
)

arrival_event = Table(
    "arrival_event",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("round", SmallInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
)

# The parts of the manifest that are here; each came in one transaction with its lines.
arrival_part = Table(
    "arrival_part",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("lines", Integer, nullable=False),
)

arrival_line = Table(
    "arrival_line",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("record_id", Uuid, primary_key=True),
    Column("school_code", Text, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("xml_sha256", LargeBinary, nullable=False),
    Column("status", Text, nullable=False),
    Column("is_late", Boolean, nullable=False),
)

# Schools and certificates as the province told them in a round, taken out of its signed registrations.
arrival_school = Table(
    "arrival_school",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("school_code", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("levels", ARRAY(Text), nullable=False),
)

arrival_certificate = Table(
    "arrival_certificate",
    metadata,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("school_code", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("role", Text, nullable=False),
    Column("not_before", DateTime(timezone=True), nullable=False),
    Column("not_after", DateTime(timezone=True), nullable=False),
    Column("events", JSONB, nullable=False),
)

# The one place where a look-up code is unique among all provinces, and for ever.
forwarded_claim = Table(
    "forwarded_claim",
    metadata,
    Column("record_id", Uuid, primary_key=True),
    Column("province_code", Text, nullable=False),
    Column("school_year", SmallInteger, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("xml_sha256", LargeBinary, nullable=False),
)

# A transcript that the ministry verified: the very bytes, and the province's receipt for them.
forwarded_record = Table(
    "forwarded_record",
    metadata,
    Column("province_code", Text, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("record_id", Uuid, primary_key=True),
    Column("snapshot_id", Uuid, nullable=False),
    Column("school_code", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("grade", SmallInteger, nullable=False),
    Column("xml", LargeBinary, nullable=False),
    Column("xml_encoding", Text, nullable=False),
    Column("xml_sha256", LargeBinary, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("format_version", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("receipt", Text, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("signatures", JSONB, nullable=False),
    Column("verified_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Index("ix_forwarded_record_snapshot_id", "snapshot_id"),
    postgresql_partition_by="RANGE (school_year)",
)
