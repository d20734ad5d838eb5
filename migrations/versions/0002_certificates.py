"""Registered certificates and their history, trust anchors, proofs of possession."""

from alembic import op

from migrations.ddl import allow, drop, guard_moves, make_immutable, run

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE certificate (
            id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            role TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            key_fingerprint TEXT NOT NULL,
            der BYTEA NOT NULL,
            subject TEXT NOT NULL,
            issuer TEXT NOT NULL,
            serial_number TEXT NOT NULL,
            not_before TIMESTAMP WITH TIME ZONE NOT NULL,
            not_after TIMESTAMP WITH TIME ZONE NOT NULL,
            renews UUID,
            registered_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            registered_by TEXT NOT NULL,
            state TEXT NOT NULL,
            CONSTRAINT pk_certificate PRIMARY KEY (id),
            CONSTRAINT ck_certificate_role CHECK (role IN ('NHA_TRUONG', 'THU_TRUONG')),
            CONSTRAINT ck_certificate_state
                CHECK (state IN ('pending', 'approved', 'rejected', 'suspended', 'revoked')),
            CONSTRAINT fk_certificate_school_id FOREIGN KEY(school_id) REFERENCES organisation (id),
            CONSTRAINT fk_certificate_renews FOREIGN KEY(renews) REFERENCES certificate (id)
        )
        """,
        "CREATE INDEX ix_certificate_fingerprint ON certificate (fingerprint)",
        "CREATE INDEX ix_certificate_key_fingerprint ON certificate (key_fingerprint)",
        "CREATE INDEX ix_certificate_school_id ON certificate (school_id)",
        "CREATE INDEX ix_certificate_state_id ON certificate (state, id)",
        "CREATE UNIQUE INDEX uq_certificate_registered ON certificate (school_id, role, fingerprint) "
        "WHERE state <> 'rejected'",
        """
        CREATE TABLE certificate_event (
            id UUID NOT NULL,
            certificate_id UUID NOT NULL,
            source TEXT,
            target TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            effective_at TIMESTAMP WITH TIME ZONE,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            reason TEXT,
            reason_code TEXT,
            CONSTRAINT pk_certificate_event PRIMARY KEY (id),
            CONSTRAINT fk_certificate_event_certificate_id
                FOREIGN KEY(certificate_id) REFERENCES certificate (id)
        )
        """,
        "CREATE INDEX ix_certificate_event_certificate_id ON certificate_event (certificate_id)",
        """
        CREATE TABLE trust_anchor (
            id UUID NOT NULL,
            fingerprint TEXT NOT NULL,
            der BYTEA NOT NULL,
            subject TEXT NOT NULL,
            owner_class TEXT NOT NULL,
            kind TEXT NOT NULL,
            added_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            withdrawn_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_trust_anchor PRIMARY KEY (id),
            CONSTRAINT ck_trust_anchor_owner_class
                CHECK (owner_class IN ('public_sector', 'licensed_public')),
            CONSTRAINT ck_trust_anchor_kind CHECK (kind IN ('anchor', 'intermediate')),
            CONSTRAINT uq_trust_anchor_fingerprint UNIQUE (fingerprint)
        )
        """,
        """
        CREATE TABLE possession_challenge (
            id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            nonce TEXT NOT NULL,
            expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
            used_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_possession_challenge PRIMARY KEY (id),
            CONSTRAINT fk_possession_challenge_school_id FOREIGN KEY(school_id) REFERENCES organisation (id)
        )
        """,
    )
    make_immutable("certificate_event")
    allow("SELECT, INSERT, UPDATE", "certificate", "trust_anchor", "possession_challenge")
    guard_moves(
        "certificate",
        "pending>approved",
        "pending>rejected",
        "approved>suspended",
        "approved>revoked",
        "suspended>approved",
        "suspended>revoked",
    )


def downgrade() -> None:
    drop("possession_challenge", "trust_anchor", "certificate_event", "certificate")
