"""Forwarding snapshots from a province to the ministry: what is sent, what arrives, what is answered."""

from alembic import op

from migrations.ddl import allow, distribute, drop, guard_moves, make_immutable, partition_by_year, run

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE province_client (
            client_id UUID NOT NULL,
            department_id INTEGER NOT NULL,
            CONSTRAINT pk_province_client PRIMARY KEY (client_id),
            CONSTRAINT fk_province_client_client_id FOREIGN KEY(client_id) REFERENCES client (id),
            CONSTRAINT fk_province_client_department_id
                FOREIGN KEY(department_id) REFERENCES organisation (id)
        )
        """,
        """
        CREATE TABLE forwarding (
            snapshot_id UUID NOT NULL,
            state TEXT NOT NULL,
            round SMALLINT NOT NULL,
            requested_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            sent INTEGER NOT NULL,
            attempts INTEGER NOT NULL,
            next_try_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            last_error TEXT,
            last_error_at TIMESTAMP WITH TIME ZONE,
            ended_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_forwarding PRIMARY KEY (snapshot_id),
            CONSTRAINT ck_forwarding_state
                CHECK (state IN ('pending', 'sending', 'acknowledged', 'disputed', 'refused')),
            CONSTRAINT fk_forwarding_snapshot_id FOREIGN KEY(snapshot_id) REFERENCES snapshot (id)
        )
        """,
        """
        CREATE TABLE forwarding_event (
            snapshot_id UUID NOT NULL,
            id UUID NOT NULL,
            source TEXT,
            target TEXT NOT NULL,
            round SMALLINT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            code TEXT,
            CONSTRAINT pk_forwarding_event PRIMARY KEY (snapshot_id, id)
        )
        """,
        """
        CREATE TABLE forwarding_opening (
            snapshot_id UUID NOT NULL,
            round SMALLINT NOT NULL,
            token TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_forwarding_opening PRIMARY KEY (snapshot_id, round)
        )
        """,
        """
        CREATE TABLE forwarding_registration (
            snapshot_id UUID NOT NULL,
            round SMALLINT NOT NULL,
            number INTEGER NOT NULL,
            token TEXT NOT NULL,
            CONSTRAINT pk_forwarding_registration PRIMARY KEY (snapshot_id, round, number)
        )
        """,
        """
        CREATE TABLE forwarding_answer (
            snapshot_id UUID NOT NULL,
            round SMALLINT NOT NULL,
            token TEXT NOT NULL,
            claims JSONB NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_forwarding_answer PRIMARY KEY (snapshot_id, round)
        )
        """,
        """
        CREATE TABLE forwarding_dispute (
            snapshot_id UUID NOT NULL,
            round SMALLINT NOT NULL,
            subject TEXT NOT NULL,
            code TEXT NOT NULL,
            school_code TEXT NOT NULL,
            CONSTRAINT pk_forwarding_dispute PRIMARY KEY (snapshot_id, round, subject, code)
        )
        """,
        """
        CREATE TABLE province_key (
            province_code TEXT NOT NULL,
            kid TEXT NOT NULL,
            public_jwk JSONB NOT NULL,
            added_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            withdrawn_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_province_key PRIMARY KEY (province_code, kid)
        )
        """,
        """
        CREATE TABLE arrival (
            snapshot_id UUID NOT NULL,
            department_id INTEGER NOT NULL,
            province_code TEXT NOT NULL,
            school_year SMALLINT NOT NULL,
            kind TEXT NOT NULL,
            cut_off TIMESTAMP WITH TIME ZONE NOT NULL,
            sealed_at TIMESTAMP WITH TIME ZONE NOT NULL,
            size INTEGER NOT NULL,
            root BYTEA NOT NULL,
            counts_sha256 TEXT NOT NULL,
            statement TEXT NOT NULL,
            opened_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_arrival PRIMARY KEY (snapshot_id),
            CONSTRAINT uq_arrival_scope UNIQUE (province_code, school_year, kind),
            CONSTRAINT ck_arrival_kind CHECK (kind IN ('UPSTREAM_CONFIRMED', 'UPSTREAM_FINAL')),
            CONSTRAINT ck_arrival_root CHECK (octet_length(root) = 32),
            CONSTRAINT fk_arrival_department_id FOREIGN KEY(department_id) REFERENCES organisation (id)
        )
        """,
        """
        CREATE TABLE arrival_progress (
            snapshot_id UUID NOT NULL,
            state TEXT NOT NULL,
            round SMALLINT NOT NULL,
            CONSTRAINT pk_arrival_progress PRIMARY KEY (snapshot_id),
            CONSTRAINT ck_arrival_progress_state
                CHECK (state IN ('receiving', 'closing', 'acknowledged', 'disputed')),
            CONSTRAINT fk_arrival_progress_snapshot_id
                FOREIGN KEY(snapshot_id) REFERENCES arrival (snapshot_id)
        )
        """,
        """
        CREATE TABLE arrival_event (
            snapshot_id UUID NOT NULL,
            id UUID NOT NULL,
            source TEXT,
            target TEXT NOT NULL,
            round SMALLINT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            CONSTRAINT pk_arrival_event PRIMARY KEY (snapshot_id, id)
        )
        """,
        """
        CREATE TABLE arrival_part (
            snapshot_id UUID NOT NULL,
            number INTEGER NOT NULL,
            lines INTEGER NOT NULL,
            CONSTRAINT pk_arrival_part PRIMARY KEY (snapshot_id, number)
        )
        """,
        """
        CREATE TABLE arrival_line (
            snapshot_id UUID NOT NULL,
            record_id UUID NOT NULL,
            school_code TEXT NOT NULL,
            content_sha256 BYTEA NOT NULL,
            xml_sha256 BYTEA NOT NULL,
            status TEXT NOT NULL,
            is_late BOOLEAN NOT NULL,
            CONSTRAINT pk_arrival_line PRIMARY KEY (snapshot_id, record_id)
        )
        """,
        """
        CREATE TABLE arrival_school (
            snapshot_id UUID NOT NULL,
            round SMALLINT NOT NULL,
            school_code TEXT NOT NULL,
            name TEXT NOT NULL,
            is_public BOOLEAN NOT NULL,
            levels TEXT[] NOT NULL,
            CONSTRAINT pk_arrival_school PRIMARY KEY (snapshot_id, round, school_code)
        )
        """,
        """
        CREATE TABLE arrival_certificate (
            snapshot_id UUID NOT NULL,
            round SMALLINT NOT NULL,
            fingerprint TEXT NOT NULL,
            school_code TEXT NOT NULL,
            position INTEGER NOT NULL,
            role TEXT NOT NULL,
            not_before TIMESTAMP WITH TIME ZONE NOT NULL,
            not_after TIMESTAMP WITH TIME ZONE NOT NULL,
            events JSONB NOT NULL,
            CONSTRAINT pk_arrival_certificate
                PRIMARY KEY (snapshot_id, round, fingerprint, school_code, position)
        )
        """,
        """
        CREATE TABLE forwarded_claim (
            record_id UUID NOT NULL,
            province_code TEXT NOT NULL,
            school_year SMALLINT NOT NULL,
            content_sha256 BYTEA NOT NULL,
            xml_sha256 BYTEA NOT NULL,
            CONSTRAINT pk_forwarded_claim PRIMARY KEY (record_id)
        )
        """,
        """
        CREATE TABLE forwarded_record (
            province_code TEXT NOT NULL,
            school_year SMALLINT NOT NULL,
            record_id UUID NOT NULL,
            snapshot_id UUID NOT NULL,
            school_code TEXT NOT NULL,
            level TEXT NOT NULL,
            grade SMALLINT NOT NULL,
            xml BYTEA NOT NULL,
            xml_encoding TEXT NOT NULL,
            xml_sha256 BYTEA NOT NULL,
            content_sha256 BYTEA NOT NULL,
            format_version TEXT NOT NULL,
            policy_version TEXT NOT NULL,
            receipt TEXT NOT NULL,
            received_at TIMESTAMP WITH TIME ZONE NOT NULL,
            signatures JSONB NOT NULL,
            verified_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_forwarded_record PRIMARY KEY (province_code, school_year, record_id)
        )
         PARTITION BY RANGE (school_year)
        """,
        "CREATE INDEX ix_forwarded_record_snapshot_id ON forwarded_record (snapshot_id)",
        "ALTER TABLE forwarded_record ALTER COLUMN xml SET STORAGE EXTERNAL",  # compressed already
    )
    distribute("arrival_line", "record_id")
    distribute("forwarded_claim", "record_id")
    distribute("forwarded_record", "record_id")
    partition_by_year("forwarded_record")
    make_immutable(
        "province_client",
        "forwarding_event",
        "forwarding_opening",
        "forwarding_registration",
        "forwarding_answer",
        "forwarding_dispute",
        "arrival",
        "arrival_event",
        "arrival_part",
        "arrival_line",
        "arrival_school",
        "arrival_certificate",
        "forwarded_claim",
        "forwarded_record",
    )
    allow("SELECT, INSERT, UPDATE", "forwarding", "arrival_progress", "province_key")
    guard_moves(
        "forwarding",
        "pending>sending",
        "sending>acknowledged",
        "sending>disputed",
        "sending>refused",
        "disputed>pending",
        "refused>pending",
    )
    guard_moves(
        "arrival_progress",
        "receiving>closing",
        "closing>acknowledged",
        "closing>disputed",
        "disputed>receiving",
    )


def downgrade() -> None:
    drop(
        "forwarded_record",
        "forwarded_claim",
        "arrival_certificate",
        "arrival_school",
        "arrival_line",
        "arrival_part",
        "arrival_event",
        "arrival_progress",
        "arrival",
        "province_key",
        "forwarding_dispute",
        "forwarding_answer",
        "forwarding_registration",
        "forwarding_opening",
        "forwarding_event",
        "forwarding",
        "province_client",
    )
