"""Enrolment rolls, and the indexes that the compliance reports read."""

from alembic import op

from migrations.ddl import allow, distribute, drop, make_immutable, partition_by_year, run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ENDED = "kind IN ('recalled', 'replaced')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE enrolment_roll (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            number INTEGER NOT NULL,
            id UUID NOT NULL,
            form TEXT NOT NULL,
            content_sha256 BYTEA NOT NULL,
            pupils INTEGER NOT NULL,
            expected INTEGER NOT NULL,
            made_by_kind TEXT NOT NULL,
            made_by TEXT NOT NULL,
            made_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_enrolment_roll PRIMARY KEY (school_id, school_year, number),
            CONSTRAINT uq_enrolment_roll_id UNIQUE (id),
            CONSTRAINT fk_enrolment_roll_school_id FOREIGN KEY(school_id) REFERENCES organisation (id),
            CONSTRAINT ck_enrolment_roll_form CHECK (form IN ('csv', 'json')),
            CONSTRAINT ck_enrolment_roll_content_sha256 CHECK (octet_length(content_sha256) = 32),
            CONSTRAINT ck_enrolment_roll_expected CHECK (expected BETWEEN 0 AND pupils)
        )
        """,
        """
        CREATE TABLE enrolment_class (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            number INTEGER NOT NULL,
            grade SMALLINT NOT NULL,
            class_name TEXT NOT NULL,
            expected INTEGER NOT NULL,
            moved_in INTEGER NOT NULL,
            moved_out INTEGER NOT NULL,
            CONSTRAINT pk_enrolment_class PRIMARY KEY (school_id, school_year, number, grade, class_name)
        )
        """,
        """
        CREATE TABLE enrolment_pupil (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            number INTEGER NOT NULL,
            student_code TEXT NOT NULL,
            identity_number TEXT,
            full_name TEXT NOT NULL,
            grade SMALLINT NOT NULL,
            class_name TEXT NOT NULL,
            movement TEXT NOT NULL,
            moved_on DATE,
            CONSTRAINT pk_enrolment_pupil PRIMARY KEY (school_id, school_year, number, student_code),
            CONSTRAINT ck_enrolment_pupil_grade CHECK (grade BETWEEN 1 AND 12),
            CONSTRAINT ck_enrolment_pupil_movement CHECK (movement IN ('enrolled', 'moved_in', 'moved_out'))
        )
         PARTITION BY RANGE (school_year)
        """,
        "CREATE INDEX ix_enrolment_pupil_expected ON enrolment_pupil (school_id, number, student_code) "
        "INCLUDE (grade, class_name) WHERE movement <> 'moved_out'",
        """
        CREATE TABLE school_change (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            changes BIGINT NOT NULL,
            CONSTRAINT pk_school_change PRIMARY KEY (school_id, school_year)
        )
        """,
        """
        CREATE TABLE compliance_tally (
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            at_changes BIGINT NOT NULL,
            counts JSONB NOT NULL,
            CONSTRAINT pk_compliance_tally PRIMARY KEY (school_id, school_year)
        )
        """,
        "ALTER TABLE item_event ADD COLUMN student_code TEXT",
        "CREATE INDEX ix_item_event_refused ON item_event (school_id, at) "
        "INCLUDE (student_code, target, package_id, position, round) WHERE target <> 'accepted'",
        "CREATE INDEX ix_item_event_settled ON item_event (school_id, package_id, position, round, at) "
        "WHERE round > 1",
        "CREATE INDEX ix_item_refused_record ON item (school_id, record_id) WHERE state <> 'accepted'",
        "CREATE INDEX ix_record_claim_content_sha256 ON record_claim (content_sha256)",
        "CREATE INDEX ix_record_compliance ON record (school_id, student_code, received_at) "
        "INCLUDE (record_id, level, grade, class_name, is_completed, is_late)",
        "CREATE INDEX ix_record_event_ended ON record_event (school_id, record_id, at) "
        f"INCLUDE (kind) WHERE {_ENDED}",
        "CREATE INDEX ix_package_progress_unread ON package_progress (school_id, answered_at) "
        "WHERE state = 'answered' AND reply_read_at IS NULL",
    )
    distribute("enrolment_roll", "school_id")
    distribute("enrolment_class", "school_id")
    distribute("enrolment_pupil", "school_id")
    distribute("school_change", "school_id")
    distribute("compliance_tally", "school_id")
    partition_by_year("enrolment_pupil")
    make_immutable("enrolment_roll", "enrolment_class", "enrolment_pupil")
    allow("SELECT, INSERT, UPDATE", "school_change", "compliance_tally")


def downgrade() -> None:
    run(
        "DROP INDEX ix_package_progress_unread",
        "DROP INDEX ix_record_event_ended",
        "DROP INDEX ix_record_compliance",
        "DROP INDEX ix_record_claim_content_sha256",
        "DROP INDEX ix_item_refused_record",
        "DROP INDEX ix_item_event_settled",
        "DROP INDEX ix_item_event_refused",
        "ALTER TABLE item_event DROP COLUMN student_code",
    )
    drop("compliance_tally", "school_change", "enrolment_pupil", "enrolment_class", "enrolment_roll")
