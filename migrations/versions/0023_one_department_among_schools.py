"""A province's department is found by index: a report of one school read every organisation to find it."""

from alembic import op

from migrations.ddl import run

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run("CREATE INDEX ix_organisation_kind_province_code ON organisation (kind, province_code)")


def downgrade() -> None:
    run("DROP INDEX ix_organisation_kind_province_code")
