"""The status of a record is never stored: it is read off what has happened to it, as of a moment."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum


class RecordEventKind(StrEnum):
    """What can happen to a record; its bytes are the same before and after."""

    RECORDED = "recorded"
    RECALLED = "recalled"  # an approved recall (thu hồi)
    REPLACED = "replaced"  # another record took its place before the lock (thay thế)
    CUSTODY_TRANSFERRED = "custody_transferred"  # another school manages it (chuyển giao quyền quản lý)


class RecordStatus(StrEnum):
    """What a reader is told."""

    ISSUED = "issued"  # recorded, not locked (đã phát hành)
    IN_FORCE = "in_force"  # locked (đang lưu hành)
    RECALLED = "recalled"  # (đã thu hồi)
    REPLACED = "replaced"  # (đã được thay thế)


def status_of(
    events: Iterable[tuple[RecordEventKind, datetime]], as_of: datetime, *, locks_at: datetime | None
) -> RecordStatus | None:
    """Give a record's status as of a moment (aware); None before it was recorded.

    What ends a record weighs more than the lock: a recalled record stays recalled. The lock is no event: it
    comes by itself, at the instant that the calendar says.

    Args:
        events: what has happened to the record.
        as_of: the moment asked about.
        locks_at: from when it is locked (chốt); None where it is not known to be.
    """
    happened = {kind for kind, at in events if at <= as_of}
    if RecordEventKind.RECORDED not in happened:
        return None
    if RecordEventKind.RECALLED in happened:
        return RecordStatus.RECALLED
    if RecordEventKind.REPLACED in happened:
        return RecordStatus.REPLACED
    is_locked = locks_at is not None and locks_at <= as_of
    return RecordStatus.IN_FORCE if is_locked else RecordStatus.ISSUED
