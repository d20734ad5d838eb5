"""What a transcript's content looks like over HTTP: sections of lines and a table, masked for the caller."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from app.formats.parser import parse_secure
from app.formats.profile import Section
from app.formats.registry import profile_for
from app.organisations.looks import Look
from app.records.masks import Mask


class LineOut(BaseModel):
    """Một dòng của nội dung / one line of the content."""

    name: str
    label: str
    group: str = Field(description="Nhóm dữ liệu, dùng để che / what masks go by")
    value: str | None
    is_masked: bool


class ColumnOut(BaseModel):
    """Một cột của bảng / a column of the table."""

    name: str
    label: str
    group: str
    is_masked: bool


class SectionOut(BaseModel):
    """Một mục của học bạ / a section of the transcript."""

    name: str
    title: str
    lines: list[LineOut]
    columns: list[ColumnOut]
    rows: list[list[str | None]]

    @classmethod
    def of(cls, section: Section) -> Self:
        """Write a section out."""
        return cls(
            name=section.name,
            title=section.title,
            lines=[LineOut.model_validate(line, from_attributes=True) for line in section.lines],
            columns=[ColumnOut.model_validate(column, from_attributes=True) for column in section.columns],
            rows=[list(row) for row in section.rows],
        )


class LookOut(BaseModel):
    """Một lượt xem học bạ / one look at a transcript."""

    at: datetime
    kind: str = Field(description="public, client, officer")
    by: str | None = Field(description="Phần mềm hoặc cơ quan, không nêu tên người / no person")
    role: str | None
    part: str | None
    is_refused: bool = Field(description="Sai ngày sinh / the date of birth was wrong")

    @classmethod
    def of(cls, look: Look) -> Self:
        """Write a look out."""
        return cls(**{name: getattr(look, name) for name in cls.model_fields})


def tell(xml: bytes, format_version: str, mask: Mask) -> Sequence[Section]:
    """Read a record's verified bytes and give what the mask leaves of them; off the event loop."""
    profile = profile_for(format_version)
    assert profile is not None  # what was recorded was read by it
    return mask.over(profile.sections(parse_secure(xml)))
