"""The ledger of records, partitioned by school year."""

from alembic import op

from migrations.ddl import allow, distribute, drop, make_immutable, partition_by_year, run

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE record_claim (
            record_id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            content_sha256 BYTEA NOT NULL,
            CONSTRAINT pk_record_claim PRIMARY KEY (record_id)
        )
        """,
        """
        CREATE TABLE record (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            record_id UUID NOT NULL,
            package_id UUID NOT NULL,
            position INTEGER NOT NULL,
            xml BYTEA NOT NULL,
            xml_encoding TEXT NOT NULL,
            xml_sha256 BYTEA NOT NULL,
            content_sha256 BYTEA NOT NULL,
            format_version TEXT NOT NULL,
            policy_version TEXT NOT NULL,
            circular TEXT NOT NULL,
            level TEXT NOT NULL,
            grade SMALLINT NOT NULL,
            class_name TEXT NOT NULL,
            student_code TEXT NOT NULL,
            identity_number TEXT,
            passport_number TEXT,
            pupil_key TEXT NOT NULL,
            full_name TEXT NOT NULL,
            born_on DATE NOT NULL,
            is_completed BOOLEAN NOT NULL,
            is_digitised BOOLEAN NOT NULL,
            replaces UUID,
            issued_on DATE NOT NULL,
            received_at TIMESTAMP WITH TIME ZONE NOT NULL,
            is_late BOOLEAN NOT NULL,
            calendar_version TEXT NOT NULL,
            CONSTRAINT pk_record PRIMARY KEY (school_id, school_year, record_id),
            CONSTRAINT ck_record_content_sha256 CHECK (octet_length(content_sha256) = 32),
            CONSTRAINT ck_record_xml_sha256 CHECK (octet_length(xml_sha256) = 32)
        )
         PARTITION BY RANGE (school_year)
        """,
        "CREATE INDEX ix_record_pupil_key ON record (pupil_key)",
        "CREATE INDEX ix_record_record_id ON record (record_id)",
        "CREATE INDEX ix_record_student_code ON record (student_code)",
        """
        CREATE TABLE record_signature (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            record_id UUID NOT NULL,
            position SMALLINT NOT NULL,
            role TEXT NOT NULL,
            indication TEXT NOT NULL,
            fingerprint TEXT,
            subject TEXT,
            signed_at TIMESTAMP WITH TIME ZONE,
            algorithm TEXT,
            evidence JSONB NOT NULL,
            CONSTRAINT pk_record_signature PRIMARY KEY (school_id, school_year, record_id, position)
        )
         PARTITION BY RANGE (school_year)
        """,
        "CREATE INDEX ix_record_signature_fingerprint ON record_signature (fingerprint, signed_at)",
        """
        CREATE TABLE record_event (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            record_id UUID NOT NULL,
            id UUID NOT NULL,
            kind TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            facts JSONB NOT NULL,
            CONSTRAINT pk_record_event PRIMARY KEY (school_id, school_year, record_id, id),
            CONSTRAINT ck_record_event_kind
                CHECK (kind IN ('recorded', 'recalled', 'replaced', 'custody_transferred'))
        )
         PARTITION BY RANGE (school_year)
        """,
        """
        CREATE TABLE active_record (
            pupil_key TEXT NOT NULL,
            school_year SMALLINT NOT NULL,
            level TEXT NOT NULL,
            record_id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            CONSTRAINT pk_active_record PRIMARY KEY (pupil_key, school_year, level)
        )
        """,
        "CREATE INDEX ix_active_record_record_id ON active_record (record_id)",
    )
    run("ALTER TABLE record ALTER COLUMN xml SET STORAGE EXTERNAL")  # compressed already
    distribute("record_claim", "record_id")
    distribute("record", "school_id")
    distribute("record_signature", "school_id")
    distribute("record_event", "school_id")
    distribute("active_record", "pupil_key")
    partition_by_year("record", "record_signature", "record_event")
    make_immutable("record_claim", "record", "record_signature", "record_event")
    allow("SELECT, INSERT, UPDATE, DELETE", "active_record")


def downgrade() -> None:
    drop("active_record", "record_event", "record_signature", "record", "record_claim")
