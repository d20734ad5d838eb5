"""Organisations, who manages a school, accounts, clients."""

from alembic import op

from migrations.ddl import SERVICE_ROLE, allow, drop, run

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _roles_and_functions() -> None:
    """The role the service works as (it outlives the database), and what guards evidence."""
    run(
        """
        DO $$ BEGIN
            IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'hocba_service') THEN
                CREATE ROLE hocba_service NOLOGIN;
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
        """,
        "CREATE TABLE sandbox (declared_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now())",
        f"GRANT SELECT ON sandbox TO {SERVICE_ROLE}",
        """
        CREATE FUNCTION hocba_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
            SELECT CASE WHEN EXISTS (SELECT 1 FROM sandbox)
                THEN coalesce(nullif(current_setting('hocba.now', true), '')::timestamptz, clock_timestamp())
                ELSE clock_timestamp() END
        $$
        """,
        """
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION '% on % is refused: what is recorded never changes', TG_OP, TG_TABLE_NAME
                USING ERRCODE = '42501';
        END $$
        """,
        f"GRANT {SERVICE_ROLE} TO CURRENT_USER",
        f"GRANT USAGE ON SCHEMA public TO {SERVICE_ROLE}",
        f"GRANT SELECT ON alembic_version TO {SERVICE_ROLE}",  # /readyz tells the revision
    )


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    _roles_and_functions()
    run(
        """
        CREATE TABLE organisation (
            id INTEGER GENERATED ALWAYS AS IDENTITY,
            code TEXT NOT NULL,
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            parent_id INTEGER,
            province_code TEXT,
            levels TEXT[] DEFAULT '{}'::text[] NOT NULL,
            is_public BOOLEAN DEFAULT true NOT NULL,
            valid_from DATE NOT NULL,
            valid_to DATE,
            CONSTRAINT pk_organisation PRIMARY KEY (id),
            CONSTRAINT ck_organisation_kind CHECK (kind IN ('ministry', 'department', 'commune', 'school')),
            CONSTRAINT ck_organisation_validity CHECK (valid_to IS NULL OR valid_to > valid_from),
            CONSTRAINT ck_organisation_parent CHECK ((kind = 'ministry') = (parent_id IS NULL)),
            CONSTRAINT uq_organisation_code UNIQUE (code),
            CONSTRAINT fk_organisation_parent_id FOREIGN KEY(parent_id) REFERENCES organisation (id)
        )
        """,
        "CREATE INDEX ix_organisation_parent_id ON organisation (parent_id)",
        """
        CREATE TABLE management (
            school_id INTEGER NOT NULL,
            valid_from DATE NOT NULL,
            authority_id INTEGER NOT NULL,
            valid_to DATE,
            CONSTRAINT pk_management PRIMARY KEY (school_id, valid_from),
            CONSTRAINT ck_management_validity CHECK (valid_to IS NULL OR valid_to > valid_from),
            CONSTRAINT fk_management_school_id FOREIGN KEY(school_id) REFERENCES organisation (id),
            CONSTRAINT fk_management_authority_id FOREIGN KEY(authority_id) REFERENCES organisation (id)
        )
        """,
        "CREATE INDEX ix_management_authority_id ON management (authority_id)",
        "CREATE UNIQUE INDEX uq_management_current ON management (school_id) WHERE valid_to IS NULL",
        """
        CREATE TABLE account (
            id UUID NOT NULL,
            username TEXT NOT NULL,
            password_hash TEXT,
            external_subject TEXT,
            full_name TEXT NOT NULL,
            role TEXT NOT NULL,
            organisation_id INTEGER NOT NULL,
            is_active BOOLEAN DEFAULT true NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            tokens_since TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_account PRIMARY KEY (id),
            CONSTRAINT ck_account_role
                CHECK (role IN ('commune_officer', 'department_officer', 'ministry_officer', 'inspector',
                    'administrator')),
            CONSTRAINT uq_account_username UNIQUE (username),
            CONSTRAINT uq_account_external_subject UNIQUE (external_subject),
            CONSTRAINT fk_account_organisation_id FOREIGN KEY(organisation_id) REFERENCES organisation (id)
        )
        """,
        """
        CREATE TABLE client (
            id UUID NOT NULL,
            client_id TEXT NOT NULL,
            secret_hash TEXT NOT NULL,
            name TEXT NOT NULL,
            is_active BOOLEAN DEFAULT true NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            rate_multiplier SMALLINT DEFAULT 1 NOT NULL,
            CONSTRAINT pk_client PRIMARY KEY (id),
            CONSTRAINT ck_client_rate_multiplier CHECK (rate_multiplier BETWEEN 1 AND 1000),
            CONSTRAINT uq_client_client_id UNIQUE (client_id)
        )
        """,
        """
        CREATE TABLE client_school (
            client_id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            valid_from TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
            valid_to TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_client_school PRIMARY KEY (client_id, school_id, valid_from),
            CONSTRAINT fk_client_school_client_id FOREIGN KEY(client_id) REFERENCES client (id),
            CONSTRAINT fk_client_school_school_id FOREIGN KEY(school_id) REFERENCES organisation (id)
        )
        """,
        "CREATE INDEX ix_client_school_school_id ON client_school (school_id)",
    )
    allow("SELECT, INSERT, UPDATE", "organisation", "management", "account", "client", "client_school")


def downgrade() -> None:
    drop("client_school", "client", "account", "management", "organisation")
    run("DROP FUNCTION refuse_change()", "DROP FUNCTION hocba_now()", "DROP TABLE sandbox")
