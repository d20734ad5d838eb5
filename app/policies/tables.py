"""Rows of this room: policy choices. Nothing here is ever changed; a later row outweighs an earlier one."""

from sqlalchemy import Column, DateTime, Index, SmallInteger, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from app.db import database_now, metadata

policy_value = Table(
    "policy_value",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", Text, nullable=False),
    Column("province", Text),
    Column("level", Text),
    Column("school_year", SmallInteger),
    # Without a value, earlier choices for the same place are taken back.
    Column("value", JSONB(none_as_null=True)),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
    Column("author_kind", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Index("ix_policy_value_key", "key", "id"),
)
