"""Reports as files: CSV and XLSX with Vietnamese headings, that no spreadsheet takes for formulas."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from app.deadlines.calendar import in_legal_zone

Cell = str | int | float | datetime | None

LABELS: Final[Mapping[str, str]] = {
    "province_code": "Mã tỉnh",
    "authority_code": "Mã cơ quan quản lý",
    "school_code": "Mã trường",
    "school_name": "Tên trường",
    "name": "Tên đơn vị",
    "grade": "Khối",
    "class_name": "Lớp",
    "student_code": "Mã học sinh",
    "full_name": "Họ và tên",
    "cause": "Nguyên nhân",
    "schools": "Số trường",
    "schools_without_roll": "Trường chưa có danh sách",
    "expected": "Phải nộp",
    "received": "Đã nhận",
    "accepted": "Được chấp nhận",
    "rejected": "Bị từ chối",
    "held": "Chờ duyệt",
    "recalled": "Đã thu hồi",
    "not_sent": "Chưa gửi",
    "missing": "Còn thiếu",
    "on_time": "Đúng hạn",
    "late": "Muộn hạn",
    "locked": "Đã chốt",
    "exempt": "Miễn (học bạ giấy)",
    "moved_in": "Chuyển đến",
    "moved_out": "Chuyển đi",
    "unlisted": "Ngoài danh sách",
    "unreadable": "Không đọc được mã học sinh",
    "pending_certificates": "Chứng thư chờ duyệt",
    "unread_replies": "Kết quả chưa đọc",
    "processing_packages": "Gói đang xử lý",
    "in_snapshot": "Trong bản chốt",
    "snapshot_kind": "Loại bản chốt",
    "cut_off": "Mốc chốt",
    "due_at": "Hạn về Bộ",
    "progress": "Tình trạng",
    "complete_at": "Gửi đủ lúc",
    "is_on_time": "Đúng hạn",
    "rounds": "Số lượt gửi",
    "size": "Số học bạ trong bản chốt",
    "verified": "Bộ đã kiểm tra",
    "disputes": "Điểm chưa khớp",
    "in_force": "Đang lưu hành",
    "issued": "Đã phát hành, chưa chốt",
    "replaced": "Đã được thay thế",
    "root": "Gốc Merkle",
    "on_time_percent": "Tỷ lệ đúng hạn (%)",
    "completion_percent": "Tỷ lệ hoàn thành (%)",
}
CAUSES: Final[Mapping[str, str]] = {
    "held": "Chờ duyệt chứng thư hoặc dữ liệu thu hồi chứng thư",
    "recalled": "Đã thu hồi, chưa có học bạ thay thế",
    "rejected": "Đã gửi nhưng bị từ chối",
    "not_sent": "Chưa gửi",
}

# Columns that hold more than their heading is long, in characters.
_WIDTHS: Final[Mapping[str, int]] = {
    "name": 36, "school_name": 36, "full_name": 28, "student_code": 20, "class_name": 10, "cause": 44,
    "snapshot_kind": 22, "cut_off": 20, "due_at": 20, "complete_at": 20, "progress": 20, "root": 66,
}  # fmt: skip
_A4: Final = 9
_MOMENT: Final = "dd/mm/yyyy hh:mm:ss"

# What a spreadsheet would read as a formula at the beginning of a cell (OWASP, CSV injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_BYTE_ORDER_MARK: Final = "\ufeff"
_MAX_ROWS: Final = 1_048_575


def csv_head(columns: Sequence[str]) -> str:
    """Give the beginning of a CSV: the mark by which Excel knows UTF-8, and the headings."""
    return _BYTE_ORDER_MARK + csv_lines([[LABELS[column] for column in columns]])


def csv_lines(rows: Sequence[Sequence[Cell]]) -> str:
    """Give rows as lines of CSV (RFC 4180); a text that looks like a formula is led in by an apostrophe."""
    written = io.StringIO()
    csv.writer(written).writerows([[_plain(cell) for cell in row] for row in rows])
    return written.getvalue()


def _plain(cell: Cell) -> str | int | float:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return in_legal_zone(cell).isoformat()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


class Sheet:
    """An XLSX being written row by row into a file; what is written leaves memory.

    Numbers are numbers, moments are moments (by the clock of the law) and texts are texts: none is ever read
    as a formula or a link. The heading stays in sight, filters, and stands on every printed page. What no
    longer fits on a sheet goes on the next.
    """

    def __init__(self, path: Path, title: str, columns: Sequence[str]) -> None:
        self._book = Workbook(
            str(path),
            {
                "constant_memory": True,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "tmpdir": str(path.parent),
            },
        )
        self._title, self._columns = title, columns
        self._bold = self._book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        self._moment = self._book.add_format({"num_format": _MOMENT})
        self._sheets = 0
        self._row = 0
        self._open: Worksheet = self._next()

    def _next(self) -> Worksheet:
        self._sheets += 1
        name = self._title if self._sheets == 1 else f"{self._title} {self._sheets}"
        sheet: Worksheet = self._book.add_worksheet(name)
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.fit_to_pages(1, 0)
        for position, column in enumerate(self._columns):
            label = LABELS[column]
            sheet.set_column(position, position, _WIDTHS.get(column, max(9, min(14, len(label) + 2))))
            sheet.write_string(0, position, label, self._bold)
        self._row = 0
        return sheet

    def write(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Add rows."""
        for row in rows:
            if self._row == _MAX_ROWS:
                self._end()
                self._open = self._next()
            self._row += 1
            for position, cell in enumerate(row):
                self._write(position, cell)

    def _write(self, column: int, cell: Cell) -> None:
        if isinstance(cell, datetime):
            moment = in_legal_zone(cell).replace(tzinfo=None)  # a spreadsheet's moments know no zone
            self._open.write_datetime(self._row, column, moment, self._moment)
        elif isinstance(cell, str):
            self._open.write_string(self._row, column, cell)
        elif cell is not None:
            self._open.write_number(self._row, column, cell)

    def _end(self) -> None:
        self._open.autofilter(0, 0, self._row, len(self._columns) - 1)

    def close(self) -> None:
        """End the file."""
        self._end()
        self._book.close()
