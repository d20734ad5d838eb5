"""Rows of this room: the departments' own cut-offs, extensions of schools, schools that stay on paper."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
    Uuid,
)

from app.db import database_now, metadata

_CATEGORY = "category IN ('CONFIRMED', 'UNCONFIRMED', 'DIGITISED')"

# One change by a department: for its school year it takes the place of all changes before it.
calendar_version = Table(
    "calendar_version",
    metadata,
    Column("province_code", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("school_year", SmallInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("author_kind", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
)

calendar_row = Table(
    "calendar_row",
    metadata,
    Column("province_code", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("level", Text),
    Column("grade", SmallInteger),
    Column("category", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("cut_off", DateTime(timezone=True), nullable=False),
    Column("mode", Text, nullable=False),
    Column("source", Text, nullable=False),
    ForeignKeyConstraint(
        ["province_code", "number"], ["calendar_version.province_code", "calendar_version.number"]
    ),
    CheckConstraint(_CATEGORY, name="category"),
    CheckConstraint("stage IN ('SCHOOL', 'UPSTREAM')", name="stage"),
    CheckConstraint("mode IN ('SOFT', 'HARD')", name="mode"),
    CheckConstraint("grade BETWEEN 1 AND 12", name="grade"),
    CheckConstraint("mode = 'HARD' OR (category = 'CONFIRMED' AND stage = 'SCHOOL')", name="final"),
    Index(
        "uq_calendar_row_conditions",
        "province_code",
        "number",
        "level",
        "grade",
        "category",
        "stage",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
)

extension = Table(
    "extension",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("school_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("school_year", SmallInteger, nullable=False),
    Column("category", Text),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("state", Text, nullable=False),
    CheckConstraint(_CATEGORY, name="category"),
    CheckConstraint("state IN ('requested', 'approved', 'declined')", name="state"),
    Index("ix_extension_school_id", "school_id"),
    Index("ix_extension_state_id", "state", "id"),
)

extension_event = Table(
    "extension_event",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("extension_id", Uuid, ForeignKey("extension.id"), nullable=False),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("reason", Text),
    CheckConstraint("target <> 'declined' OR reason IS NOT NULL", name="reason"),
    Index("ix_extension_event_extension_id", "extension_id"),
)

exemption = Table(
    "exemption",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("school_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("school_year", SmallInteger, nullable=False),
    Column("grade", SmallInteger),
    Column("class_name", Text),
    Column("pupils", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("registered_by", Text, nullable=False),
    Column("registered_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("state", Text, nullable=False),
    CheckConstraint("grade BETWEEN 1 AND 12", name="grade"),
    CheckConstraint("class_name IS NULL OR grade IS NOT NULL", name="class_name"),
    CheckConstraint("pupils > 0", name="pupils"),
    CheckConstraint("state IN ('registered', 'withdrawn')", name="state"),
    Index("ix_exemption_school_id", "school_id", "school_year"),
)

exemption_event = Table(
    "exemption_event",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("exemption_id", Uuid, ForeignKey("exemption.id"), nullable=False),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("reason", Text),
    CheckConstraint("target <> 'withdrawn' OR reason IS NOT NULL", name="reason"),
    Index("ix_exemption_event_exemption_id", "exemption_id"),
)
