"""Rows of this room: recall requests, the records each concerns, and what has happened to each request."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db import database_now, metadata

_STATES = "state IN ('requested', 'approved', 'declined', 'withdrawn', 'superseded')"

recall = Table(
    "recall",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("school_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("reason_code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("requested_by_kind", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    # Who may decide besides the managing authority, since nobody answered.
    Column("escalated_to", Integer, ForeignKey("organisation.id")),
    Column("state", Text, nullable=False),
    CheckConstraint(_STATES, name="state"),
    Index("ix_recall_school_id", "school_id"),
    Index("ix_recall_state_id", "state", "id"),
)

recall_item = Table(
    "recall_item",
    metadata,
    Column("recall_id", Uuid, ForeignKey("recall.id"), primary_key=True),
    Column("record_id", Uuid, primary_key=True),
    Column("issuer_id", Integer, nullable=False),
    Column("school_year", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    CheckConstraint(_STATES, name="state"),
    Index("ix_recall_item_record_id", "record_id"),
    # One open request a record.
    Index("uq_recall_item_open", "record_id", unique=True, postgresql_where=text("state = 'requested'")),
)

recall_event = Table(
    "recall_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("recall_id", Uuid, ForeignKey("recall.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("reason", Text),
    Column("facts", JSONB, nullable=False),
    CheckConstraint(
        "kind IN ('requested', 'approved', 'declined', 'withdrawn', 'reminded', 'escalated', 'superseded')",
        name="kind",
    ),
    CheckConstraint("kind <> 'declined' OR reason IS NOT NULL", name="reason"),
    Index("ix_recall_event_recall_id", "recall_id"),
)
