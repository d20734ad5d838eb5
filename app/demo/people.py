"""People of the demo province: names as they are met there, put together at random from a fixed seed."""

import tomllib
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from importlib.resources import files
from random import Random
from typing import Any, Final

# Đắk Lắk's code in identity numbers issued before the merger; the number is for life.
_REGISTRATION_CODE: Final = "066"
_NAMES: Final[list[dict[str, Any]]] = tomllib.loads(
    files("app.demo").joinpath("names.toml").read_text(encoding="utf-8")
)["people"]


class Sex(StrEnum):
    """Giới tính as the wire writes it."""

    MALE = "1"
    FEMALE = "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who does not exist."""

    full_name: str
    family: str
    sex: Sex
    born_on: date
    identity_number: str
    ethnicity: str


# The Kinh, Tày and Nùng bear their father's family name, the Ê Đê and Mnông their mother's.
_LINE: Final = {"father": Sex.MALE, "mother": Sex.FEMALE}


class Population:
    """Gives people one after another, the same ones for the same seed, no identity number twice."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - S311: invented people need no secrecy, they need a seed
        self._count = 0

    def adult(self, *, around: int) -> Person:
        """Somebody who was of working age in that year."""
        return self._person(self._day_in(around - self._random.randint(27, 52)))

    def pupil(self, *, grade: int, starting_year: int, years_late: int = 0) -> Person:
        """A pupil of the usual age: six in the year of grade 1, later where schooling was taken up again."""
        return self._person(self._day_in(starting_year - 5 - grade - years_late))

    def parent_of(self, child: Person, sex: Sex) -> Person:
        """A parent of the child's people, of the same family where the line goes through that one."""
        born_on = self._day_in(child.born_on.year - self._random.randint(22, 38))
        group = next(item for item in _NAMES if item["ethnicity"] == child.ethnicity)
        others = [name for name in group["family"] if name != child.family]
        family = child.family if _LINE[group["line"]] is sex else self._random.choice(others)
        while (parent := self._named(group, sex, born_on, family)).full_name == child.full_name:
            pass
        return parent

    def _person(self, born_on: date) -> Person:
        group = self._random.choices(_NAMES, weights=[item["weight"] for item in _NAMES])[0]
        sex = self._random.choice(list(Sex))
        return self._named(group, sex, born_on, self._random.choice(group["family"]))

    def _named(self, group: dict[str, Any], sex: Sex, born_on: date, family: str) -> Person:
        suffix = "male" if sex is Sex.MALE else "female"
        name = group["form"].format(
            family=family,
            middle=self._random.choice(group[f"middle_{suffix}"]),
            given=self._random.choice(group[f"given_{suffix}"]),
        )
        return Person(
            full_name=unicodedata.normalize("NFC", name),
            family=family,
            sex=sex,
            born_on=born_on,
            identity_number=self._identity_number(sex, born_on),
            ethnicity=group["ethnicity"],
        )

    def _identity_number(self, sex: Sex, born_on: date) -> str:
        """Twelve digits: place, century with sex, two digits of the year, six more (Nghị định 137/2015)."""
        century = (born_on.year // 100 - 19) * 2 + (0 if sex is Sex.MALE else 1)
        self._count += 1
        # 7,919 and a million have no common divisor: no number comes twice before the millionth person.
        running = self._count * 7_919 % 1_000_000
        return f"{_REGISTRATION_CODE}{century}{born_on.year % 100:02}{running:06}"

    def _day_in(self, year: int) -> date:
        return date(year, 1, 1) + timedelta(days=self._random.randrange(365))
