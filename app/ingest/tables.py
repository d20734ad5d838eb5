"""Rows of this room: packages as received, how far they have come, and the answer for every item.

What is evidence (package, finding, receipt, events) is only ever inserted. ``package_progress`` and ``item``
carry a state and move by their tables of moves. Large tables carry the school and the school year in their
key, so that they can be partitioned by year and distributed by school.
"""

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
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db import database_now, metadata

# The one place where a package id is unique for the whole country; whoever inserts first holds it.
package_claim = Table(
    "package_claim",
    metadata,
    Column("package_id", Uuid, primary_key=True),
    Column("school_id", Integer, nullable=False),
)

package = Table(
    "package",
    metadata,
    Column("school_id", Integer, ForeignKey("organisation.id"), primary_key=True),
    Column("package_id", Uuid, primary_key=True),
    Column("school_year", SmallInteger, nullable=False),
    Column("schema_version", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("is_atomic", Boolean, nullable=False),
    Column("client_id", Uuid, nullable=False),
    Column("received_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    CheckConstraint("octet_length(sha256) = 32", name="sha256"),
    Index("ix_package_school_id_received_at", "school_id", "received_at", "package_id"),
    Index("ix_package_school_id_sha256", "school_id", "sha256"),
)

package_progress = Table(
    "package_progress",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("package_id", Uuid, primary_key=True),
    Column("state", Text, nullable=False),
    Column("total", Integer),
    Column("software_name", Text),
    Column("software_version", Text),
    Column("answered_at", DateTime(timezone=True)),
    Column("reply_read_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('received', 'processing', 'answered')", name="state"),
    CheckConstraint("(state = 'answered') = (answered_at IS NOT NULL)", name="answered"),
    Index(
        "ix_package_progress_open",
        "state",
        "school_id",
        "package_id",
        postgresql_where=text("state <> 'answered'"),
    ),
    Index(
        "ix_package_progress_unread",
        "school_id",
        "answered_at",
        postgresql_where=text("state = 'answered' AND reply_read_at IS NULL"),
    ),
)

package_event = Table(
    "package_event",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("package_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor", Text, nullable=False),
)

item = Table(
    "item",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("package_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("record_id", Uuid),
    Column("content_sha256", LargeBinary),
    Column("state", Text, nullable=False),
    Column("is_repeat", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("state IN ('accepted', 'rejected', 'held')", name="state"),
    CheckConstraint("state <> 'accepted' OR record_id IS NOT NULL", name="accepted"),
    Index("ix_item_content_sha256", "school_id", "content_sha256"),
    Index(
        "ix_item_refused_record",
        "school_id",
        "record_id",
        postgresql_where=text("state <> 'accepted'"),
    ),
    Index("ix_item_held", "school_id", postgresql_where=text("state = 'held'")),
    postgresql_partition_by="RANGE (school_year)",
)

item_event = Table(
    "item_event",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("package_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("target", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("verdict", JSONB),
    # Whose transcript it was, where that could be read: reports tell refused from never sent.
    Column("student_code", Text),
    Index(
        "ix_item_event_refused",
        "school_id",
        "at",
        postgresql_include=["student_code", "target", "package_id", "position", "round", "school_year"],
        postgresql_where=text("target <> 'accepted'"),
    ),
    Index(
        "ix_item_event_settled",
        "school_id",
        "package_id",
        "position",
        "round",
        "at",
        postgresql_where=text("round > 1"),
    ),
    postgresql_partition_by="RANGE (school_year)",
)

# Why: every finding of every judgement. Position 0 speaks of the package as a whole.
finding = Table(
    "finding",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("package_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("sequence", SmallInteger, primary_key=True),
    Column("code", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("xpath", Text),
    Column("line", BigInteger),
    Column("value", Text),
    Column("facts", JSONB, nullable=False),
    postgresql_partition_by="RANGE (school_year)",
)

# Signed answers, as they were given: acknowledgement (position 0), acceptance or refusal of an item.
receipt = Table(
    "receipt",
    metadata,
    Column("school_id", Integer, primary_key=True),
    Column("school_year", SmallInteger, primary_key=True),
    Column("package_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("round", SmallInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("record_id", Uuid),
    Column("jws", Text, nullable=False),
    CheckConstraint("kind IN ('acknowledgement', 'acceptance', 'refusal')", name="kind"),
    Index("ix_receipt_record_id", "school_id", "record_id"),
    postgresql_partition_by="RANGE (school_year)",
)

# What a school says of a query (a finding that stands if it is explained), and how the authority took it.
explanation = Table(
    "explanation",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("school_id", Integer, ForeignKey("organisation.id"), nullable=False, index=True),
    Column("school_year", SmallInteger, nullable=False),
    Column("package_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("code", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("given_by_kind", Text, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    CheckConstraint("state IN ('given', 'accepted', 'declined')", name="state"),
    # A declined explanation may be followed by another; any other stands once.
    Index(
        "uq_explanation_standing",
        "package_id",
        "position",
        "code",
        unique=True,
        postgresql_where=text("state <> 'declined'"),
    ),
)

explanation_event = Table(
    "explanation_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("explanation_id", Uuid, ForeignKey("explanation.id"), nullable=False, index=True),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("reason", Text),
)
