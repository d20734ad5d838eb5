"""What is kept for the compliance reports serves those of the past too, and their indexes are read alone.

A count that is kept holds for every moment since the school's last change: of those before this migration the
moment is not known, and it stands for them. Partitions are chosen by the school year, and PostgreSQL asks
each row for it again: without it in the index, every row of a province was fetched from the table.
"""

from alembic import op

from migrations.ddl import run

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_record_compliance", "record (school_id, student_code, received_at)",
     "record_id, level, grade, class_name, is_completed, is_late",
     "record_id, grade, class_name, is_completed, is_late, school_year", ""),
    ("ix_enrolment_pupil_expected", "enrolment_pupil (school_id, number, student_code)",
     "grade, class_name", "grade, class_name, school_year", " WHERE movement <> 'moved_out'"),
    ("ix_item_event_refused", "item_event (school_id, at)",
     "student_code, target, package_id, position, round",
     "student_code, target, package_id, position, round, school_year", " WHERE target <> 'accepted'"),
    ("ix_record_event_ended", "record_event (school_id, record_id, at)",
     "kind", "kind, school_year", " WHERE kind IN ('recalled', 'replaced')"),
)  # fmt: skip


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        "ALTER TABLE school_change "
        "ADD COLUMN changed_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL"
    )
    for name, key, _, included, condition in _INDEXES:
        run(f"DROP INDEX {name}", f"CREATE INDEX {name} ON {key} INCLUDE ({included}){condition}")


def downgrade() -> None:
    run("ALTER TABLE school_change DROP COLUMN changed_at")
    for name, key, included, _, condition in _INDEXES:
        run(f"DROP INDEX {name}", f"CREATE INDEX {name} ON {key} INCLUDE ({included}){condition}")
