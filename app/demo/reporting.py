"""What the department sees of the demo: who was expected, who came, and what of it counts."""

from rich.console import Console
from rich.table import Table

from app.demo.founding import Caller
from app.demo.province import Province, School


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


async def print_compliance(caller: Caller, province: Province, console: Console) -> None:
    """Print the compliance report (báo cáo tiến độ) by school."""
    report = await caller.get(
        "/reports/compliance",
        school_year=province.school_year,
        group_by="school",
        province=province.department.code,
    )
    table = Table(
        "Trường",
        "Phải nộp",
        "Đã nhận",
        "Từ chối",
        "Chờ",
        "Thu hồi",
        "Còn thiếu",
        box=None,
        header_style="dim",
    )
    for row in [*report["rows"], {**report["total"], "name": "Toàn tỉnh / province"}]:
        names = ("expected", "accepted", "rejected", "held", "recalled", "missing")
        table.add_row(row["name"], *(str(row[name]) for name in names))
    console.print(table)
