"""A pupil code of one issuer stands once for a school year and level, whatever the identity number.

Before, a school could send one pupil twice with two identity numbers, and both records stood. Where that
happened both stand on, and the code belongs to the one that was received first: nothing is sent under it
before that one is recalled or replaced.
"""

from alembic import op

from migrations.ddl import allow, distribute, drop, on_citus, run

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE active_pupil_code (
            school_id INTEGER NOT NULL,
            student_code TEXT NOT NULL,
            school_year SMALLINT NOT NULL,
            level TEXT NOT NULL,
            record_id UUID NOT NULL,
            CONSTRAINT pk_active_pupil_code PRIMARY KEY (school_id, student_code, school_year, level)
        )
        """
    )
    distribute("active_pupil_code", "school_id")
    if on_citus():
        run("SET LOCAL citus.enable_repartition_joins = on")
    run(
        """
        INSERT INTO active_pupil_code (school_id, student_code, school_year, level, record_id)
        SELECT DISTINCT ON (record.school_id, record.student_code, record.school_year, record.level)
            record.school_id, record.student_code, record.school_year, record.level, record.record_id
        FROM active_record
        JOIN record ON record.record_id = active_record.record_id
            AND record.school_year = active_record.school_year
        ORDER BY record.school_id, record.student_code, record.school_year, record.level,
            record.received_at, record.record_id
        """
    )
    allow("SELECT, INSERT, DELETE", "active_pupil_code")


def downgrade() -> None:
    drop("active_pupil_code")
