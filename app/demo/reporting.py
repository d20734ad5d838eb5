"""What commune and department see of the demo: who was expected, who came, and what of it is locked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from app.client.signing import VIETNAM
from app.demo.founding import Caller
from app.demo.province import Province, School

WHOLE: Final = ""
SEALED_WITHIN_SECONDS: Final = 90
_NAME_WIDTH: Final = 22
_COLUMNS: Final[Mapping[str, str]] = {
    "expected": "Phải\nnộp",
    "accepted": "Đã\nnhận",
    "on_time": "Đúng\nhạn",
    "late": "Muộn",
    "rejected": "Từ\nchối",
    "held": "Chờ",
    "recalled": "Thu\nhồi",
    "missing": "Còn\nthiếu",
    "locked": "Đã\nchốt",
    "in_snapshot": "Bản\nchốt",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """One reading of the compliance report: rows by school code (``WHOLE`` for the sum)."""

    as_of: datetime
    rows: Mapping[str, Mapping[str, Any]]


async def hand_in_rolls(caller: Caller, province: Province) -> int:
    """Hand in every school's roll (danh sách học sinh), as the department; gives how many pupils."""
    pupils = 0
    for school in province.schools:
        listed = _roll(school)
        await caller.post(
            "/enrolments", school_code=school.code, school_year=province.school_year, pupils=listed
        )
        pupils += len(listed)
    return pupils


def _roll(school: School) -> list[dict[str, str | int]]:
    return [
        {
            "student_code": pupil.student_code,
            "identity_number": pupil.person.identity_number,
            "full_name": pupil.person.full_name,
            "grade": school_class.grade,
            "class_name": school_class.name,
        }
        for school_class in school.classes
        for pupil in school_class.pupils
    ]


async def sealed_snapshot(caller: Caller, school_year: str, kind: str = "SCHOOL_CONFIRMED") -> dict[str, Any]:
    """Wait until the service has sealed a snapshot (bản chốt) by itself, and give it.

    Raises:
        TimeoutError: it has not been sealed within a minute and a half.
    """
    async with asyncio.timeout(SEALED_WITHIN_SECONDS):
        while True:
            listed: Sequence[dict[str, Any]] = (
                await caller.get("/snapshots", school_year=school_year, kind=kind)
            )["items"]
            if listed:
                return listed[0]
            await asyncio.sleep(0.5)


async def read_compliance(caller: Caller, province: Province, snapshot: Mapping[str, Any] | None) -> Read:
    """Read the compliance report (báo cáo tiến độ) of now by school, beside a snapshot where there is one."""
    query = {"school_year": province.school_year, "group_by": "school"}
    if snapshot is not None:
        moment = (await caller.get("/reports/compliance", **query))["as_of"]
        query |= {"snapshot_id": snapshot["snapshot_id"], "as_of": moment}
    report = await caller.get("/reports/compliance", **query)
    rows = {row["school_code"]: row for row in report["rows"]}
    rows[WHOLE] = {**report["total"], "name": "Tất cả / all"}
    return Read(as_of=datetime.fromisoformat(report["as_of"]), rows=rows)


def print_compliance(console: Console, who: str, read: Read, before: Read | None = None) -> None:
    """Print a reading as a table; with an earlier one, what has changed since is shown as before → after."""
    shown = [name for name in _COLUMNS if any(row[name] is not None for row in read.rows.values())]
    moment = f"{read.as_of.astimezone(VIETNAM):%d/%m/%Y %H:%M}"
    table = Table(
        title=f"{who}, {moment}", title_justify="left", box=None, header_style="dim", padding=(0, 1, 0, 0)
    )
    table.add_column("Trường", no_wrap=True, max_width=_NAME_WIDTH)
    for name in shown:
        table.add_column(_COLUMNS[name], no_wrap=True)
    for code, row in read.rows.items():
        old = None if before is None else before.rows.get(code)
        table.add_row(row["name"], *(_cell(row[name], None if old is None else old[name]) for name in shown))
    console.print(table)


def _cell(now: int, before: int | None) -> str:
    return str(now) if before in {None, now} else f"{before}→[bold]{now}[/]"
