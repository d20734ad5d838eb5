"""${message}."""

from collections.abc import Sequence

from alembic import op

from migrations.ddl import run

revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    ${upgrades if upgrades else "run()"}


def downgrade() -> None:
    ${downgrades if downgrades else "run()"}
