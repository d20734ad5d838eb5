"""The printed form: readable Vietnamese, hostile text harmless, and on every page that it is no original."""

import io
from dataclasses import replace

import pypdf
import pytest
from reportlab.graphics.barcode.qr import QrCodeWidget

from app.formats.profile import Column, Line, Section
from app.printing.form import MASKED, Print, render

EVIL = '<para><font size="200">&amp;</font> <img src="file:///etc/passwd"/> <a href="http://x">y</a> ]]> &#0;'
PAGE = Print(
    record_code="f2" * 16,
    status="Đang lưu hành / in force",
    alarm=None,
    sections=[
        Section(
            name="HocSinh",
            title="Học sinh",
            lines=(
                Line(name="HoTen", label="Họ và tên", group="general", value="Nguyễn Thị Bưởi"),
                Line(name="DanToc", label="Dân tộc", group="ethnicity", value=None, is_masked=True),
                Line(name="GhiChu", label="Ghi chú", group="general", value=EVIL),
            ),
        ),
        Section(
            name="MonHoc",
            title="Các môn",
            lines=(),
            columns=(
                Column(name="Ten", label="Môn học", group="general"),
                Column(name="So", label="Số định danh", group="staff_number", is_masked=True),
            ),
            rows=(("Tiếng Việt", None), ("Toán", None)),
        ),
    ],
    marks=[("SHA-256", "ab" * 32)],
    signatures=[("NHA_TRUONG", "08/06/2026 09:00:00 +0700", "cd" * 32)],
    look_up="https://hocba.example/api/v1/lookup/" + "f2" * 16,
    printed_at="01/07/2026 08:00 +0700",
)


def pages(asked: Print) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(render(asked))).pages]


def test_it_reads_as_it_was_written_with_every_accent() -> None:
    (text,) = pages(PAGE)
    for expected in ("HỌC BẠ SỐ – BẢN IN", "Nguyễn Thị Bưởi", "Tiếng Việt", "f2" * 16, "Dân tộc", MASKED):
        assert expected in text
    assert "không phải bản gốc" in text
    assert "ĐÃ THU HỒI" not in text


def test_a_column_that_is_all_masked_takes_no_room() -> None:
    assert "Số định danh" not in pages(PAGE)[0]


def test_no_word_of_a_table_is_broken_and_its_titles_stand_on_every_page() -> None:
    titles = ("Mã môn", "Môn học", "Học kỳ I", "Học kỳ II", "Cả năm", "Nhận xét", "Giáo viên – Họ và tên")
    marks = (
        "19",
        "Ngữ văn",
        "8.5",
        "8.6",
        "8.6",
        "Tư duy tốt, vận dụng linh hoạt kiến thức. " * 3,
        "Y Suôt Ayŭn",
    )
    table = Section(
        name="MonHoc",
        title="Kết quả các môn học",
        lines=(),
        columns=tuple(Column(name=title, label=title, group="general") for title in titles),
        rows=(marks,) * 40,
    )
    printed = pages(replace(PAGE, sections=[table]))
    assert len(printed) > 1
    for page in printed[:-1]:
        words = page.split()
        assert {"Mã", "môn", "Học", "kỳ", "năm", "II"} <= set(words)
        assert not {"c", "m", "ôn", "nă"} & set(words)


def test_markup_in_a_document_is_text_in_its_print() -> None:
    assert EVIL.replace(" ", "") in "".join(pages(PAGE)[0].split())


def test_a_recalled_one_says_so() -> None:
    assert "ĐÃ THU HỒI ngày 01/07/2026" in pages(replace(PAGE, alarm="ĐÃ THU HỒI ngày 01/07/2026"))[0]


def test_a_long_text_goes_on_over_pages_and_each_says_that_it_is_a_print() -> None:
    long = Line(name="GhiChu", label="Ghi chú", group="general", value="Chăm ngoan, học tốt. " * 2000)
    section = Section(name="XacNhan", title="Xác nhận", lines=(long,))
    found = pages(replace(PAGE, sections=[section]))
    assert len(found) > 3
    assert all("không phải bản gốc" in text and "f2" * 16 in text for text in found)


def test_the_same_input_gives_the_same_bytes() -> None:
    assert render(PAGE) == render(PAGE)


def test_the_code_on_it_is_of_the_look_up_address(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []
    draw = QrCodeWidget.__init__

    def noted(self: QrCodeWidget, value: str, *rest: object, **more: object) -> None:
        drawn.append(value)
        draw(self, value, *rest, **more)

    monkeypatch.setattr(QrCodeWidget, "__init__", noted)
    render(PAGE)
    assert drawn == [PAGE.look_up]
