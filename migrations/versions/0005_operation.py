"""Audit log, queue, attempts to sign in, public keys of the service."""

from alembic import op

from migrations.ddl import allow, drop, make_immutable, run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE audit_event (
            id UUID NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            tag TEXT NOT NULL,
            subject TEXT NOT NULL,
            school_id INTEGER,
            request_id TEXT,
            facts JSONB NOT NULL,
            CONSTRAINT pk_audit_event PRIMARY KEY (id)
        )
        """,
        "CREATE INDEX ix_audit_event_at ON audit_event (at, id)",
        "CREATE INDEX ix_audit_event_school_id ON audit_event (school_id, at)",
        """
        CREATE TABLE job (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            kind TEXT NOT NULL,
            school_id INTEGER,
            ref UUID,
            payload JSONB DEFAULT '{}'::jsonb NOT NULL,
            dedupe_key TEXT,
            run_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            attempts INTEGER DEFAULT 0 NOT NULL,
            lease_until TIMESTAMP WITH TIME ZONE,
            worker TEXT,
            last_error TEXT,
            dead_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_job PRIMARY KEY (id),
            CONSTRAINT uq_job_dedupe_key UNIQUE (dedupe_key)
        )
        """,
        "CREATE INDEX ix_job_leased ON job (lease_until) WHERE lease_until IS NOT NULL",
        "CREATE INDEX ix_job_ready ON job (run_at, id) WHERE lease_until IS NULL AND dead_at IS NULL",
        """
        CREATE TABLE sign_in_attempt (
            key BYTEA NOT NULL,
            "left" DOUBLE PRECISION NOT NULL,
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_sign_in_attempt PRIMARY KEY (key)
        )
        """,
        "CREATE INDEX ix_sign_in_attempt_at ON sign_in_attempt (at)",
        """
        CREATE TABLE service_key (
            kid TEXT NOT NULL,
            public_jwk JSONB NOT NULL,
            added_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            CONSTRAINT pk_service_key PRIMARY KEY (kid)
        )
        """,
    )
    make_immutable("audit_event", "service_key")
    allow("SELECT, INSERT, UPDATE, DELETE", "job", "sign_in_attempt")


def downgrade() -> None:
    drop("service_key", "sign_in_attempt", "job", "audit_event")
