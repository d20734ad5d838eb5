"""Reading CSV as offices send it: Vietnamese headers, Excel's habits, every error with its line; pure."""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from app.findings import Finding, finding

MAX_FINDINGS: Final = 100
_DATES: Final = ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y")
_TRUE_FALSE: Final[Mapping[str, bool]] = {
    "cong lap": True,
    "tu thuc": False,
    "dan lap": False,
    "ngoai cong lap": False,
}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# Excel's own first line, which says what cells are separated by; Excel does not count it either.
_SEPARATOR: Final = re.compile(r"sep=([,;\t])\r?\n", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column by its Vietnamese title; read in any case, with or without accents.

    Attributes:
        aliases: other titles that offices give it.
    """

    title: str
    is_required: bool = True
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvCodes:
    """By which causes a kind of file is refused; each takes ``row``, and ``column`` where there is one."""

    lacks_column: str
    unreadable: str
    bad_value: str
    repeated: str


ORGANISATIONS: Final = CsvCodes(
    lacks_column="QH-046", unreadable="QH-047", bad_value="QH-048", repeated="QH-049"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRow:
    """One line of the file.

    Attributes:
        line: 1-based, the header is line 1.
        values: cells by the title of their column, trimmed; absent columns are empty.
    """

    line: int
    values: Mapping[str, str]


def fold(title: str) -> str:
    """Give a title without accents, case, underscores and double spaces: how headers are compared."""
    plain = unicodedata.normalize("NFD", title.casefold().replace("đ", "d").replace("_", " "))
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).split())


def read_csv(
    content: bytes, columns: Sequence[Column], *, key: str | None, codes: CsvCodes = ORGANISATIONS
) -> tuple[Sequence[CsvRow], Sequence[Finding]]:
    """Read the lines of a CSV file.

    Takes what Excel writes: UTF-8 with or without a byte order mark («CSV UTF-8»), UTF-16 with one («Unicode
    Text»), separated by commas, semicolons or tabs; lines without their empty cells at the end. Finds QH-046
    a missing column, QH-047 what is not such a file, QH-048 an empty cell that is required or one with
    control characters, QH-049 a line that repeats the key of an earlier one.

    Args:
        content: the file.
        columns: which there may be.
        key: title of the column whose values are unique; None: none is.
        codes: by which causes the file is refused, in the place of those.
    """
    try:
        text, delimiter = _text(content)
        lines = list(csv.reader(io.StringIO(text), delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        return (), (_unreadable(content[: error.start].count(b"\n") + 1, codes),)
    except csv.Error:
        return (), (_unreadable(1, codes),)
    if not lines:
        return (), (_unreadable(1, codes),)
    called = {fold(alias): fold(column.title) for column in columns for alias in column.aliases}
    titles = [called.get(fold(title), fold(title)) for title in lines[0]]
    missing = [column for column in columns if column.is_required and fold(column.title) not in titles]
    if missing:
        return (), tuple(finding(codes.lacks_column, line=1, column=column.title) for column in missing)
    return _rows(lines, titles, columns, key, codes)


def _rows(
    lines: Sequence[Sequence[str]],
    titles: Sequence[str],
    columns: Sequence[Column],
    key: str | None,
    codes: CsvCodes,
) -> tuple[Sequence[CsvRow], Sequence[Finding]]:
    places = {column.title: fold(column.title) for column in columns}
    rows: list[CsvRow] = []
    findings: list[Finding] = []
    seen: set[str] = set()
    for number, cells in enumerate(lines[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(titles) :]):
            findings.append(_unreadable(number, codes))
            continue
        by_title = dict(zip(titles, (cell.strip() for cell in cells), strict=False))
        values = {title: by_title.get(folded, "") for title, folded in places.items()}
        row = CsvRow(line=number, values=values)
        flaws = _flaws(row, columns, key, seen, codes)
        findings += flaws
        if not flaws:
            if key is not None:
                seen.add(row.values[key])
            rows.append(row)
    return rows, findings[:MAX_FINDINGS]


def _text(content: bytes) -> tuple[str, str]:
    """Give a file's text, and what separates its cells: as it says, else what its header has most of."""
    text = content.decode("utf-16" if content.startswith(_UTF_16) else "utf-8-sig")
    said = _SEPARATOR.match(text)
    if said is not None:
        return text[said.end() :], said.group(1)
    return text, max(",;\t", key=text.partition("\n")[0].count)


def _unreadable(line: int, codes: CsvCodes) -> Finding:
    return finding(codes.unreadable, line=line, row=line)


def _flaws(
    row: CsvRow, columns: Sequence[Column], key: str | None, seen: set[str], codes: CsvCodes
) -> Sequence[Finding]:
    flaws = [
        bad_value(row, column.title, codes)
        for column in columns
        if (column.is_required and not row.values[column.title]) or _CONTROL.search(row.values[column.title])
    ]
    if key is not None and row.values[key] in seen:
        flaws.append(finding(codes.repeated, line=row.line, row=row.line, organisation_code=row.values[key]))
    return flaws


def bad_value(row: CsvRow, title: str, codes: CsvCodes = ORGANISATIONS) -> Finding:
    """Say that a cell of a line holds nothing that can be used."""
    return finding(codes.bad_value, line=row.line, row=row.line, column=title)


def read_day(text: str) -> date | None:
    """Read a day, 2025-07-01 or 01/07/2025; None where it is neither."""
    for form in _DATES:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    return None


def read_ownership(text: str) -> bool | None:
    """Read whether a school is public (công lập) or private (tư thục); None where it says neither."""
    return _TRUE_FALSE.get(fold(text))
