"""Where the calendar stands for a record that is asked to be recalled, to the microsecond."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.deadlines.calendar import calendar_of
from app.deadlines.rules import Extension, Terms
from app.recalls.life import LegalWindow
from app.recalls.window import window_of
from app.records.entry import ManagedRecord

CONFIRMED_END = datetime(2026, 6, 30, 17, tzinfo=UTC)
FINAL_END = datetime(2026, 8, 25, 17, tzinfo=UTC)
UNTIL = FINAL_END + timedelta(days=9)
TICK = timedelta(microseconds=1)
HELD = ManagedRecord(
    record_id=UUID(int=1),
    issuer_id=1,
    manager_id=1,
    school_year=2025,
    level="03",
    grade=6,
    is_completed=True,
    is_digitised=False,
    student_code="HS001",
    pupil_key="id:066000000001",
    content_sha256=bytes(32),
    replaces=None,
    received_at=CONFIRMED_END - TICK,
    stands=True,
    is_replaced=False,
)
LATE = replace(HELD, received_at=CONFIRMED_END)
LET_IN = replace(HELD, received_at=FINAL_END)
EXTENSION = Extension(
    extension_id=UUID(int=2), school_year=2025, category=None, approved_at=FINAL_END, until=UNTIL
)
TERMS = Terms(calendar=calendar_of("66"), extensions=(EXTENSION,))
OPEN = LegalWindow(is_locked=False, is_final=False)
LOCKED = LegalWindow(is_locked=True, is_final=False)
CLOSED = LegalWindow(is_locked=True, is_final=True)


@pytest.mark.parametrize(
    ("held", "at", "window"),
    [
        (HELD, CONFIRMED_END - TICK, OPEN),
        (HELD, CONFIRMED_END, LOCKED),
        (HELD, FINAL_END - TICK, LOCKED),
        (HELD, FINAL_END, CLOSED),
        (LATE, FINAL_END - TICK, OPEN),
        (LATE, FINAL_END, CLOSED),
        (LET_IN, FINAL_END, OPEN),
        (LET_IN, UNTIL - TICK, OPEN),
        (LET_IN, UNTIL, CLOSED),
    ],
)
def test_the_window_turns_with_the_lock_and_the_final_cut_off(
    held: ManagedRecord, at: datetime, window: LegalWindow
) -> None:
    assert window_of(held, TERMS, at=at) == window
