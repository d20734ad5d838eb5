"""Rolls as offices send them: read line by line, every error with its line and column."""

from datetime import date

import pytest

from app.enrolment.roll import (
    Movement,
    absent_grades,
    check_roll,
    content_digest,
    count_classes,
    read_roll,
)
from app.organisations.csv_rows import MAX_FINDINGS

SCHOOL = "66A0000201"
HEADER = "Mã học sinh;Số định danh;Họ và tên;Khối;Lớp;Trạng thái;Ngày chuyển"


def roll(*lines: str, header: str = HEADER) -> bytes:
    return "\r\n".join((header, *lines)).encode("utf-8-sig")


def codes(content: bytes, school: str | None = SCHOOL) -> list[tuple[str, int | None]]:
    return [(found.code, found.line) for found in read_roll(content, school).findings]


def test_a_file_from_excel_is_read_with_its_habits() -> None:
    content = roll(
        "6600000001;066215000001;Nguyễn Thị Bưởi;Khối 4;4A;;",
        "6600000002;;Y Đăm Êban;04;4A;Chuyển đến;01/11/2025",
        "6600000003;;Trần Văn Cam;4.0;4B;CHUYEN DI;2025-12-24",
        ";;;;;;",
    )
    lines = read_roll(content, SCHOOL).schools[SCHOOL]
    assert [(line.line, line.grade, line.class_name, line.movement) for line in lines] == [
        (2, 4, "4A", Movement.ENROLLED),
        (3, 4, "4A", Movement.MOVED_IN),
        (4, 4, "4B", Movement.MOVED_OUT),
    ]
    assert [line.moved_on for line in lines] == [None, date(2025, 11, 1), date(2025, 12, 24)]
    assert [line.identity_number for line in lines] == ["066215000001", None, None]


def test_what_excel_writes_beside_csv_is_read_too() -> None:
    line = "6600000002;;Y Đăm Êban;4;4A;Chuyển đến;5/1/2026"
    expected = read_roll(roll(line), SCHOOL).schools
    assert expected[SCHOOL][0].moved_on == date(2026, 1, 5)
    unicode_text = f"{HEADER}\r\n{line}\r\n".replace(";", "\t").encode("utf-16")
    said = f"\ufeffsep=;\r\n{HEADER}\r\n{line};;\r\n".encode()
    dotted = roll(line.replace("5/1/2026", "05.01.2026"))
    for content in (unicode_text, said, dotted):
        assert read_roll(content, SCHOOL).schools == expected


def test_a_line_without_its_empty_cells_at_the_end_is_whole() -> None:
    (line,) = read_roll(roll("1;;Nguyễn Thị Bưởi;4;4A"), SCHOOL).schools[SCHOOL]
    assert (line.movement, line.moved_on) == (Movement.ENROLLED, None)


def test_every_wrong_line_is_told_at_once_and_in_order() -> None:
    content = roll("1;;A;13;4A;;", "2;;;4;4A;;", "6,6E+10;;A;4;4A;;", "4;;A;4;4A;;;x", "5;;A;4;4A;Nghỉ;")
    assert codes(content) == [("NV-102", 2), ("NV-102", 3), ("NV-105", 4), ("NV-101", 5), ("NV-107", 6)]


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("MA HOC SINH,HO VA TEN,KHOI,LOP", "1,Nguyễn Thị Bưởi,4,4A"),
        ("mã hs\thọ tên\tkhối lớp\ttên lớp", "1\tNguyễn Thị Bưởi\t4\t4A"),
        ("Lớp;Khối;Họ và tên;Mã học sinh;Ghi chú", "4A;4;Nguyễn Thị Bưởi;1;x"),
    ],
)
def test_titles_are_known_in_any_form_and_order(header: str, line: str) -> None:
    (read,) = read_roll(roll(line, header=header), SCHOOL).schools[SCHOOL]
    assert (read.student_code, read.full_name, read.grade, read.class_name) == (
        "1", "Nguyễn Thị Bưởi", 4, "4A",
    )  # fmt: skip


