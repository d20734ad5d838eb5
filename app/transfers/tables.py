"""Rows of this room: transfers, the records of each, and what has happened to each."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
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

from app.db import database_now, metadata
from app.transfers.life import TransferState

OPEN_STATES: Final = (TransferState.RELEASED, TransferState.CONSENTED)

_STATES: Final = "state IN ('released', 'consented', 'accepted', 'declined', 'withdrawn')"

transfer = Table(
    "transfer",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("from_school_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("to_school_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("needs_consent", Boolean, nullable=False),
    Column("released_at", DateTime(timezone=True), nullable=False),
    Column("released_by_kind", Text, nullable=False),
    Column("released_by", Text, nullable=False),
    Column("note", Text),
    Column("state", Text, nullable=False),
    CheckConstraint(_STATES, name="state"),
    CheckConstraint("from_school_id <> to_school_id", name="schools"),
    Index("ix_transfer_from_school_id", "from_school_id"),
    Index("ix_transfer_to_school_id", "to_school_id"),
)

transfer_item = Table(
    "transfer_item",
    metadata,
    Column("transfer_id", Uuid, ForeignKey("transfer.id"), primary_key=True),
    Column("record_id", Uuid, primary_key=True),
    Column("issuer_id", Integer, nullable=False),
    Column("school_year", SmallInteger, nullable=False),
    Column("state", Text, nullable=False),
    CheckConstraint(_STATES, name="state"),
    Index("ix_transfer_item_record_id", "record_id"),
    # One open transfer a record.
    Index(
        "uq_transfer_item_open",
        "record_id",
        unique=True,
        postgresql_where=text("state IN ('released', 'consented')"),
    ),
)

transfer_event = Table(
    "transfer_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("transfer_id", Uuid, ForeignKey("transfer.id"), nullable=False),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("reason", Text),
    Index("ix_transfer_event_transfer_id", "transfer_id"),
)
