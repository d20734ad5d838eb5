"""Reports as downloads: CSV and NDJSON as they are read, XLSX from a file that is gone once it is open."""

import json
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from fastapi import Response
from fastapi.responses import StreamingResponse

from app.compliance.sheets import Cell, Sheet, csv_head, csv_lines
from app.offload import Offload

T = TypeVar("T")


class ReportFormat(StrEnum):
    """How a report may be had."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NDJSON: Final = "application/x-ndjson"
CSV: Final = "text/csv; charset=utf-8"
CHUNK: Final = 1 << 16

Pages = AsyncIterator[Sequence[T]]


async def download(
    pages: Pages[T],
    columns: Sequence[str],
    cells: Callable[[T], Sequence[Cell]],
    *,
    form: ReportFormat,
    name: str,
    title: str,
    offload: Offload,
) -> Response:
    """Give rows, page by page, in the form asked for; memory holds one page."""
    disposition = {"Content-Disposition": f'attachment; filename="{name}.{form}"'}
    if form is ReportFormat.XLSX:
        book = await _workbook(pages, columns, cells, title, offload)
        return StreamingResponse(_chunks(book, offload), media_type=XLSX, headers=disposition)
    if form is ReportFormat.CSV:
        return StreamingResponse(_csv(pages, columns, cells), media_type=CSV, headers=disposition)
    return StreamingResponse(_lines(pages, columns, cells), media_type=NDJSON)


async def _csv(
    pages: Pages[T], columns: Sequence[str], cells: Callable[[T], Sequence[Cell]]
) -> AsyncIterator[bytes]:
    yield csv_head(columns).encode()
    async for page in pages:
        yield csv_lines([cells(row) for row in page]).encode()


async def _lines(
    pages: Pages[T], columns: Sequence[str], cells: Callable[[T], Sequence[Cell]]
) -> AsyncIterator[bytes]:
    async for page in pages:
        lines = [
            json.dumps(dict(zip(columns, cells(row), strict=True)), ensure_ascii=False) + "\n" for row in page
        ]
        yield "".join(lines).encode()


async def _workbook(
    pages: Pages[T],
    columns: Sequence[str],
    cells: Callable[[T], Sequence[Cell]],
    title: str,
    offload: Offload,
) -> BinaryIO:
    """Write a workbook, off the event loop; its file has no name any more, so that nothing of it stays."""
    path = await offload.run(_new_file)
    try:
        sheet = await offload.run(Sheet, path, title, columns)
        try:
            async for page in pages:
                await offload.run(sheet.write, [cells(row) for row in page])
        finally:
            await offload.run(sheet.close)
        return await offload.run(path.open, "rb")
    finally:
        path.unlink(missing_ok=True)


async def _chunks(book: BinaryIO, offload: Offload) -> AsyncIterator[bytes]:
    with book:
        while chunk := await offload.run(book.read, CHUNK):
            yield chunk


def _new_file() -> Path:
    with tempfile.NamedTemporaryFile(prefix="hocba-", suffix=".xlsx", delete=False) as file:
        return Path(file.name)
