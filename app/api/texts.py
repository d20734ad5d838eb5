"""How texts and identifiers may look in requests: what a field refuses, it refuses with DD-901."""

from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

from app.errors import DomainError
from app.ids import hex32, parse_uuid

# One line for people: no control characters, which hide things and which the database cannot all store.
Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$"),
]
# Several lines for people.
Prose = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")
]
OrganisationCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{2,20}$")]
SchoolCode = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{6,20}$")]


def _canonical(text: str) -> str:
    value = parse_uuid(text)
    if value is None:
        raise ValueError("Phải là UUID 32 hoặc 36 ký tự. / Not a UUID of 32 or 36 characters.")
    return hex32(value)


# First years that a school year of ours can have.
YEARS: Final = range(2000, 2101)


def _consecutive(text: str) -> str:
    if int(text[:4]) not in YEARS or int(text[5:]) != int(text[:4]) + 1:
        raise ValueError(
            "Phải là hai năm liên tiếp, từ 2000 đến 2101. / Not two consecutive years, from 2000 to 2101."
        )
    return text


# A school year as it is written: 2025-2026.
SchoolYearText = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{4}$"), AfterValidator(_consecutive)
]
ProvinceCode = Annotated[str, StringConstraints(pattern=r"^[0-9]{2}$")]


# A UUID in either form, read as 32 hex digits.
UuidText = Annotated[str, AfterValidator(_canonical)]


EARLIEST: Final = datetime(1900, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


def checked_moment(moment: datetime) -> datetime:
    """Refuse (ValueError) what no calendar here can mean, and what other clocks cannot count."""
    if not EARLIEST <= moment <= LATEST:
        raise ValueError(
            "Thời điểm phải trong các năm 1900 đến 2200. / The moment lies outside the years 1900 to 2200."
        )
    return moment


# A moment with its offset.
Moment = Annotated[AwareDatetime, AfterValidator(checked_moment)]


class Asked(BaseModel):
    """What is sent to us: a field that we do not know is refused, never ignored."""

    model_config = ConfigDict(extra="forbid")


def identified(text: str) -> UUID:
    """Read an identifier of an address; QH-005 for one that can name nothing."""
    value = parse_uuid(text)
    if value is None:
        raise DomainError("QH-005")
    return value
