"""Rows of this room: registered certificates with their history, trust anchors, proofs of possession."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from app.db import database_now, metadata

certificate = Table(
    "certificate",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("school_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("key_fingerprint", Text, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("subject", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("serial_number", Text, nullable=False),
    Column("not_before", DateTime(timezone=True), nullable=False),
    Column("not_after", DateTime(timezone=True), nullable=False),
    Column("renews", Uuid, ForeignKey("certificate.id")),
    Column("registered_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("registered_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    CheckConstraint("role IN ('NHA_TRUONG', 'THU_TRUONG')", name="role"),
    CheckConstraint("state IN ('pending', 'approved', 'rejected', 'suspended', 'revoked')", name="state"),
    Index("ix_certificate_school_id", "school_id"),
    Index("ix_certificate_fingerprint", "fingerprint"),
    Index("ix_certificate_key_fingerprint", "key_fingerprint"),
    Index("ix_certificate_state_id", "state", "id"),
    # A rejected certificate may be registered anew; any other stands once for a school and role.
    Index(
        "uq_certificate_registered",
        "school_id",
        "role",
        "fingerprint",
        unique=True,
        postgresql_where=text("state <> 'rejected'"),
    ),
)

certificate_event = Table(
    "certificate_event",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("certificate_id", Uuid, ForeignKey("certificate.id"), nullable=False),
    Column("source", Text),
    Column("target", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("effective_at", DateTime(timezone=True)),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("reason", Text),
    Column("reason_code", Text),
    Index("ix_certificate_event_certificate_id", "certificate_id"),
)

trust_anchor = Table(
    "trust_anchor",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("fingerprint", Text, nullable=False, unique=True),
    Column("der", LargeBinary, nullable=False),
    Column("subject", Text, nullable=False),
    Column("owner_class", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("added_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("withdrawn_at", DateTime(timezone=True)),
    CheckConstraint("owner_class IN ('public_sector', 'licensed_public')", name="owner_class"),
    CheckConstraint("kind IN ('anchor', 'intermediate')", name="kind"),
)

# A nonce that the holder of a private key signs to show that it is theirs; used once.
possession_challenge = Table(
    "possession_challenge",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("school_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("nonce", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
)
