"""Revocation lists and answers of the authorities, and where they are asked for."""

from alembic import op

from migrations.ddl import allow, drop, make_immutable, run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE crl (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            issuer_key TEXT NOT NULL,
            issuer TEXT NOT NULL,
            scope TEXT NOT NULL,
            number TEXT,
            this_update TIMESTAMP WITH TIME ZONE NOT NULL,
            next_update TIMESTAMP WITH TIME ZONE NOT NULL,
            sha256 TEXT NOT NULL,
            der BYTEA NOT NULL,
            source TEXT NOT NULL,
            fetched_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_crl PRIMARY KEY (id),
            CONSTRAINT uq_crl_sha256 UNIQUE (sha256)
        )
        """,
        "CREATE INDEX ix_crl_newest ON crl (issuer_key, scope, this_update, id)",
        """
        CREATE TABLE ocsp_response (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            fingerprint TEXT NOT NULL,
            status TEXT NOT NULL,
            revoked_at TIMESTAMP WITH TIME ZONE,
            reason TEXT NOT NULL,
            this_update TIMESTAMP WITH TIME ZONE NOT NULL,
            next_update TIMESTAMP WITH TIME ZONE NOT NULL,
            sha256 TEXT NOT NULL,
            der BYTEA NOT NULL,
            source TEXT NOT NULL,
            fetched_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_ocsp_response PRIMARY KEY (id),
            CONSTRAINT ck_ocsp_response_status CHECK (status IN ('good', 'revoked', 'on_hold'))
        )
        """,
        "CREATE UNIQUE INDEX uq_ocsp_response_sha256 ON ocsp_response (fingerprint, sha256)",
        "CREATE INDEX ix_ocsp_response_newest ON ocsp_response (fingerprint, this_update, id)",
        """
        CREATE TABLE revocation_source (
            address TEXT NOT NULL,
            kind TEXT NOT NULL,
            tried_at TIMESTAMP WITH TIME ZONE NOT NULL,
            succeeded_at TIMESTAMP WITH TIME ZONE,
            code TEXT,
            facts JSONB NOT NULL,
            CONSTRAINT pk_revocation_source PRIMARY KEY (address),
            CONSTRAINT ck_revocation_source_kind CHECK (kind IN ('crl', 'ocsp'))
        )
        """,
    )
    make_immutable("crl", "ocsp_response")
    allow("SELECT, INSERT, UPDATE", "revocation_source")


def downgrade() -> None:
    drop("revocation_source", "ocsp_response", "crl")
