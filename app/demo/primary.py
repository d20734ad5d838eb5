"""Primary results (kết quả tiểu học, Thông tư 27/2020): marks, levels, qualities, competences, comments."""

from enum import StrEnum
from random import Random
from typing import Final

from lxml import etree

from app.demo.curriculum import REMARKS, Subject, primary_subjects
from app.demo.markup import add, add_teacher
from app.demo.province import School, SchoolClass

_QUALITIES: Final = ("YeuNuoc", "NhanAi", "ChamChi", "TrungThuc", "TrachNhiem")
_COMPETENCES: Final = ("TuChu", "GiaoTiep", "GiaiQuyet", "NgonNgu", "TinhToan", "KhoaHoc")
# Computing and technology begin in grade 3.
_LATER_COMPETENCES: Final = ("CongNghe", "TinHoc")
_LAST_COMPETENCES: Final = ("ThamMi", "TheChat")
_FIRST_GRADE_WITH_COMPUTING: Final = 3
_CORE: Final = ("02", "01")  # Tiếng Việt, Toán


class Attainment(StrEnum):
    """Overall result (điều 9): hoàn thành xuất sắc, tốt, hoàn thành, chưa hoàn thành."""

    EXCELLENT = "HTXS"
    GOOD = "HTT"
    REACHED = "HT"
    NOT_REACHED = "CHT"


_MARKS: Final = {
    Attainment.EXCELLENT: (9, 10),
    Attainment.GOOD: (7, 10),
    Attainment.REACHED: (5, 8),
    Attainment.NOT_REACHED: (5, 7),
}
_AWARDS: Final = {
    Attainment.EXCELLENT: "Học sinh Xuất sắc",
    Attainment.GOOD: "Học sinh Tiêu biểu hoàn thành tốt trong học tập và rèn luyện",
}


def attainment_of(place: int) -> Attainment:
    """Say how the pupil at this place of the roll does: most well, one in six not yet."""
    order = (
        Attainment.EXCELLENT,
        Attainment.REACHED,
        Attainment.GOOD,
        Attainment.REACHED,
        Attainment.GOOD,
        Attainment.NOT_REACHED,
    )
    return order[place % len(order)]


def add_primary_results(
    parent: etree._Element,
    *,
    school: School,
    school_class: SchoolClass,
    attainment: Attainment,
    random: Random,
    record_hex: str,
) -> None:
    """Write ``TieuHoc`` for one pupil."""
    results = add(parent, "TieuHoc")
    is_good = attainment in {Attainment.EXCELLENT, Attainment.GOOD}
    for subject in primary_subjects(school_class.grade):
        level, mark = _assess(subject, attainment, random)
        node = add(results, "MonHoc", Id=f"mon-{record_hex}-{subject.code}")
        add(node, "Ma", subject.code)
        add(node, "Ten", subject.name)
        add(node, "MucDat", level)
        if mark is not None:
            add(node, "DiemKiemTra", str(mark))
        add(node, "NhanXet", subject.comment(random, level))
        add_teacher(node, "GiaoVien", school.teacher_of(subject.code, school_class).person)
    _add_levels(results, "PhamChat", _QUALITIES, is_good=is_good, random=random)
    has_computing = school_class.grade >= _FIRST_GRADE_WITH_COMPUTING
    competences = (*_COMPETENCES, *(_LATER_COMPETENCES if has_computing else ()), *_LAST_COMPETENCES)
    _add_levels(results, "NangLuc", competences, is_good=is_good, random=random)
    _add_remarks(results, "T" if is_good else "C" if attainment is Attainment.NOT_REACHED else "H")
    health = add(results, "SucKhoe")
    add(health, "ChieuCao", str(104 + 6 * school_class.grade + random.randint(-4, 6)))
    add(health, "CanNang", f"{15 + 3 * school_class.grade + random.randint(-2, 6)}.{random.randint(0, 9)}")
    attendance = add(results, "ChuyenCan")
    add(attendance, "CoPhep", str(random.randint(0, 5)))
    add(attendance, "KhongPhep", str(random.randint(0, 1) if is_good else random.randint(0, 4)))
    add(results, "XepLoai", attainment)
    if attainment in _AWARDS:
        add(results, "KhenThuong", _AWARDS[attainment])


def _assess(subject: Subject, attainment: Attainment, random: Random) -> tuple[str, int | None]:
    """Choose a level (T, H, C) and, where the subject is tested, a mark that agrees with it."""
    if attainment is Attainment.NOT_REACHED and subject.code in _CORE:
        return "C", random.randint(3, 4)
    is_good = attainment in {Attainment.EXCELLENT, Attainment.GOOD}
    if not subject.is_scored:
        return "T" if is_good or random.random() < 0.3 else "H", None
    mark = random.randint(*_MARKS[attainment])
    return "T" if is_good or mark >= 8 else "H", mark


def _add_levels(
    parent: etree._Element, name: str, children: tuple[str, ...], *, is_good: bool, random: Random
) -> None:
    node = add(parent, name)
    for child in children:
        add(node, child, "T" if is_good or random.random() < 0.4 else "D")


def _add_remarks(parent: etree._Element, level: str) -> None:
    texts = REMARKS["primary"][level]
    node = add(parent, "NhanXet")
    add(node, "PhamChat", texts["qualities"])
    add(node, "NangLucChung", texts["general"])
    add(node, "NangLucDacThu", texts["specific"])
    add(node, "GVCN", texts["year"])
