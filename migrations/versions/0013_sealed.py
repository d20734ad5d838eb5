"""A sealed snapshot takes no more lines."""

from alembic import op

from migrations.ddl import run

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_PARTS = ("snapshot_school", "snapshot_entry", "snapshot_tile")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    # Once for each statement, not for each line: a manifest has up to a million of them. What the sealing
    # transaction itself writes beside the snapshot's row is part of the seal.
    run(
        """
        CREATE FUNCTION refuse_more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF EXISTS (
                SELECT FROM added JOIN snapshot ON snapshot.id = added.snapshot_id
                WHERE snapshot.xmin <> pg_current_xact_id()::xid
            ) THEN
                RAISE EXCEPTION 'a sealed snapshot never changes' USING ERRCODE = '42501';
            END IF;
            RETURN NULL;
        END $$
        """,
        *(
            f"CREATE TRIGGER sealed AFTER INSERT ON {table} REFERENCING NEW TABLE AS added "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_more()"
            for table in _PARTS
        ),
    )


def downgrade() -> None:
    run(*(f"DROP TRIGGER sealed ON {table}" for table in _PARTS), "DROP FUNCTION refuse_more()")
