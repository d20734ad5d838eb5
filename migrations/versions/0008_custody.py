"""Transfers between schools, and who manages a record since; what schools explain."""

from alembic import op

from migrations.ddl import allow, distribute, drop, guard_moves, make_immutable, run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE custody (
            record_id UUID NOT NULL,
            issuer_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            school_id INTEGER NOT NULL,
            since TIMESTAMP WITH TIME ZONE NOT NULL,
            CONSTRAINT pk_custody PRIMARY KEY (record_id)
        )
        """,
        "CREATE INDEX ix_custody_school_id ON custody (school_id)",
        """
        CREATE TABLE transfer (
            id UUID NOT NULL,
            from_school_id INTEGER NOT NULL,
            to_school_id INTEGER NOT NULL,
            needs_consent BOOLEAN NOT NULL,
            released_at TIMESTAMP WITH TIME ZONE NOT NULL,
            released_by_kind TEXT NOT NULL,
            released_by TEXT NOT NULL,
            note TEXT,
            state TEXT NOT NULL,
            CONSTRAINT pk_transfer PRIMARY KEY (id),
            CONSTRAINT ck_transfer_state
                CHECK (state IN ('released', 'consented', 'accepted', 'declined', 'withdrawn')),
            CONSTRAINT ck_transfer_schools CHECK (from_school_id <> to_school_id),
            CONSTRAINT fk_transfer_from_school_id FOREIGN KEY(from_school_id) REFERENCES organisation (id),
            CONSTRAINT fk_transfer_to_school_id FOREIGN KEY(to_school_id) REFERENCES organisation (id)
        )
        """,
        "CREATE INDEX ix_transfer_from_school_id ON transfer (from_school_id)",
        "CREATE INDEX ix_transfer_to_school_id ON transfer (to_school_id)",
        """
        CREATE TABLE transfer_item (
            transfer_id UUID NOT NULL,
            record_id UUID NOT NULL,
            issuer_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            state TEXT NOT NULL,
            CONSTRAINT pk_transfer_item PRIMARY KEY (transfer_id, record_id),
            CONSTRAINT ck_transfer_item_state
                CHECK (state IN ('released', 'consented', 'accepted', 'declined', 'withdrawn')),
            CONSTRAINT fk_transfer_item_transfer_id FOREIGN KEY(transfer_id) REFERENCES transfer (id)
        )
        """,
        "CREATE INDEX ix_transfer_item_record_id ON transfer_item (record_id)",
        "CREATE UNIQUE INDEX uq_transfer_item_open ON transfer_item (record_id) "
        "WHERE state IN ('released', 'consented')",
        """
        CREATE TABLE transfer_event (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            transfer_id UUID NOT NULL,
            source TEXT,
            target TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            reason TEXT,
            CONSTRAINT pk_transfer_event PRIMARY KEY (id),
            CONSTRAINT fk_transfer_event_transfer_id FOREIGN KEY(transfer_id) REFERENCES transfer (id)
        )
        """,
        "CREATE INDEX ix_transfer_event_transfer_id ON transfer_event (transfer_id)",
        """
        CREATE TABLE explanation (
            id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            package_id UUID NOT NULL,
            position INTEGER NOT NULL,
            code TEXT NOT NULL,
            text TEXT NOT NULL,
            given_by_kind TEXT NOT NULL,
            given_by TEXT NOT NULL,
            state TEXT NOT NULL,
            CONSTRAINT pk_explanation PRIMARY KEY (id),
            CONSTRAINT ck_explanation_state CHECK (state IN ('given', 'accepted', 'declined')),
            CONSTRAINT fk_explanation_school_id FOREIGN KEY(school_id) REFERENCES organisation (id)
        )
        """,
        "CREATE INDEX ix_explanation_school_id ON explanation (school_id)",
        "CREATE UNIQUE INDEX uq_explanation_standing ON explanation (package_id, position, code) "
        "WHERE state <> 'declined'",
        """
        CREATE TABLE explanation_event (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            explanation_id UUID NOT NULL,
            source TEXT,
            target TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            reason TEXT,
            CONSTRAINT pk_explanation_event PRIMARY KEY (id),
            CONSTRAINT fk_explanation_event_explanation_id
                FOREIGN KEY(explanation_id) REFERENCES explanation (id)
        )
        """,
        "CREATE INDEX ix_explanation_event_explanation_id ON explanation_event (explanation_id)",
    )
    distribute("custody", "record_id")
    make_immutable("transfer_event", "explanation_event")
    allow("SELECT, INSERT, UPDATE", "custody", "transfer", "transfer_item", "explanation")
    guard_moves("explanation", "given>accepted", "given>declined")
    moves = (
        "released>consented",
        "released>accepted",
        "released>declined",
        "released>withdrawn",
        "consented>accepted",
        "consented>declined",
        "consented>withdrawn",
    )
    guard_moves("transfer", *moves)
    guard_moves("transfer_item", *moves)


def downgrade() -> None:
    drop("explanation_event", "explanation")
    drop("transfer_event", "transfer_item", "transfer", "custody")
