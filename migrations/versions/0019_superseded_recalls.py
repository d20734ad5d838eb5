"""A recall request whose record is replaced before anybody decides is closed, and says so."""

from alembic import op

from migrations.ddl import run

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_MOVES = ("requested>approved", "requested>declined", "requested>withdrawn")
_STATES = ("requested", "approved", "declined", "withdrawn")
_KINDS = (*_STATES, "reminded", "escalated")
_ADDED = "superseded"


def _listed(*values: str) -> str:
    return ", ".join(f"'{value}'" for value in values)


def _allow(states: tuple[str, ...], kinds: tuple[str, ...], moves: tuple[str, ...]) -> None:
    for table in ("recall", "recall_item"):
        run(
            f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_state",
            f"ALTER TABLE {table} ADD CONSTRAINT ck_{table}_state CHECK (state IN ({_listed(*states)}))",
            f"CREATE OR REPLACE FUNCTION {table}_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) NOT IN ({_listed(*moves)}) THEN "
            "RAISE EXCEPTION 'no move from % to %', OLD.state, NEW.state USING ERRCODE = '42501'; "
            "END IF; RETURN NEW; END $$",
        )
    run(
        "ALTER TABLE recall_event DROP CONSTRAINT ck_recall_event_kind",
        f"ALTER TABLE recall_event ADD CONSTRAINT ck_recall_event_kind CHECK (kind IN ({_listed(*kinds)}))",
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _allow((*_STATES, _ADDED), (*_KINDS, _ADDED), (*_MOVES, f"requested>{_ADDED}"))


def downgrade() -> None:
    # Without the state, such a request counts as withdrawn.
    run(
        "ALTER TABLE recall_event DISABLE TRIGGER immutable",
        f"DELETE FROM recall_event WHERE kind = '{_ADDED}'",  # noqa: S608 - a word of this file
        "ALTER TABLE recall_event ENABLE TRIGGER immutable",
    )
    for table in ("recall", "recall_item"):
        run(
            f"ALTER TABLE {table} DISABLE TRIGGER moves",
            f"UPDATE {table} SET state = 'withdrawn' WHERE state = '{_ADDED}'",  # noqa: S608 - as above
            f"ALTER TABLE {table} ENABLE TRIGGER moves",
        )
    _allow(_STATES, _KINDS, _MOVES)
