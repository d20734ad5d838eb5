"""The life of a recall request, by whom it may be granted, and when it becomes overdue. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from app.lifecycle import Lifecycle
from app.policies.policy_set import PolicyKey, PolicySet


class RecallState(StrEnum):
    """What was decided; while nobody has decided, the records keep their status."""

    REQUESTED = "requested"  # the competent authority decides, the requester may withdraw
    APPROVED = "approved"  # nobody's move: the records are recalled
    DECLINED = "declined"  # nobody's move: a new request may be made
    WITHDRAWN = "withdrawn"  # nobody's move
    SUPERSEDED = "superseded"  # nobody's move: the record was replaced before anybody decided


RECALL_LIFECYCLE: Final = Lifecycle(
    states=RecallState,
    initial=RecallState.REQUESTED,
    moves={
        RecallState.REQUESTED: frozenset(
            {RecallState.APPROVED, RecallState.DECLINED, RecallState.WITHDRAWN, RecallState.SUPERSEDED}
        ),
        RecallState.APPROVED: frozenset(),
        RecallState.DECLINED: frozenset(),
        RecallState.WITHDRAWN: frozenset(),
        RecallState.SUPERSEDED: frozenset(),
    },
)


class RecallEventKind(StrEnum):
    """What can happen to a request: its moves, and the prompts of those who leave it unanswered."""

    REQUESTED = "requested"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"  # a record of it was replaced (đã được thay thế)
    REMINDED = "reminded"  # the managing authority was reminded (nhắc)
    ESCALATED = "escalated"  # the department may decide too (chuyển lên Sở)


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalWindow:
    """Where the legal calendar stands for a record.

    Attributes:
        is_locked: its cut-off has passed (đã chốt).
        is_final: the final cut-off of its school year has passed.
    """

    is_locked: bool
    is_final: bool


class Course(StrEnum):
    """How a recall may be granted."""

    BY_SCHOOL = "self"  # at once, by rule
    BY_AUTHORITY = "approval"
    CLOSED = "closed"


def course_of(
    window: LegalWindow, policies: PolicySet, *, province: str | None, level: str, school_year: int
) -> Course:
    """Say how one record's recall may be granted, by the calendar and the policies."""
    key = PolicyKey.RECALL_AFTER_LOCK if window.is_locked else PolicyKey.RECALL_BEFORE_LOCK
    value = policies.value(key, province=province, level=level, school_year=school_year)
    if not window.is_locked:
        return Course(str(value))
    return Course.CLOSED if value == "forbidden" or window.is_final else Course.BY_AUTHORITY


def joint_course(courses: Collection[Course]) -> Course:
    """Say how a request for several records may be granted: as the strictest of them."""
    strictest_first = (Course.CLOSED, Course.BY_AUTHORITY, Course.BY_SCHOOL)
    return next(course for course in strictest_first if course in courses)


class Prompt(StrEnum):
    """What an unanswered request calls for."""

    REMIND = "remind"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """An unanswered request, with what was done about it so far."""

    requested_at: datetime
    is_reminded: bool
    is_escalated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an authority may leave a request unanswered."""

    remind_after: timedelta
    escalate_after: timedelta


def due_prompt(request: OpenRequest, patience: Patience, *, now: datetime) -> Prompt | None:
    """Say what is due now, if anything; at the very moment it is due. Silence never approves."""
    waited = now - request.requested_at
    if waited >= patience.escalate_after:
        return None if request.is_escalated else Prompt.ESCALATE
    if waited >= patience.remind_after and not request.is_reminded:
        return Prompt.REMIND
    return None
