"""A standing record is replaced directly until the very instant of its lock, and not from it on."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.deadlines.calendar import calendar_of
from app.deadlines.rules import Extension, Terms
from app.ingest.replacement import replacement_rule
from app.policies.policy_set import PolicyChoice, PolicyKey, PolicySet
from app.records.entry import Clash, ManagedRecord
from tests.builders.ledger import entry

CONFIRMED_END = datetime(2026, 6, 30, 17, tzinfo=UTC)
FINAL_END = datetime(2026, 8, 25, 17, tzinfo=UTC)
NINH_BINH_END = datetime(2026, 6, 25, 17, tzinfo=UTC)
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


OWN = {SCHOOL: Terms(calendar=calendar_of("66"), extensions=(EXTENSION,))}


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
        student_code="HS001",
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
    rule = replacement_rule(PolicySet(), "66", OWN)
    assert rule(entry(SCHOOL, received_at=then_at), standing(first_at)) is clash


@pytest.mark.parametrize(
    ("first_at", "terms", "clash"),
    [
        (FINAL_END, Terms(calendar=calendar_of("66")), Clash.REPLACED_IS_LOCKED),
        (FINAL_END, Terms(calendar=calendar_of("66"), extensions=(EXTENSION,)), None),
        (NINH_BINH_END - TICK, Terms(calendar=calendar_of("37")), Clash.REPLACED_IS_LOCKED),
        (NINH_BINH_END - TICK, Terms(calendar=calendar_of("66")), None),
    ],
    ids=["no extension", "the issuer's extension", "an earlier cut-off", "the same cut-off"],
)
def test_who_takes_a_record_over_is_bound_by_the_terms_of_its_issuer(
    first_at: datetime, terms: Terms, clash: Clash | None
) -> None:
    rule = replacement_rule(PolicySet(), "66", {**OWN, OTHER: terms})
    then_at = UNTIL - TICK if first_at == FINAL_END else CONFIRMED_END - TICK
    assert rule(entry(SCHOOL, received_at=then_at), standing(first_at, issuer_id=OTHER)) is clash


@pytest.mark.parametrize(
    ("settled_at", "clash"),
    [(CONFIRMED_END - TICK, None), (CONFIRMED_END, Clash.REPLACED_IS_LOCKED)],
)
def test_what_no_seal_has_waited_for_is_held_against_the_lock_when_it_is_settled(
    settled_at: datetime, clash: Clash | None
) -> None:
    rule = replacement_rule(PolicySet(), "66", OWN, settled_at=settled_at)
    new = entry(SCHOOL, received_at=CONFIRMED_END - TICK)
    assert rule(new, standing(CONFIRMED_END - 2 * TICK)) is clash


def test_where_the_policy_wants_a_recall_first_nothing_is_replaced_directly() -> None:
    rule = replacement_rule(RECALL_FIRST, "66", OWN)
    held = standing(CONFIRMED_END - 2 * TICK)
    assert rule(entry(SCHOOL, received_at=CONFIRMED_END - TICK), held) is Clash.RECALL_FIRST
    assert rule(entry(SCHOOL, received_at=CONFIRMED_END), held) is Clash.REPLACED_IS_LOCKED
