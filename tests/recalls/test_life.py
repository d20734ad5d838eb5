"""The rules of recall: every pair of states, every course, every prompt to the moment."""

from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lifecycle import IllegalTransition
from app.policies.policy_set import PolicyChoice, PolicyKey, PolicySet
from app.recalls.life import (
    RECALL_LIFECYCLE,
    Course,
    LegalWindow,
    OpenRequest,
    Patience,
    Prompt,
    RecallState,
    course_of,
    due_prompt,
    joint_course,
)

LEGAL_MOVES = {
    (RecallState.REQUESTED, RecallState.APPROVED),
    (RecallState.REQUESTED, RecallState.DECLINED),
    (RecallState.REQUESTED, RecallState.WITHDRAWN),
    (RecallState.REQUESTED, RecallState.SUPERSEDED),
}
AT = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
PATIENCE = Patience(remind_after=timedelta(days=3), escalate_after=timedelta(days=7))
BEFORE = LegalWindow(is_locked=False, is_final=False)
LOCKED = LegalWindow(is_locked=True, is_final=False)
FINAL = LegalWindow(is_locked=True, is_final=True)


@pytest.mark.parametrize(("source", "target"), list(product(RecallState, repeat=2)))
def test_a_request_moves_only_along_its_table(source: RecallState, target: RecallState) -> None:
    if (source, target) in LEGAL_MOVES:
        RECALL_LIFECYCLE.check(source, target)
    else:
        with pytest.raises(IllegalTransition):
            RECALL_LIFECYCLE.check(source, target)


def test_what_was_decided_stays_decided() -> None:
    assert RECALL_LIFECYCLE.terminal == set(RecallState) - {RecallState.REQUESTED}


@pytest.mark.parametrize(
    ("window", "before", "after", "course"),
    [
        (BEFORE, "approval", "approval_until_final", Course.BY_AUTHORITY),
        (BEFORE, "self", "approval_until_final", Course.BY_SCHOOL),
        (BEFORE, "self", "forbidden", Course.BY_SCHOOL),
        (LOCKED, "self", "approval_until_final", Course.BY_AUTHORITY),
        (LOCKED, "approval", "forbidden", Course.CLOSED),
        (FINAL, "self", "approval_until_final", Course.CLOSED),
        (FINAL, "approval", "forbidden", Course.CLOSED),
    ],
)
def test_calendar_and_policy_say_how_a_recall_may_be_granted(
    window: LegalWindow, before: str, after: str, course: Course
) -> None:
    choices = tuple(
        PolicyChoice(
            id=uuid4(), key=key, province="66", level=None, school_year=None, value=value, valid_from=AT
        )
        for key, value in (
            (PolicyKey.RECALL_BEFORE_LOCK, before),
            (PolicyKey.RECALL_AFTER_LOCK, after),
        )
    )
    policies = PolicySet(choices=choices)
    assert course_of(window, policies, province="66", level="02", school_year=2025) is course


@given(st.lists(st.sampled_from(Course), min_size=1, max_size=5))
def test_several_records_go_the_way_of_the_strictest(courses: list[Course]) -> None:
    joint = joint_course(courses)
    assert joint in courses
    if Course.CLOSED in courses:
        assert joint is Course.CLOSED
    elif Course.BY_AUTHORITY in courses:
        assert joint is Course.BY_AUTHORITY


@pytest.mark.parametrize(
    ("waited", "is_reminded", "is_escalated", "prompt"),
    [
        (timedelta(days=3) - timedelta(microseconds=1), False, False, None),
        (timedelta(days=3), False, False, Prompt.REMIND),
        (timedelta(days=3), True, False, None),
        (timedelta(days=7) - timedelta(microseconds=1), True, False, None),
        (timedelta(days=7), True, False, Prompt.ESCALATE),
        (timedelta(days=7), False, False, Prompt.ESCALATE),
        (timedelta(days=30), False, True, None),
    ],
)
def test_what_is_due_is_due_at_the_very_moment(
    waited: timedelta, *, is_reminded: bool, is_escalated: bool, prompt: Prompt | None
) -> None:
    request = OpenRequest(requested_at=AT, is_reminded=is_reminded, is_escalated=is_escalated)
    assert due_prompt(request, PATIENCE, now=AT + waited) is prompt
