"""The answer for each transcript once the ledger, the calendar and all-or-nothing have had their say."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.deadlines.calendar import CalendarRow, Category, Mode, Stage
from app.deadlines.rules import Punctuality, Timeliness
from app.findings import Finding
from app.ingest.judgement import Origin, Outcome, settle_clashes
from app.ingest.package import ItemState
from app.records.entry import Clash

CUT_OFF = datetime(2026, 6, 30, 17, tzinfo=UTC)
ROW = CalendarRow(
    school_year=2025,
    category=Category.CONFIRMED,
    stage=Stage.SCHOOL,
    cut_off=CUT_OFF,
    mode=Mode.SOFT,
    source="kế hoạch",
    version="national-1",
)
CODES = {Punctuality.LATE: "TH-003", Punctuality.REFUSED: "TH-002", Punctuality.ON_TIME: None}
OTHER = UUID("018f0000-0000-7000-8000-000000000002")
HELD = Finding(code="KS-044", facts={"role": "NHA_TRUONG", "at": "2026-07-01"})
WRONG = Finding(code="DD-060", facts={"name": "NgaySinh"})


def origin(*, is_atomic: bool = False) -> Origin:
    return Origin(
        package_id=OTHER,
        school_id=1,
        school_code="6624305501",
        province_code="66",
        school_is_public=True,
        school_year=2025,
        received_at=CUT_OFF,
        is_atomic=is_atomic,
    )


def outcome(position: int, state: ItemState, punctuality: Punctuality, *findings: Finding) -> Outcome:
    code = CODES[punctuality]
    return Outcome(
        position=position,
        state=state,
        findings=findings,
        record_id=OTHER,
        content_sha256=None,
        xml_sha256=None,
        verdict=None,
        timeliness=Timeliness(
            punctuality=punctuality, row=ROW, final=ROW, finding=None if code is None else Finding(code=code)
        ),
    )


@pytest.mark.parametrize(
    ("state", "punctuality", "findings", "answered", "codes"),
    [
        (ItemState.ACCEPTED, Punctuality.ON_TIME, [], ItemState.ACCEPTED, []),
        (ItemState.ACCEPTED, Punctuality.LATE, [], ItemState.ACCEPTED, ["TH-003"]),
        (ItemState.HELD, Punctuality.LATE, [HELD], ItemState.HELD, ["KS-044", "TH-003"]),
        # "Taken, and marked late; do not send it again" would be untrue of what is refused.
        (ItemState.REJECTED, Punctuality.LATE, [WRONG], ItemState.REJECTED, ["DD-060"]),
        (ItemState.ACCEPTED, Punctuality.REFUSED, [], ItemState.REJECTED, ["TH-002"]),
        (ItemState.HELD, Punctuality.REFUSED, [HELD], ItemState.REJECTED, ["KS-044", "TH-002"]),
        (ItemState.REJECTED, Punctuality.REFUSED, [WRONG], ItemState.REJECTED, ["DD-060", "TH-002"]),
    ],
)
def test_when_it_came_is_told_where_it_matters(
    state: ItemState, punctuality: Punctuality, findings: list[Finding], answered: ItemState, codes: list[str]
) -> None:
    (settled,) = settle_clashes([outcome(1, state, punctuality, *findings)], {}, origin())
    assert (settled.state, settled.codes) == (answered, codes)


def test_what_is_refused_for_another_is_not_told_that_it_was_taken_late() -> None:
    sent = [
        outcome(1, ItemState.REJECTED, Punctuality.LATE, WRONG),
        outcome(2, ItemState.ACCEPTED, Punctuality.LATE),
    ]
    settled = settle_clashes(sent, {}, origin(is_atomic=True))
    assert [(one.state, one.codes) for one in settled] == [
        (ItemState.REJECTED, ["DD-060"]),
        (ItemState.REJECTED, ["TR-016"]),
    ]


def test_what_is_recorded_already_is_not_measured_again() -> None:
    sent = [outcome(1, ItemState.ACCEPTED, Punctuality.REFUSED)]
    (settled,) = settle_clashes(sent, {1: (Clash.REPEATED, OTHER)}, origin())
    assert (settled.state, settled.is_repeat, settled.codes) == (ItemState.ACCEPTED, True, [])
