"""Packages as received, their items, findings and signed answers."""

from alembic import op

from migrations.ddl import allow, distribute, drop, guard_moves, make_immutable, partition_by_year, run

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE package_claim (
            package_id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            CONSTRAINT pk_package_claim PRIMARY KEY (package_id)
        )
        """,
        """
        CREATE TABLE package (
            school_id INTEGER NOT NULL,
            package_id UUID NOT NULL,
            school_year SMALLINT NOT NULL,
            schema_version TEXT NOT NULL,
            sha256 BYTEA NOT NULL,
            payload BYTEA NOT NULL,
            is_atomic BOOLEAN NOT NULL,
            client_id UUID NOT NULL,
            received_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_package PRIMARY KEY (school_id, package_id),
            CONSTRAINT ck_package_sha256 CHECK (octet_length(sha256) = 32),
            CONSTRAINT fk_package_school_id FOREIGN KEY(school_id) REFERENCES organisation (id)
        )
        """,
        "CREATE INDEX ix_package_school_id_received_at ON package (school_id, received_at, package_id)",
        "CREATE INDEX ix_package_school_id_sha256 ON package (school_id, sha256)",
        """
        CREATE TABLE package_progress (
            school_id INTEGER NOT NULL,
            package_id UUID NOT NULL,
            state TEXT NOT NULL,
            total INTEGER,
            software_name TEXT,
            software_version TEXT,
            answered_at TIMESTAMP WITH TIME ZONE,
            reply_read_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_package_progress PRIMARY KEY (school_id, package_id),
            CONSTRAINT ck_package_progress_state CHECK (state IN ('received', 'processing', 'answered')),
            CONSTRAINT ck_package_progress_answered CHECK ((state = 'answered') = (answered_at IS NOT NULL))
        )
        """,
        "CREATE INDEX ix_package_progress_open "
        "ON package_progress (state, school_id, package_id) "
        "WHERE state <> 'answered'",
        """
        CREATE TABLE package_event (
            school_id INTEGER NOT NULL,
            package_id UUID NOT NULL,
            id UUID NOT NULL,
            source TEXT,
            target TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor TEXT NOT NULL,
            CONSTRAINT pk_package_event PRIMARY KEY (school_id, package_id, id)
        )
        """,
        """
        CREATE TABLE item (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            package_id UUID NOT NULL,
            position INTEGER NOT NULL,
            record_id UUID,
            content_sha256 BYTEA,
            state TEXT NOT NULL,
            is_repeat BOOLEAN DEFAULT false NOT NULL,
            CONSTRAINT pk_item PRIMARY KEY (school_id, school_year, package_id, position),
            CONSTRAINT ck_item_state CHECK (state IN ('accepted', 'rejected', 'held')),
            CONSTRAINT ck_item_accepted CHECK (state <> 'accepted' OR record_id IS NOT NULL)
        )
         PARTITION BY RANGE (school_year)
        """,
        "CREATE INDEX ix_item_content_sha256 ON item (school_id, content_sha256)",
        "CREATE INDEX ix_item_held ON item (school_id) WHERE state = 'held'",
        """
        CREATE TABLE item_event (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            package_id UUID NOT NULL,
            position INTEGER NOT NULL,
            round SMALLINT NOT NULL,
            target TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            verdict JSONB,
            CONSTRAINT pk_item_event PRIMARY KEY (school_id, school_year, package_id, position, round)
        )
         PARTITION BY RANGE (school_year)
        """,
        """
        CREATE TABLE finding (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            package_id UUID NOT NULL,
            position INTEGER NOT NULL,
            round SMALLINT NOT NULL,
            sequence SMALLINT NOT NULL,
            code TEXT NOT NULL,
            severity TEXT NOT NULL,
            xpath TEXT,
            line BIGINT,
            value TEXT,
            facts JSONB NOT NULL,
            CONSTRAINT pk_finding PRIMARY KEY (school_id, school_year, package_id, position, round, sequence)
        )
         PARTITION BY RANGE (school_year)
        """,
        """
        CREATE TABLE receipt (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            package_id UUID NOT NULL,
            position INTEGER NOT NULL,
            round SMALLINT NOT NULL,
            kind TEXT NOT NULL,
            record_id UUID,
            jws TEXT NOT NULL,
            CONSTRAINT pk_receipt PRIMARY KEY (school_id, school_year, package_id, position, round),
            CONSTRAINT ck_receipt_kind CHECK (kind IN ('acknowledgement', 'acceptance', 'refusal'))
        )
         PARTITION BY RANGE (school_year)
        """,
        "CREATE INDEX ix_receipt_record_id ON receipt (school_id, record_id)",
    )
    run("ALTER TABLE package ALTER COLUMN payload SET STORAGE EXTERNAL")  # compressed already
    distribute("package_claim", "package_id")
    distribute("package", "school_id")
    distribute("package_progress", "school_id")
    distribute("package_event", "school_id")
    distribute("item", "school_id")
    distribute("item_event", "school_id")
    distribute("finding", "school_id")
    distribute("receipt", "school_id")
    partition_by_year("item", "item_event", "finding", "receipt")
    make_immutable("package_claim", "package", "package_event", "item_event", "finding", "receipt")
    allow("SELECT, INSERT, UPDATE", "package_progress", "item")
    guard_moves("package_progress", "received>processing", "processing>received", "processing>answered")
    guard_moves("item", "held>accepted", "held>rejected")


def downgrade() -> None:
    drop(
        "receipt",
        "finding",
        "item_event",
        "item",
        "package_event",
        "package_progress",
        "package",
        "package_claim",
    )
