"""Tampering: what is recorded is changed by nobody, neither as the service nor as the schema's owner."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import SERVICE_ROLE, open_engine
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from tests.builders.rows import SCHOOL_YEAR, insert_row

INSUFFICIENT_PRIVILEGE = "42501"

EVIDENCE = (
    "arrival",
    "arrival_certificate",
    "arrival_event",
    "arrival_line",
    "arrival_part",
    "arrival_school",
    "audit_event",
    "calendar_row",
    "calendar_version",
    "certificate_event",
    "crl",
    "enrolment_class",
    "enrolment_pupil",
    "enrolment_roll",
    "exemption_event",
    "explanation_event",
    "extension_event",
    "finding",
    "forwarded_claim",
    "forwarded_record",
    "forwarding_answer",
    "forwarding_dispute",
    "forwarding_event",
    "forwarding_opening",
    "forwarding_registration",
    "item_event",
    "ocsp_response",
    "package",
    "package_claim",
    "package_event",
    "policy_value",
    "province_client",
    "recall_event",
    "receipt",
    "record",
    "record_claim",
    "record_event",
    "record_signature",
    "service_key",
    "snapshot",
    "snapshot_entry",
    "snapshot_override",
    "snapshot_school",
    "snapshot_tile",
    "transfer_event",
)
PARTITIONED = (
    "enrolment_pupil",
    "finding",
    "forwarded_record",
    "item_event",
    "receipt",
    "record",
    "record_event",
    "record_signature",
)
RELATIONS = (*EVIDENCE, *(f"{table}_{SCHOOL_YEAR}" for table in PARTITIONED))

WHOLE = frozenset({"*"})
# What the service may change of rows that are no evidence: all of a row, or these of its columns.
CHANGING = {
    "account": frozenset({"full_name", "is_active", "password_hash", "tokens_since"}),
    "active_record": WHOLE,
    "arrival_progress": WHOLE,
    "certificate": frozenset({"state"}),
    "client": frozenset({"is_active", "rate_multiplier", "secret_hash"}),
    "client_school": frozenset({"valid_to"}),
    "compliance_tally": WHOLE,
    "custody": WHOLE,
    "exemption": frozenset({"state"}),
    "explanation": frozenset({"state"}),
    "extension": frozenset({"state"}),
    "forwarding": WHOLE,
    "item": frozenset({"is_repeat", "state"}),
    "job": WHOLE,
    "management": frozenset({"valid_to"}),
    "organisation": frozenset({"is_public", "levels", "name", "valid_to"}),
    "package_progress": frozenset(
        {"answered_at", "reply_read_at", "software_name", "software_version", "state", "total"}
    ),
    "possession_challenge": frozenset({"used_at"}),
    "province_key": frozenset({"withdrawn_at"}),
    "recall": frozenset({"escalated_to", "state"}),
    "recall_item": frozenset({"state"}),
    "revocation_source": WHOLE,
    "schedule": WHOLE,
    "school_change": WHOLE,
    "sign_in_attempt": WHOLE,
    "transfer": frozenset({"state"}),
    "transfer_item": frozenset({"state"}),
    "trust_anchor": frozenset({"added_at", "kind", "owner_class", "withdrawn_at"}),
}

ATTACKS = {
    "update": "UPDATE {relation} SET {column} = {column}",
    "delete": "DELETE FROM {relation}",
    "truncate": "TRUNCATE {relation} CASCADE",
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def owner(postgres: EmbeddedPostgres, template_database: str) -> AsyncIterator[AsyncEngine]:
    """A database with one row in every table that holds evidence, as its owner, a superuser here."""
    await create_database(postgres.dsn("postgres"), "evidence", template=template_database)
    engine = open_engine(postgres.sqlalchemy_url("evidence"), pool_size=2, as_service=False)
    async with engine.begin() as connection:
        for table in EVIDENCE:
            await insert_row(connection, table)
    yield engine
    await engine.dispose()
    await drop_database(postgres.dsn("postgres"), "evidence")


async def first_column(connection: AsyncConnection, relation: str) -> str:
    """Name a column that an UPDATE may name at all."""
    return str(
        await connection.scalar(
            text(
                "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(:relation) "
                "AND attnum > 0 AND attidentity = '' ORDER BY attnum LIMIT 1"
            ),
            {"relation": relation},
        )
    )


async def refusal(connection: AsyncConnection, statement: str) -> tuple[str, str]:
    """Give the SQLSTATE and the message with which a statement is refused."""
    with pytest.raises(DBAPIError) as caught:
        await connection.execute(text(statement))
    await connection.rollback()
    return caught.value.orig.sqlstate, str(caught.value.orig)  # type: ignore[union-attr]


async def as_service(connection: AsyncConnection) -> None:
    await connection.execute(text(f"SET LOCAL ROLE {SERVICE_ROLE}"))


async def test_the_list_of_evidence_is_whole(owner: AsyncEngine) -> None:
    async with owner.connect() as connection:
        guarded = await connection.execute(
            text(
                "SELECT tgrelid::regclass::text FROM pg_trigger WHERE tgname = 'immutable' AND tgparentid = 0"
            )
        )
        assert set(guarded.scalars()) == set(EVIDENCE)
        partitioned = await connection.execute(
            text("SELECT DISTINCT inhparent::regclass::text FROM pg_inherits")
        )
        assert set(PARTITIONED) == set(partitioned.scalars()) & set(EVIDENCE)


async def test_what_may_change_is_known_column_by_column(owner: AsyncEngine) -> None:
    """A new table is either evidence, or is put on this list by somebody who thought of it."""
    async with owner.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT c.table_name, array_remove(array_agg(p.column_name::text), NULL), "
                "count(*) = count(p.column_name) FROM information_schema.columns c "
                "LEFT JOIN information_schema.column_privileges p ON p.grantee = :role "
                "AND p.privilege_type = 'UPDATE' AND p.table_schema = c.table_schema "
                "AND p.table_name = c.table_name AND p.column_name = c.column_name "
                "WHERE c.table_schema = 'public' GROUP BY c.table_name"
            ),
            {"role": SERVICE_ROLE},
        )
        changing = {
            table: WHOLE if whole else frozenset(columns) for table, columns, whole in rows if columns
        }
        removed = await connection.execute(
            text(
                "SELECT DISTINCT table_name FROM information_schema.table_privileges "
                "WHERE grantee = :role AND privilege_type IN ('DELETE', 'TRUNCATE') "
                "AND table_schema = 'public'"
            ),
            {"role": SERVICE_ROLE},
        )
        assert set(removed.scalars()) == {
            "active_pupil_code",
            "active_record",
            "job",
            "sign_in_attempt",
        }
    assert changing == CHANGING


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("certificate", "school_id"),
        ("certificate", "fingerprint"),
        ("certificate", "der"),
        ("trust_anchor", "der"),
        ("possession_challenge", "nonce"),
        ("organisation", "code"),
        ("management", "authority_id"),
        ("account", "role"),
        ("account", "organisation_id"),
        ("client_school", "school_id"),
        ("item", "content_sha256"),
        ("recall_item", "record_id"),
        ("transfer", "to_school_id"),
        ("extension", "until"),
        ("province_key", "public_jwk"),
    ],
)
async def test_what_a_row_is_stays_what_it_was(owner: AsyncEngine, table: str, column: str) -> None:
    """Whom a certificate belongs to, which key it is, what was asked for: only a state moves."""
    async with owner.connect() as connection:
        await as_service(connection)
        state, message = await refusal(connection, f"UPDATE {table} SET {column} = {column}")
    assert (state, "permission denied" in message) == (INSUFFICIENT_PRIVILEGE, True)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("relation", RELATIONS)
async def test_the_owner_is_stopped_by_triggers(owner: AsyncEngine, relation: str, attack: str) -> None:
    async with owner.connect() as connection:
        column = await first_column(connection, relation)
        state, message = await refusal(connection, ATTACKS[attack].format(relation=relation, column=column))
    assert state == INSUFFICIENT_PRIVILEGE
    assert "what is recorded never changes" in message


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("relation", RELATIONS)
async def test_the_service_has_no_right_to(owner: AsyncEngine, relation: str, attack: str) -> None:
    async with owner.connect() as connection:
        column = await first_column(connection, relation)
        await as_service(connection)
        state, message = await refusal(connection, ATTACKS[attack].format(relation=relation, column=column))
    assert state == INSUFFICIENT_PRIVILEGE
    assert "permission denied" in message


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM record FOR UPDATE",
        "INSERT INTO record_claim TABLE record_claim ON CONFLICT (record_id) DO UPDATE SET school_id = 2",
        f"INSERT INTO record_{SCHOOL_YEAR} SELECT * FROM record",
        f"SELECT 1 FROM record_{SCHOOL_YEAR}",
        "DROP TABLE record",
        f"ALTER TABLE record DETACH PARTITION record_{SCHOOL_YEAR}",
        "ALTER TABLE record DISABLE TRIGGER ALL",
        "DROP TRIGGER immutable ON record",
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
        "SET session_replication_role = replica",
        "INSERT INTO sandbox DEFAULT VALUES",
    ],
)
async def test_the_service_finds_no_way_round(owner: AsyncEngine, statement: str) -> None:
    async with owner.connect() as connection:
        await as_service(connection)
        state, _ = await refusal(connection, statement)
    assert state == INSUFFICIENT_PRIVILEGE


async def test_the_service_cannot_grant_itself_more(owner: AsyncEngine) -> None:
    """PostgreSQL answers such a GRANT with a warning, so what counts is that nothing came of it."""
    async with owner.connect() as connection:
        await as_service(connection)
        await connection.execute(text(f"GRANT UPDATE ON record TO {SERVICE_ROLE}"))
        state, _ = await refusal(connection, "UPDATE record SET school_id = 2")
    assert state == INSUFFICIENT_PRIVILEGE


async def test_the_service_cannot_make_a_sandbox_of_its_own(owner: AsyncEngine) -> None:
    """A temporary table is found before any other, where a function names it without its schema."""
    async with owner.connect() as connection:
        await connection.execute(text("DELETE FROM sandbox"))
        await as_service(connection)
        await connection.execute(text("CREATE TEMPORARY TABLE sandbox (declared_at timestamptz)"))
        await connection.execute(text("INSERT INTO sandbox VALUES (now())"))
        await connection.execute(text("SELECT set_config('hocba.now', '2001-01-01T00:00:00Z', true)"))
        assert await connection.scalar(text("SELECT hocba_now() >= transaction_timestamp()"))
        await connection.rollback()


async def test_a_service_connection_is_the_service_from_its_first_statement(
    owner: AsyncEngine, postgres: EmbeddedPostgres
) -> None:
    engine = open_engine(postgres.sqlalchemy_url("evidence"), pool_size=1)
    async with engine.connect() as connection:
        assert await connection.scalar(text("SELECT current_user")) == SERVICE_ROLE
        state, message = await refusal(connection, "DELETE FROM record")
    await engine.dispose()
    assert (state, "permission denied" in message) == (INSUFFICIENT_PRIVILEGE, True)
