"""Sealed snapshots, and the schedule of periodic work."""

from alembic import op

from migrations.ddl import allow, drop, make_immutable, run

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('SCHOOL_CONFIRMED', 'UPSTREAM_CONFIRMED', 'UPSTREAM_FINAL')"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        f"""
        CREATE TABLE snapshot (
            id UUID NOT NULL,
            province_code TEXT NOT NULL,
            school_year SMALLINT NOT NULL,
            kind TEXT NOT NULL,
            cut_off TIMESTAMP WITH TIME ZONE NOT NULL,
            sealed_at TIMESTAMP WITH TIME ZONE NOT NULL,
            calendar TEXT NOT NULL,
            size INTEGER NOT NULL,
            root BYTEA NOT NULL,
            held INTEGER NOT NULL,
            left_out JSONB NOT NULL,
            statement TEXT NOT NULL,
            CONSTRAINT pk_snapshot PRIMARY KEY (id),
            CONSTRAINT uq_snapshot_scope UNIQUE (province_code, school_year, kind),
            CONSTRAINT ck_snapshot_kind CHECK ({_KINDS}),
            CONSTRAINT ck_snapshot_root CHECK (octet_length(root) = 32)
        )
        """,
        """
        CREATE TABLE snapshot_school (
            snapshot_id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            school_code TEXT NOT NULL,
            total INTEGER NOT NULL,
            issued INTEGER NOT NULL,
            in_force INTEGER NOT NULL,
            recalled INTEGER NOT NULL,
            replaced INTEGER NOT NULL,
            late INTEGER NOT NULL,
            CONSTRAINT pk_snapshot_school PRIMARY KEY (snapshot_id, school_id),
            CONSTRAINT fk_snapshot_school_snapshot_id FOREIGN KEY(snapshot_id) REFERENCES snapshot (id)
        )
        """,
        """
        CREATE TABLE snapshot_entry (
            snapshot_id UUID NOT NULL,
            record_id UUID NOT NULL,
            position INTEGER NOT NULL,
            school_id INTEGER NOT NULL,
            content_sha256 BYTEA NOT NULL,
            xml_sha256 BYTEA NOT NULL,
            status TEXT NOT NULL,
            is_late BOOLEAN NOT NULL,
            CONSTRAINT pk_snapshot_entry PRIMARY KEY (snapshot_id, record_id)
        )
        """,
        """
        CREATE TABLE snapshot_tile (
            snapshot_id UUID NOT NULL,
            level SMALLINT NOT NULL,
            number INTEGER NOT NULL,
            hashes BYTEA NOT NULL,
            CONSTRAINT pk_snapshot_tile PRIMARY KEY (snapshot_id, level, number)
        )
        """,
        "ALTER TABLE snapshot_tile ALTER COLUMN hashes SET STORAGE EXTERNAL",  # hashes do not compress
        f"""
        CREATE TABLE snapshot_override (
            province_code TEXT NOT NULL,
            school_year SMALLINT NOT NULL,
            kind TEXT NOT NULL,
            package_id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            reason TEXT NOT NULL,
            decided_by TEXT NOT NULL,
            decided_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_snapshot_override PRIMARY KEY (province_code, school_year, kind, package_id),
            CONSTRAINT ck_snapshot_override_kind CHECK ({_KINDS})
        )
        """,
        """
        CREATE TABLE schedule (
            name TEXT NOT NULL,
            every INTERVAL NOT NULL,
            next_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            begun_at TIMESTAMP WITH TIME ZONE,
            ended_at TIMESTAMP WITH TIME ZONE,
            result JSONB,
            CONSTRAINT pk_schedule PRIMARY KEY (name)
        )
        """,
    )
    make_immutable("snapshot", "snapshot_school", "snapshot_entry", "snapshot_tile", "snapshot_override")
    allow("SELECT, INSERT, UPDATE", "schedule")


def downgrade() -> None:
    drop(
        "schedule",
        "snapshot_override",
        "snapshot_tile",
        "snapshot_entry",
        "snapshot_school",
        "snapshot",
    )
