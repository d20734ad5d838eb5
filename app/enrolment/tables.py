"""Rows of this room: the enrolment rolls of schools. A new roll is a new version; nothing is ever changed.

``enrolment_pupil`` holds a version's pupils, ``enrolment_class`` how many of them are expected in each class,
so that a report over a province need not count pupils to know what is due.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    Date,
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
    text,
)

from app.db import database_now, metadata

enrolment_roll = Table(
    "enrolment_roll",
    metadata,
    Column("school_id", Integer, ForeignKey("organisation.id"), primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("id", Uuid, nullable=False),
    Column("form", Text, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("pupils", Integer, nullable=False),
    Column("expected", Integer, nullable=False),
    Column("made_by_kind", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    UniqueConstraint("id", name="uq_enrolment_roll_id"),
    CheckConstraint("form IN ('csv', 'json')", name="form"),
    CheckConstraint("octet_length(content_sha256) = 32", name="content_sha256"),
    CheckConstraint("expected BETWEEN 0 AND pupils", name="expected"),
)

enrolment_class = Table(
    "enrolment_class",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("grade", SmallInteger, primary_key=True),
    Column("class_name", Text, primary_key=True),
    Column("expected", Integer, nullable=False),
    Column("moved_in", Integer, nullable=False),
    Column("moved_out", Integer, nullable=False),
)

enrolment_pupil = Table(
    "enrolment_pupil",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("student_code", Text, primary_key=True),
    Column("identity_number", Text),
    Column("full_name", Text, nullable=False),
    Column("grade", SmallInteger, nullable=False),
    Column("class_name", Text, nullable=False),
    Column("movement", Text, nullable=False),
    Column("moved_on", Date),
    CheckConstraint("grade BETWEEN 1 AND 12", name="grade"),
    CheckConstraint("movement IN ('enrolled', 'moved_in', 'moved_out')", name="movement"),
    # What the reports join with the ledger, in the ledger's order and without touching the rows.
    Index(
        "ix_enrolment_pupil_expected",
        "school_id",
        "number",
        "student_code",
        postgresql_include=["grade", "class_name", "school_year"],
        postgresql_where=text("movement <> 'moved_out'"),
    ),
    postgresql_partition_by="RANGE (school_year)",
)
