"""Which snapshots hold a record, without looking through them all."""

from alembic import op

from migrations.ddl import run

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run("CREATE INDEX ix_snapshot_entry_record_id ON snapshot_entry (record_id)")


def downgrade() -> None:
    run("DROP INDEX ix_snapshot_entry_record_id")
