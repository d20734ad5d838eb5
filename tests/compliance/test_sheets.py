"""Files that spreadsheets open: right numbers, right accents, and nothing that they would execute."""

import csv
import io
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import openpyxl
import pytest

from app.compliance.sheets import CAUSES, LABELS, Cell, Sheet, csv_head, csv_lines

COLUMNS = ("school_code", "name", "expected", "on_time_percent", "full_name")
SCHOOL = "66A0000201"
EVIL = ['=HYPERLINK("http://x")', "+1+1", "-2", "@SUM(A1)", "\tx", "\rx"]
ROWS: list[list[Cell]] = [
    ["66A0000201", "Trường Tiểu học Ea Kao", 389, 97.5, "Nguyễn Thị Bưởi"],
    ["00123456", "Trường «Lê Lợi»; cơ sở 2", 0, None, 'Y Đăm "Êban"'],
    *(list[Cell]((SCHOOL, text, 1, 0.0, text)) for text in EVIL),
]


def written(folder: Path, rows: list[list[Cell]] = ROWS) -> Path:
    path = folder / "bao-cao.xlsx"
    sheet = Sheet(path, "Tiến độ", COLUMNS)
    sheet.write(rows)
    sheet.close()
    return path


def test_a_workbook_holds_numbers_as_numbers_and_texts_as_texts(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(written(tmp_path))
    sheet = book["Tiến độ"]
    assert [cell.value for cell in sheet[1]] == [LABELS[column] for column in COLUMNS]
    assert sheet.freeze_panes == "A2"
    assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2, max_row=3)] == ROWS[:2]
    assert [cell.data_type for cell in sheet[2]] == ["s", "s", "n", "n", "s"]
    assert {cell.data_type for row in sheet.iter_rows(min_row=4) for cell in row} == {"s", "n"}
    assert not any(cell.hyperlink for row in sheet.iter_rows() for cell in row)


def test_a_csv_has_the_mark_of_excel_and_no_formula() -> None:
    text = csv_head(COLUMNS) + csv_lines(ROWS)
    assert text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    assert rows[0] == [LABELS[column] for column in COLUMNS]
    assert rows[1] == ["66A0000201", "Trường Tiểu học Ea Kao", "389", "97.5", "Nguyễn Thị Bưởi"]
    assert [row[1] for row in rows[3:]] == [f"'{text}" for text in EVIL]
    assert all(row[2] == "1" for row in rows[3:])


def test_a_moment_is_told_by_the_clock_of_the_law() -> None:
    assert csv_lines([[datetime(2026, 6, 30, 17, tzinfo=UTC)]]) == "2026-07-01T00:00:00+07:00\r\n"


def test_a_workbook_tells_a_moment_as_one_by_the_clock_of_the_law(tmp_path: Path) -> None:
    path = tmp_path / "moc.xlsx"
    sheet = Sheet(path, "Mốc", ("name", "cut_off"))
    sheet.write([["Đắk Lắk", datetime(2026, 6, 30, 17, tzinfo=UTC)]])
    sheet.close()
    opened = openpyxl.load_workbook(path)["Mốc"]
    assert (opened["B2"].value, opened["B2"].is_date) == (datetime(2026, 7, 1), True)  # noqa: DTZ001 - as the file has it
    assert (opened.auto_filter.ref, opened.print_title_rows) == ("A1:B2", "$1:$1")


def test_a_negative_number_stays_a_number() -> None:
    assert csv_lines([[-1]]) == "-1\r\n"


def test_what_does_not_fit_goes_on_the_next_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.compliance.sheets._MAX_ROWS", 3)
    book = openpyxl.load_workbook(written(tmp_path))
    assert book.sheetnames == ["Tiến độ", "Tiến độ 2", "Tiến độ 3"]
    assert [sheet.max_row for sheet in book] == [4, 4, 3]


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_opens_it_with_right_numbers_and_accents(tmp_path: Path) -> None:
    path = written(tmp_path)
    subprocess.run(
        [
            "soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to",
            "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", str(tmp_path), str(path),
        ],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    rows = list(csv.reader(io.StringIO((tmp_path / "bao-cao.csv").read_text("utf-8-sig"))))
    assert rows[0] == [LABELS[column] for column in COLUMNS]
    assert rows[1] == ["66A0000201", "Trường Tiểu học Ea Kao", "389", "97.5", "Nguyễn Thị Bưởi"]
    assert rows[2] == ["00123456", "Trường «Lê Lợi»; cơ sở 2", "0", "", 'Y Đăm "Êban"']
    assert [row[1] for row in rows[3:7]] == EVIL[:4]


def test_every_cause_has_its_words() -> None:
    assert set(CAUSES) == {"held", "recalled", "rejected", "not_sent"}
