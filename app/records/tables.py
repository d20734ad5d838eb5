"""Rows of this room: the ledger of records, and what has happened to each. Nothing here is ever changed.

Three tables alone move. ``active_record`` says which record stands for a pupil in a school year at a level,
and its key is what makes a second one impossible. ``active_pupil_code`` says the same by the code that the
issuer gives the pupil, whose identity number may be put right: a standing record has a row in both.
``custody`` says which school manages a record since it was handed over; a record without a row there is
managed by its issuer. The history of all is in ``record_event``.

Two digests name a transcript: ``content_sha256`` is of the signed content in exclusive canonical form, so it
is the same however the document is wrapped; ``xml_sha256`` is of the stored bytes, signatures included.
"""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db import database_now, metadata

# The one place where a look-up code is unique for the whole country and for ever, even after recall.
record_claim = Table(
    "record_claim",
    metadata,
    Column("record_id", Uuid, primary_key=True),
    Column("school_id", Integer, nullable=False),
    Column("school_year", SmallInteger, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Index("ix_record_claim_content_sha256", "content_sha256"),
)

record = Table(
    "record",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("record_id", Uuid, primary_key=True),
    Column("package_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("xml", LargeBinary, nullable=False),
    Column("xml_encoding", Text, nullable=False),
    Column("xml_sha256", LargeBinary, nullable=False),
    Column("content_sha256", LargeBinary, nullable=False),
    Column("format_version", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("circular", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("grade", SmallInteger, nullable=False),
    Column("class_name", Text, nullable=False),
    Column("student_code", Text, nullable=False),
    Column("identity_number", Text),
    Column("passport_number", Text),
    Column("pupil_key", Text, nullable=False),
    Column("full_name", Text, nullable=False),
    Column("born_on", Date, nullable=False),
    Column("is_completed", Boolean, nullable=False),
    Column("is_digitised", Boolean, nullable=False),
    Column("replaces", Uuid),
    Column("issued_on", Date, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False),
    Column("is_late", Boolean, nullable=False),
    Column("calendar_version", Text, nullable=False),
    Column("leans_on", Uuid),  # the record, kept alone, that its XML is compressed with
    CheckConstraint("octet_length(content_sha256) = 32", name="content_sha256"),
    CheckConstraint("octet_length(xml_sha256) = 32", name="xml_sha256"),
    Index("ix_record_student_code", "student_code"),
    Index("ix_record_pupil_key", "pupil_key"),
    Index("ix_record_record_id", "record_id"),
    Index(
        "ix_record_alone",
        "school_id",
        "class_name",
        "received_at",
        postgresql_where=text("leans_on IS NULL"),
    ),
    # What the compliance reports read, without touching the rows.
    Index(
        "ix_record_compliance",
        "school_id",
        "student_code",
        "received_at",
        postgresql_include=["record_id", "grade", "class_name", "is_completed", "is_late", "school_year"],
    ),
    postgresql_partition_by="RANGE (school_year)",
)

record_signature = Table(
    "record_signature",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("record_id", Uuid, primary_key=True),
    Column("position", SmallInteger, primary_key=True),
    Column("role", Text, nullable=False),
    Column("indication", Text, nullable=False),
    Column("fingerprint", Text),
    Column("subject", Text),
    Column("signed_at", DateTime(timezone=True)),
    Column("algorithm", Text),
    Column("evidence", JSONB, nullable=False),
    Index("ix_record_signature_fingerprint", "fingerprint", "signed_at"),
    postgresql_partition_by="RANGE (school_year)",
)

record_event = Table(
    "record_event",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("record_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    CheckConstraint("kind IN ('recorded', 'recalled', 'replaced', 'custody_transferred')", name="kind"),
    Index(
        "ix_record_event_ended",
        "school_id",
        "record_id",
        "at",
        postgresql_include=["kind", "school_year"],
        postgresql_where=text("kind IN ('recalled', 'replaced')"),
    ),
    postgresql_partition_by="RANGE (school_year)",
)

active_record = Table(
    "active_record",
    metadata,
    Column("pupil_key", Text, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("level", Text, primary_key=True),
    Column("record_id", Uuid, nullable=False, index=True),
    Column("school_id", Integer, nullable=False),
)

active_pupil_code = Table(
    "active_pupil_code",
    metadata,
    Column("school_id", Integer, primary_key=True),  # the issuer, as in record: custody moves nothing here
    Column("student_code", Text, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("level", Text, primary_key=True),
    Column("record_id", Uuid, nullable=False),
)

custody = Table(
    "custody",
    metadata,
    Column("record_id", Uuid, primary_key=True),
    Column("issuer_id", Integer, nullable=False),
    Column("school_year", SmallInteger, nullable=False),
    Column("school_id", Integer, nullable=False, index=True),
    Column("since", DateTime(timezone=True), nullable=False),
)