def test_one_file_may_hold_several_schools() -> None:
    header = "Mã trường;" + HEADER
    content = roll(f"{SCHOOL};1;;A;4;4A;;", "66B0000201;1;;B;5;5A;;", header=header)
    assert {code: len(lines) for code, lines in read_roll(content, None).schools.items()} == {
        SCHOOL: 1,
        "66B0000201": 1,
    }
    assert codes(content, SCHOOL) == [("NV-106", 3)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("6,6E+10;;A;4;4A;;", "NV-105"),
        ("6600000001.0;;A;4;4A;;", "NV-105"),
        ("1;66215000001;A;4;4A;;", "NV-105"),
        ("1;12345678;A;4;4A;;", "NV-102"),
        ("1;;A;13;4A;;", "NV-102"),
        ("1;;A;0;4A;;", "NV-102"),
        ("1;;A;4;;;", "NV-102"),
        ("1;;A;4;4A;;31/02/2026", "NV-102"),
        ("=1+1;;A;4;4A;;", "NV-102"),
        ("1;;A;4;4A;Nghỉ;", "NV-107"),
        ("1;;A;4", "NV-102"),
        ("1;;A;4;4A;;;x", "NV-101"),
    ],
)
def test_a_wrong_line_is_named(line: str, code: str) -> None:
    assert codes(roll("9;;B;4;4A;;", line)) == [(code, 3)]


def test_a_spoilt_code_names_its_column_and_repeats_no_cell() -> None:
    (found,) = read_roll(roll("1;66215000001;Nguyễn Thị Bưởi;4;4A;;"), SCHOOL).findings
    assert found.facts == {"row": 2, "column": "Số định danh"}
    assert "66215000001" not in found.message_vi


def test_a_file_that_is_no_roll_is_refused_whole() -> None:
    assert codes("Mã học sinh;Lớp\n1;4A".encode()) == [("NV-100", 1), ("NV-100", 1)]
    assert codes(b"\xff\xfe\x00") == [("NV-101", 1)]
    assert codes(b"") == [("NV-101", 1)]
    assert codes(roll()) == [("NV-108", None)]
    assert codes(roll("1;;A;4;4A;;"), None) == [("NV-106", 2)]


def test_errors_are_many_but_never_without_end() -> None:
    assert len(read_roll(roll(*["1;;A;99;4A;;"] * 500), SCHOOL).findings) == MAX_FINDINGS


def test_a_pupil_stands_once_and_in_a_grade_of_the_school() -> None:
    lines = read_roll(roll("1;;A;4;4A;;", "2;;B;6;6A;;", "1;;C;4;4B;;"), SCHOOL).schools[SCHOOL]
    found = check_roll(lines, SCHOOL, ("02",))
    assert [(f.code, f.line) for f in found] == [("NV-104", 3), ("NV-103", 4)]
    assert found[1].facts == {"row": 4, "first": 2}
    assert check_roll(lines[:1], SCHOOL, ("02",)) == []


def test_absent_grades_are_said_where_a_school_must_have_them() -> None:
    lines = read_roll(roll("1;;A;1;1A;;", "2;;B;2;2A;;", "3;;C;4;4A;;"), SCHOOL).schools[SCHOOL]
    assert [f.facts["grade"] for f in absent_grades(lines, SCHOOL, ("02",))] == [3, 5]
    assert absent_grades(lines, SCHOOL, ("05",)) == []


def test_classes_count_who_is_expected_who_came_and_who_went() -> None:
    content = roll("1;;A;4;4A;;", "2;;B;4;4A;Chuyển đến;", "3;;C;4;4A;Chuyển đi;", "4;;D;4;4B;;")
    counted = count_classes(read_roll(content, SCHOOL).schools[SCHOOL])
    assert [(c.class_name, c.expected, c.moved_in, c.moved_out) for c in counted] == [
        ("4A", 2, 1, 1),
        ("4B", 1, 0, 0),
    ]


def test_the_digest_is_of_what_is_said_not_of_how() -> None:
    first = read_roll(roll("1;;A;4;4A;;", "2;;B;4;4A;;"), SCHOOL).schools[SCHOOL]
    second = read_roll(roll("2;;B;04;4A;đang học;", "1;;A;Khối 4;4A;;"), SCHOOL).schools[SCHOOL]
    other = read_roll(roll("1;;A;4;4A;;", "2;;B;4;4A;Chuyển đi;"), SCHOOL).schools[SCHOOL]
    assert content_digest(first) == content_digest(second) != content_digest(other)
