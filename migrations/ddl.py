"""What every migration of this house does the same way, on plain PostgreSQL and on Citus."""

from typing import Final

from alembic import op

SERVICE_ROLE: Final = "hocba_service"
FIRST_YEAR: Final = 2022
LAST_YEAR: Final = 2031


def run(*statements: str) -> None:
    """Execute statements one by one (the driver takes no more than one at a time)."""
    for statement in statements:
        op.execute(statement)


def on_citus() -> bool:
    """Say whether this database is a Citus coordinator."""
    return bool(op.get_bind().exec_driver_sql("SELECT 1 FROM pg_extension WHERE extname = 'citus'").scalar())


def distribute(table: str, column: str) -> None:
    """Spread a large table over the cluster by a column of its key; nothing to do on plain PostgreSQL."""
    if on_citus():
        run(f"SELECT create_distributed_table('{table}', '{column}')")


def partition_by_year(*tables: str) -> None:
    """Give each table a partition a school year (named by its first year) and one for all other years."""
    for table in tables:
        for year in range(FIRST_YEAR, LAST_YEAR + 1):
            run(f"CREATE TABLE {table}_{year} PARTITION OF {table} FOR VALUES FROM ({year}) TO ({year + 1})")
        run(f"CREATE TABLE {table}_other PARTITION OF {table} DEFAULT")


def _partitions(table: str) -> list[str]:
    rows = op.get_bind().exec_driver_sql(
        f"SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table}'::regclass"  # noqa: S608
    )
    return [row[0] for row in rows]


def make_immutable(*tables: str) -> None:
    """Let the service insert and read, and nobody change or remove: by grant and by trigger.

    A row trigger is inherited by partitions; a truncate trigger is not, so each partition gets its own.
    """
    if on_citus():
        run("SET LOCAL citus.enable_unsafe_triggers = on")
    for table in tables:
        run(
            f"GRANT SELECT, INSERT ON {table} TO {SERVICE_ROLE}",
            f"CREATE TRIGGER immutable BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        )
        for relation in [table, *_partitions(table)]:
            run(
                f"CREATE TRIGGER no_truncate BEFORE TRUNCATE ON {relation} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )


def guard_moves(table: str, *moves: str) -> None:
    """Let ``state`` go only along the listed moves (each ``from>to``), and no row be removed."""
    listed = ", ".join(f"'{move}'" for move in moves)
    run(
        f"CREATE FUNCTION {table}_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.state <> OLD.state AND (OLD.state || '>' || NEW.state) NOT IN ({listed}) THEN "
        "RAISE EXCEPTION 'no move from % to %', OLD.state, NEW.state USING ERRCODE = '42501'; "
        "END IF; RETURN NEW; END $$",
        f"CREATE TRIGGER moves BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_moves()",
        f"CREATE TRIGGER kept BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_change()",
    )


def allow(privileges: str, *tables: str) -> None:
    """Grant the service's role what it needs on tables that may change."""
    for table in tables:
        run(f"GRANT {privileges} ON {table} TO {SERVICE_ROLE}")


def drop(*tables: str) -> None:
    """Drop tables in the given order, with the functions that guard their moves."""
    for table in tables:
        run(f"DROP TABLE {table}", f"DROP FUNCTION IF EXISTS {table}_moves()")
