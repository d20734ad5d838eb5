"""The service changes only what moves: not which key, which school, which request; nor what the time is."""

from alembic import op

from migrations.ddl import SERVICE_ROLE, on_citus, run

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

# What the service may change of rows that are no evidence.
_CHANGING = {
    "organisation": "name, levels, is_public, valid_to",
    "management": "valid_to",
    "account": "full_name, password_hash, is_active, tokens_since",
    "client": "secret_hash, is_active, rate_multiplier",
    "client_school": "valid_to",
    "certificate": "state",
    "trust_anchor": "owner_class, kind, added_at, withdrawn_at",
    "possession_challenge": "used_at",
    "extension": "state",
    "exemption": "state",
    "explanation": "state",
    "recall": "state, escalated_to",
    "recall_item": "state",
    "transfer": "state",
    "transfer_item": "state",
    "province_key": "withdrawn_at",
}
# Citus grants distributed tables as a whole only.
_DISTRIBUTED = {
    "package_progress": "state, total, software_name, software_version, answered_at, reply_read_at",
    "item": "state, is_repeat",
}


def _tables() -> dict[str, str]:
    return _CHANGING if on_citus() else _CHANGING | _DISTRIBUTED


def _tell_time(sandbox: str) -> None:
    run(
        f"""
        CREATE OR REPLACE FUNCTION hocba_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
            SELECT CASE WHEN EXISTS (SELECT 1 FROM {sandbox})
                THEN coalesce(nullif(current_setting('hocba.now', true), '')::timestamptz, clock_timestamp())
                ELSE clock_timestamp() END
        $$
        """  # noqa: S608 - a word of this file
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    for table, columns in _tables().items():
        run(
            f"REVOKE UPDATE ON {table} FROM {SERVICE_ROLE}",
            f"GRANT UPDATE ({columns}) ON {table} TO {SERVICE_ROLE}",
        )
    # Without its schema, a temporary table of anybody's own would be found first.
    _tell_time("public.sandbox")


def downgrade() -> None:
    _tell_time("sandbox")
    for table in _tables():
        run(f"GRANT UPDATE ON {table} TO {SERVICE_ROLE}")
