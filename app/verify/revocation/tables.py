"""Rows of this room: what authorities said of revocations, kept as evidence, and where it was asked for."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from app.db import database_now, metadata

# Every list that was ever believed; the newest of an issuer's key and scope is the one that is asked.
crl = Table(
    "crl",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("issuer_key", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("number", Text),
    Column("this_update", DateTime(timezone=True), nullable=False),
    Column("next_update", DateTime(timezone=True), nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    Column("der", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("fetched_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Index("ix_crl_newest", "issuer_key", "scope", "this_update", "id"),
)

ocsp_response = Table(
    "ocsp_response",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("revoked_at", DateTime(timezone=True)),
    Column("reason", Text, nullable=False),
    Column("this_update", DateTime(timezone=True), nullable=False),
    Column("next_update", DateTime(timezone=True), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("fetched_at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    CheckConstraint("status IN ('good', 'revoked', 'on_hold')", name="status"),
    Index("uq_ocsp_response_sha256", "fingerprint", "sha256", unique=True),
    Index("ix_ocsp_response_newest", "fingerprint", "this_update", "id"),
)

# How the last try at each address went; the one table here that changes.
revocation_source = Table(
    "revocation_source",
    metadata,
    Column("address", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("tried_at", DateTime(timezone=True), nullable=False),
    Column("succeeded_at", DateTime(timezone=True)),
    Column("code", Text),
    Column("facts", JSONB, nullable=False),
    CheckConstraint("kind IN ('crl', 'ocsp')", name="kind"),
)
