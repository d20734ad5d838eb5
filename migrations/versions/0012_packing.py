"""Records that lean on a classmate's: told by what differs."""

from alembic import op

from migrations.ddl import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        "ALTER TABLE record ADD COLUMN leans_on UUID",
        "CREATE INDEX ix_record_alone ON record (school_id, class_name, received_at) WHERE leans_on IS NULL",
    )


def downgrade() -> None:
    run("DROP INDEX ix_record_alone", "ALTER TABLE record DROP COLUMN leans_on")
