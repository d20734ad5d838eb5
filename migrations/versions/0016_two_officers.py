"""Leaving a package out of a seal takes two officers: each says so with a reason of their own."""

from alembic import op

from migrations.ddl import run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_KEY = "province_code, school_year, kind, package_id"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        "ALTER TABLE snapshot_override DROP CONSTRAINT pk_snapshot_override",
        f"ALTER TABLE snapshot_override ADD CONSTRAINT pk_snapshot_override PRIMARY KEY ({_KEY}, decided_by)",
    )


def downgrade() -> None:
    # Where two officers have decided, the first one's decision alone can stay.
    run(
        "ALTER TABLE snapshot_override DISABLE TRIGGER immutable",
        """
        DELETE FROM snapshot_override AS later USING snapshot_override AS first
        WHERE later.province_code = first.province_code AND later.school_year = first.school_year
            AND later.kind = first.kind AND later.package_id = first.package_id
            AND (later.decided_at, later.decided_by) > (first.decided_at, first.decided_by)
        """,
        "ALTER TABLE snapshot_override ENABLE TRIGGER immutable",
        "ALTER TABLE snapshot_override DROP CONSTRAINT pk_snapshot_override",
        f"ALTER TABLE snapshot_override ADD CONSTRAINT pk_snapshot_override PRIMARY KEY ({_KEY})",
    )
