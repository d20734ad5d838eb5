"""A standing record is replaced directly until the very instant of its lock, and not from it on."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.deadlines.calendar import calendar_of
from app.deadlines.rules import Extension
from app.ingest.replacement import replacement_rule
from app.policies.policy_set import PolicyChoice, PolicyKey, PolicySet
from app.records.entry import Clash, ManagedRecord
from tests.builders.ledger import entry

CONFIRMED_END = datetime(2026, 6, 30, 17, tzinfo=UTC)
FINAL_END = datetime(2026, 8, 25, 17, tzinfo=UTC)
UNTIL = FINAL_END + timedelta(days=9)
TICK = timedelta(microseconds=1)
SCHOOL, OTHER = 1, 2
EXTENSION = Extension(
    extension_id=UUID(int=2), school_year=2025, category=None, approved_at=FINAL_END, until=UNTIL
)
RECALL_FIRST = PolicySet(
    choices=(
        PolicyChoice(
            id=UUID(int=3),
            key=PolicyKey.REPLACE_BEFORE_LOCK,
            province=None,
            level=None,
            school_year=None,
            value="recall_first",
            valid_from=datetime(2025, 9, 1, tzinfo=UTC),
        ),
    )
)


def standing(received_at: datetime, *, issuer_id: int = SCHOOL) -> ManagedRecord:
    return ManagedRecord(
        record_id=uuid4(),
        issuer_id=issuer_id,
        manager_id=SCHOOL,
        school_year=2025,
        level="02",
        grade=4,
        is_completed=True,
        is_digitised=False,
        pupil_key="id:066000000001",
        content_sha256=bytes(32),
        replaces=None,
        received_at=received_at,
        stands=True,
        is_replaced=False,
    )


@pytest.mark.parametrize(
    ("first_at", "then_at", "clash"),
    [
        (CONFIRMED_END - TICK, CONFIRMED_END - TICK, None),
        (CONFIRMED_END - TICK, CONFIRMED_END, Clash.REPLACED_IS_LOCKED),
        (CONFIRMED_END, FINAL_END - TICK, None),
        (CONFIRMED_END, FINAL_END, Clash.REPLACED_IS_LOCKED),
        (FINAL_END, UNTIL - TICK, None),
        (FINAL_END, UNTIL, Clash.REPLACED_IS_LOCKED),
    ],
)
def test_the_receipt_of_the_new_one_is_held_against_the_lock_of_the_old(
    first_at: datetime, then_at: datetime, clash: Clash | None
) -> None:
    rule = replacement_rule(PolicySet(), calendar_of("66"), [EXTENSION])
    assert rule(entry(SCHOOL, received_at=then_at), standing(first_at)) is clash


def test_a_school_s_extension_does_not_open_what_another_issued() -> None:
    rule = replacement_rule(PolicySet(), calendar_of("66"), [EXTENSION])
    new = entry(SCHOOL, received_at=UNTIL - TICK)
    assert rule(new, standing(FINAL_END, issuer_id=OTHER)) is Clash.REPLACED_IS_LOCKED


def test_where_the_policy_wants_a_recall_first_nothing_is_replaced_directly() -> None:
    rule = replacement_rule(RECALL_FIRST, calendar_of("66"))
    held = standing(CONFIRMED_END - 2 * TICK)
    assert rule(entry(SCHOOL, received_at=CONFIRMED_END - TICK), held) is Clash.RECALL_FIRST
    assert rule(entry(SCHOOL, received_at=CONFIRMED_END), held) is Clash.REPLACED_IS_LOCKED
