"""What a print and the look-up page say in the same words: a record's status, moments, the page's address."""

from datetime import datetime
from typing import Final

from app.deadlines.calendar import in_legal_zone
from app.records import RecordStatus

LOOK_UP_PATH: Final = "/tra-cuu"
STATUSES: Final = {
    RecordStatus.ISSUED: "Đã phát hành, chưa chốt / issued",
    RecordStatus.IN_FORCE: "Đang lưu hành / in force",
    RecordStatus.RECALLED: "Đã thu hồi / recalled",
    RecordStatus.REPLACED: "Đã được thay thế / replaced",
}


def look_up_path(record_id: str) -> str:
    """Give the path of the page on which a record is looked up."""
    return f"{LOOK_UP_PATH}/{record_id}"


def moment_in_words(at: datetime) -> str:
    """Write a moment to the second by the legal zone's clock, with its offset."""
    return f"{in_legal_zone(at):%d/%m/%Y %H:%M:%S %z}"


def alarm_of(status: RecordStatus, recalled_at: datetime | None, replaced_by: str | None) -> str | None:
    """Say that a record is worth nothing any more, and since when or by what; None for one that stands."""
    if status is RecordStatus.RECALLED and recalled_at is not None:
        on = f"{in_legal_zone(recalled_at):%d/%m/%Y}"
        return f"ĐÃ THU HỒI ngày {on}, không còn giá trị / recalled on {on}"
    if status is RecordStatus.REPLACED:
        return f"ĐÃ ĐƯỢC THAY THẾ bởi / replaced by {replaced_by}"
    return None
