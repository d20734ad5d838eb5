"""On time or not: by what arrived, else by the clock; and the report that says so."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from app.forwarding.life import ArrivalState
from app.forwarding.punctuality import Progress, is_on_time, progress
from tests.builders.tiers import CONFIRMED_CUT_OFF, Nation, seal_upstream

CUT_OFF = datetime(2026, 7, 10, 17, tzinfo=UTC)
DUE = CUT_OFF + timedelta(days=3)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("complete_at", "now", "expected"),
    [
        (DUE - SECOND, DUE + SECOND, True),
        (DUE, DUE, False),
        (None, DUE - SECOND, None),
        (None, DUE, False),
    ],
)
def test_on_time_is_what_was_complete_before_it_was_due(
    complete_at: datetime | None, now: datetime, *, expected: bool | None
) -> None:
    assert is_on_time(complete_at, DUE, now) is expected


@pytest.mark.parametrize(
    ("found", "now", "expected"),
    [
        (None, CUT_OFF - SECOND, Progress.NOT_DUE),
        (None, CUT_OFF, Progress.AWAITED),
        (None, DUE, Progress.OVERDUE),
        *((state, DUE, Progress(state)) for state in ArrivalState),
    ],
)
def test_what_arrived_says_more_than_the_clock(
    found: ArrivalState | None, now: datetime, expected: Progress
) -> None:
    assert progress(found, CUT_OFF, DUE, now) is expected


async def test_the_ministry_sees_every_province_as_json_and_as_csv(nation: Nation) -> None:
    found = await seal_upstream(nation.world)
    await nation.forward()
    address, head = "/api/v1/reports/forwarding?school_year=2025-2026", nation.as_("bogddt")
    items = (await nation.http.get(address, headers=head)).json()["items"]
    assert [(item["province"], item["kind"], item["status"], item["is_on_time"]) for item in items] == [
        ("37", "UPSTREAM_CONFIRMED", "awaited", None),
        ("37", "UPSTREAM_FINAL", "not_due", None),
        ("66", "UPSTREAM_CONFIRMED", "acknowledged", True),
        ("66", "UPSTREAM_FINAL", "not_due", None),
    ]
    ours = items[2]
    assert (ours["size"], ours["verified"], ours["disputes"]) == (found.size, found.size, 0)
    assert (ours["root"], ours["counts"]["in_force"]) == (found.root.hex(), found.size)

    nation.clock.now = CONFIRMED_CUT_OFF + timedelta(days=3)
    late = (await nation.http.get(address + "&province=37", headers=nation.as_("bogddt"))).json()["items"]
    assert (late[0]["status"], late[0]["is_on_time"]) == ("overdue", False)

    answer = await nation.http.get(address + "&format=csv", headers=nation.as_("bogddt"))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["Tình trạng"] for row in rows] == [
        "Chưa về, quá hạn", "Chưa đến mốc", "Đã xác nhận", "Chưa đến mốc",
    ]  # fmt: skip
    assert (rows[2]["Gốc Merkle"], rows[2]["Đúng hạn"]) == (found.root.hex(), "Đúng hạn")
    xlsx = await nation.http.get(address + "&format=xlsx", headers=nation.as_("bogddt"))
    assert xlsx.content.startswith(b"PK")


async def test_what_comes_after_the_days_allowed_is_late(nation: Nation) -> None:
    await seal_upstream(nation.world)
    nation.clock.now = CONFIRMED_CUT_OFF + timedelta(days=3)
    await nation.forward()
    answer = await nation.http.get(
        "/api/v1/reports/forwarding?school_year=2025-2026&province=66", headers=nation.as_("bogddt")
    )
    assert [item["is_on_time"] for item in answer.json()["items"]] == [False, None]
