"""Rows of this room: the tree of organisations, the accounts of officers, the clients of schools."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)

from app.db import metadata

organisation = Table(
    "organisation",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("code", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("parent_id", Integer, ForeignKey("organisation.id")),
    Column("province_code", Text),
    Column("levels", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("is_public", Boolean, nullable=False, server_default=text("true")),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    CheckConstraint("kind IN ('ministry', 'department', 'commune', 'school')", name="kind"),
    CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="validity"),
    CheckConstraint("(kind = 'ministry') = (parent_id IS NULL)", name="parent"),
    Index("ix_organisation_parent_id", "parent_id"),
    Index("ix_organisation_kind_province_code", "kind", "province_code"),
)

# Who manages a school, and from which day: competence is read from here on the date of the act.
management = Table(
    "management",
    metadata,
    Column("school_id", Integer, ForeignKey("organisation.id"), primary_key=True),
    Column("valid_from", Date, primary_key=True),
    Column("authority_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("valid_to", Date),
    CheckConstraint("valid_to IS NULL OR valid_to > valid_from", name="validity"),
    Index("ix_management_authority_id", "authority_id"),
    Index("uq_management_current", "school_id", unique=True, postgresql_where=text("valid_to IS NULL")),
)

account = Table(
    "account",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    Column("password_hash", Text),
    Column("external_subject", Text, unique=True),
    Column("full_name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("organisation_id", Integer, ForeignKey("organisation.id"), nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Tokens issued before this moment are refused: the password was changed.
    Column("tokens_since", DateTime(timezone=True)),
    CheckConstraint(
        "role IN ('commune_officer', 'department_officer', 'ministry_officer', 'inspector', 'administrator')",
        name="role",
    ),
)

client = Table(
    "client",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("client_id", Text, nullable=False, unique=True),
    Column("secret_hash", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("is_active", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("rate_multiplier", SmallInteger, nullable=False, server_default=text("1")),
    # A sector system (tuyển sinh, chuyển trường) acts for no school: it looks up below an organisation.
    Column("purpose", Text),
    Column("organisation_id", Integer, ForeignKey("organisation.id")),
    CheckConstraint("rate_multiplier BETWEEN 1 AND 1000", name="rate_multiplier"),
    CheckConstraint("purpose IN ('admissions', 'transfer')", name="purpose"),
    CheckConstraint("(purpose IS NULL) = (organisation_id IS NULL)", name="sector"),
)

# Which schools have authorised a client to act for them, and for how long.
client_school = Table(
    "client_school",
    metadata,
    Column("client_id", Uuid, ForeignKey("client.id"), primary_key=True),
    Column("school_id", Integer, ForeignKey("organisation.id"), primary_key=True),
    Column("valid_from", DateTime(timezone=True), primary_key=True, server_default=func.now()),
    Column("valid_to", DateTime(timezone=True)),
    Index("ix_client_school_school_id", "school_id"),
)

# Which department's own instance a client is: with it a province forwards its snapshots to the ministry.
province_client = Table(
    "province_client",
    metadata,
    Column("client_id", Uuid, ForeignKey("client.id"), primary_key=True),
    Column("department_id", Integer, ForeignKey("organisation.id"), nullable=False),
)

# What is left of an allowance for sign-ins; the key is a digest of whom it counts.
sign_in_attempt = Table(
    "sign_in_attempt",
    metadata,
    Column("key", LargeBinary, primary_key=True),
    Column("left", Double, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Index("ix_sign_in_attempt_at", "at"),
)
