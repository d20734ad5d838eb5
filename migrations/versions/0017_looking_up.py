"""Sector systems that may look transcripts up, and the index by which a record's looks are read."""

from alembic import op

from migrations.ddl import run

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        "ALTER TABLE client ADD COLUMN purpose TEXT",
        "ALTER TABLE client ADD COLUMN organisation_id INTEGER",
        "ALTER TABLE client ADD CONSTRAINT fk_client_organisation_id "
        "FOREIGN KEY (organisation_id) REFERENCES organisation (id)",
        "ALTER TABLE client ADD CONSTRAINT ck_client_purpose CHECK (purpose IN ('admissions', 'transfer'))",
        "ALTER TABLE client ADD CONSTRAINT ck_client_sector "
        "CHECK ((purpose IS NULL) = (organisation_id IS NULL))",
        "CREATE INDEX ix_audit_event_subject ON audit_event (subject, at, id)",
    )


def downgrade() -> None:
    run(
        "DROP INDEX ix_audit_event_subject",
        "ALTER TABLE client DROP COLUMN organisation_id",
        "ALTER TABLE client DROP COLUMN purpose",
    )
