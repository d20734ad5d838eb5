"""Policies; recall requests."""

from alembic import op

from migrations.ddl import allow, drop, guard_moves, make_immutable, run

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE policy_value (
            id UUID NOT NULL,
            key TEXT NOT NULL,
            province TEXT,
            level TEXT,
            school_year SMALLINT,
            value JSONB,
            valid_from TIMESTAMP WITH TIME ZONE NOT NULL,
            reason TEXT NOT NULL,
            author_kind TEXT NOT NULL,
            author TEXT NOT NULL,
            made_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_policy_value PRIMARY KEY (id)
        )
        """,
        "CREATE INDEX ix_policy_value_key ON policy_value (key, id)",
        """
        CREATE TABLE recall (
            id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            reason_code TEXT NOT NULL,
            reason TEXT NOT NULL,
            requested_at TIMESTAMP WITH TIME ZONE NOT NULL,
            requested_by_kind TEXT NOT NULL,
            requested_by TEXT NOT NULL,
            escalated_to INTEGER,
            state TEXT NOT NULL,
            CONSTRAINT pk_recall PRIMARY KEY (id),
            CONSTRAINT ck_recall_state CHECK (state IN ('requested', 'approved', 'declined', 'withdrawn')),
            CONSTRAINT fk_recall_school_id FOREIGN KEY(school_id) REFERENCES organisation (id),
            CONSTRAINT fk_recall_escalated_to FOREIGN KEY(escalated_to) REFERENCES organisation (id)
        )
        """,
        "CREATE INDEX ix_recall_school_id ON recall (school_id)",
        "CREATE INDEX ix_recall_state_id ON recall (state, id)",
        """
        CREATE TABLE recall_item (
            recall_id UUID NOT NULL,
            record_id UUID NOT NULL,
            issuer_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            state TEXT NOT NULL,
            CONSTRAINT pk_recall_item PRIMARY KEY (recall_id, record_id),
            CONSTRAINT ck_recall_item_state
                CHECK (state IN ('requested', 'approved', 'declined', 'withdrawn')),
            CONSTRAINT fk_recall_item_recall_id FOREIGN KEY(recall_id) REFERENCES recall (id)
        )
        """,
        "CREATE INDEX ix_recall_item_record_id ON recall_item (record_id)",
        "CREATE UNIQUE INDEX uq_recall_item_open ON recall_item (record_id) WHERE state = 'requested'",
        """
        CREATE TABLE recall_event (
            id BIGINT GENERATED ALWAYS AS IDENTITY,
            recall_id UUID NOT NULL,
            kind TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            reason TEXT,
            facts JSONB NOT NULL,
            CONSTRAINT pk_recall_event PRIMARY KEY (id),
            CONSTRAINT ck_recall_event_kind CHECK
                (kind IN ('requested', 'approved', 'declined', 'withdrawn', 'reminded', 'escalated')),
            CONSTRAINT ck_recall_event_reason CHECK (kind <> 'declined' OR reason IS NOT NULL),
            CONSTRAINT fk_recall_event_recall_id FOREIGN KEY(recall_id) REFERENCES recall (id)
        )
        """,
        "CREATE INDEX ix_recall_event_recall_id ON recall_event (recall_id)",
    )
    make_immutable("policy_value", "recall_event")
    allow("SELECT, INSERT, UPDATE", "recall", "recall_item")
    moves = ("requested>approved", "requested>declined", "requested>withdrawn")
    guard_moves("recall", *moves)
    guard_moves("recall_item", *moves)


def downgrade() -> None:
    drop("recall_event", "recall_item", "recall", "policy_value")
