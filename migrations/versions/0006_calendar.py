"""The departments' own cut-offs, extensions of schools, schools that stay on paper."""

from alembic import op

from migrations.ddl import allow, drop, guard_moves, make_immutable, run

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '5s'")
    run(
        """
        CREATE TABLE calendar_version (
            province_code TEXT NOT NULL,
            number INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            reason TEXT NOT NULL,
            author_kind TEXT NOT NULL,
            author TEXT NOT NULL,
            made_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            CONSTRAINT pk_calendar_version PRIMARY KEY (province_code, number)
        )
        """,
        """
        CREATE TABLE calendar_row (
            province_code TEXT NOT NULL,
            number INTEGER NOT NULL,
            position SMALLINT NOT NULL,
            level TEXT,
            grade SMALLINT,
            category TEXT NOT NULL,
            stage TEXT NOT NULL,
            cut_off TIMESTAMP WITH TIME ZONE NOT NULL,
            mode TEXT NOT NULL,
            source TEXT NOT NULL,
            CONSTRAINT pk_calendar_row PRIMARY KEY (province_code, number, position),
            CONSTRAINT fk_calendar_row_province_code_number FOREIGN KEY(province_code, number)
                REFERENCES calendar_version (province_code, number),
            CONSTRAINT ck_calendar_row_category
                CHECK (category IN ('CONFIRMED', 'UNCONFIRMED', 'DIGITISED')),
            CONSTRAINT ck_calendar_row_stage CHECK (stage IN ('SCHOOL', 'UPSTREAM')),
            CONSTRAINT ck_calendar_row_mode CHECK (mode IN ('SOFT', 'HARD')),
            CONSTRAINT ck_calendar_row_grade CHECK (grade BETWEEN 1 AND 12),
            CONSTRAINT ck_calendar_row_final
                CHECK (mode = 'HARD' OR (category = 'CONFIRMED' AND stage = 'SCHOOL'))
        )
        """,
        "CREATE UNIQUE INDEX uq_calendar_row_conditions "
        "ON calendar_row (province_code, number, level, grade, category, stage) NULLS NOT DISTINCT",
        """
        CREATE TABLE extension (
            id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            category TEXT,
            until TIMESTAMP WITH TIME ZONE NOT NULL,
            reason TEXT NOT NULL,
            requested_by TEXT NOT NULL,
            requested_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            state TEXT NOT NULL,
            CONSTRAINT pk_extension PRIMARY KEY (id),
            CONSTRAINT ck_extension_category CHECK (category IN ('CONFIRMED', 'UNCONFIRMED', 'DIGITISED')),
            CONSTRAINT ck_extension_state CHECK (state IN ('requested', 'approved', 'declined')),
            CONSTRAINT fk_extension_school_id FOREIGN KEY(school_id) REFERENCES organisation (id)
        )
        """,
        "CREATE INDEX ix_extension_school_id ON extension (school_id)",
        "CREATE INDEX ix_extension_state_id ON extension (state, id)",
        """
        CREATE TABLE extension_event (
            id UUID NOT NULL,
            extension_id UUID NOT NULL,
            source TEXT,
            target TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            reason TEXT,
            CONSTRAINT pk_extension_event PRIMARY KEY (id),
            CONSTRAINT ck_extension_event_reason CHECK (target <> 'declined' OR reason IS NOT NULL),
            CONSTRAINT fk_extension_event_extension_id FOREIGN KEY(extension_id) REFERENCES extension (id)
        )
        """,
        "CREATE INDEX ix_extension_event_extension_id ON extension_event (extension_id)",
        """
        CREATE TABLE exemption (
            id UUID NOT NULL,
            school_id INTEGER NOT NULL,
            school_year SMALLINT NOT NULL,
            grade SMALLINT,
            class_name TEXT,
            pupils INTEGER NOT NULL,
            reason TEXT NOT NULL,
            registered_by TEXT NOT NULL,
            registered_at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            state TEXT NOT NULL,
            CONSTRAINT pk_exemption PRIMARY KEY (id),
            CONSTRAINT ck_exemption_grade CHECK (grade BETWEEN 1 AND 12),
            CONSTRAINT ck_exemption_class_name CHECK (class_name IS NULL OR grade IS NOT NULL),
            CONSTRAINT ck_exemption_pupils CHECK (pupils > 0),
            CONSTRAINT ck_exemption_state CHECK (state IN ('registered', 'withdrawn')),
            CONSTRAINT fk_exemption_school_id FOREIGN KEY(school_id) REFERENCES organisation (id)
        )
        """,
        "CREATE INDEX ix_exemption_school_id ON exemption (school_id, school_year)",
        """
        CREATE TABLE exemption_event (
            id UUID NOT NULL,
            exemption_id UUID NOT NULL,
            source TEXT,
            target TEXT NOT NULL,
            at TIMESTAMP WITH TIME ZONE DEFAULT hocba_now() NOT NULL,
            actor_kind TEXT NOT NULL,
            actor_id TEXT NOT NULL,
            reason TEXT,
            CONSTRAINT pk_exemption_event PRIMARY KEY (id),
            CONSTRAINT ck_exemption_event_reason CHECK (target <> 'withdrawn' OR reason IS NOT NULL),
            CONSTRAINT fk_exemption_event_exemption_id FOREIGN KEY(exemption_id) REFERENCES exemption (id)
        )
        """,
        "CREATE INDEX ix_exemption_event_exemption_id ON exemption_event (exemption_id)",
    )
    make_immutable("calendar_version", "calendar_row", "extension_event", "exemption_event")
    allow("SELECT, INSERT, UPDATE", "extension", "exemption")
    guard_moves("extension", "requested>approved", "requested>declined")
    guard_moves("exemption", "registered>withdrawn")


def downgrade() -> None:
    drop(
        "exemption_event",
        "exemption",
        "extension_event",
        "extension",
        "calendar_row",
        "calendar_version",
    )
