"""Jobs in lanes: a flood of one sender delays nobody else."""

from alembic import op

from migrations.ddl import run

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        "ALTER TABLE job ADD COLUMN lane TEXT, ADD COLUMN size BIGINT DEFAULT 0 NOT NULL, "
        "ADD COLUMN turn BIGINT DEFAULT '-1'::integer NOT NULL",
        "DROP INDEX ix_job_ready",
        "CREATE INDEX ix_job_ready ON job (turn, id) WHERE lease_until IS NULL AND dead_at IS NULL",
        "CREATE INDEX ix_job_lane ON job (lane, turn) WHERE lane IS NOT NULL AND dead_at IS NULL",
    )


def downgrade() -> None:
    run(
        "DROP INDEX ix_job_lane",
        "DROP INDEX ix_job_ready",
        "CREATE INDEX ix_job_ready ON job (run_at, id) WHERE lease_until IS NULL AND dead_at IS NULL",
        "ALTER TABLE job DROP COLUMN turn, DROP COLUMN size, DROP COLUMN lane",
    )
