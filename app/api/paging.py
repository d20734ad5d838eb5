"""Keyset cursors: a page continues after the last row seen, however the list has grown meanwhile."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Final, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from app.errors import DomainError
from app.ids import hex32, parse_uuid

MAX_PAGE: Final = 500

R = TypeVar("R")
T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE, description="Số dòng một trang / rows a page")]
Cursor = Annotated[
    str | None, Query(max_length=400, description="next_cursor của trang trước / of the last page")
]


class Page(BaseModel, Generic[T]):
    """One page, oldest first; ``next_cursor`` is null at the end of the list."""

    items: list[T]
    next_cursor: str | None = None

    @classmethod
    def cut(
        cls, rows: Sequence[R], limit: int, *, show: Callable[[R], T], place: Callable[[R], str | UUID]
    ) -> "Page[T]":
        """Show the first ``limit`` rows; where one more was read, the last one's place is the next cursor."""
        more = write_cursor(place(rows[limit - 1])) if len(rows) > limit else None
        return cls(items=[show(row) for row in rows[:limit]], next_cursor=more)


def write_cursor(*key: str | int | UUID) -> str:
    """Give the place after a row as an opaque text; it grants nothing, a forged one only moves the reader."""
    return base64.urlsafe_b64encode(json.dumps(key, default=hex32).encode()).rstrip(b"=").decode()


def read_cursor(cursor: str | None, *kinds: type[str] | type[int]) -> Sequence[str | int] | None:
    """Read a cursor back; DD-903 where it is not one of ours, None where there is none."""
    if cursor is None:
        return None
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError) as error:
        raise DomainError("DD-903") from error
    if not isinstance(key, list) or [type(part) for part in key] != list(kinds):
        raise DomainError("DD-903")
    if not all(_is_plain(part) for part in key):
        raise DomainError("DD-903")
    return key


def text_after(cursor: str | None) -> str | None:
    """Read a cursor whose place is one text; DD-903 where it is not one of ours."""
    key = read_cursor(cursor, str)
    return None if key is None else str(key[0])


def id_after(cursor: str | None) -> UUID | None:
    """Read a cursor whose place is one identifier; DD-903 where it is not one of ours."""
    text = text_after(cursor)
    if text is None:
        return None
    identifier = parse_uuid(text)
    if identifier is None:
        raise DomainError("DD-903")
    return identifier


def _is_plain(part: str | int) -> bool:
    """Say whether a part could come from a row: what the database cannot hold is no place in a list."""
    if isinstance(part, int):
        return abs(part) < 1 << 31
    return part.isascii() and part.isprintable()
