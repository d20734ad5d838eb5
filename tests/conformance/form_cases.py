"""Cases of form and of business rules: the same faults that the unit tests of conformance know, signed."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.conformance.case import Case, accepted, refused
from tests.conformance.signing import HEAD, SEAL, Changes, signed

_FAULTS: Final = Path(__file__).parents[1] / "ingest" / "transcript_cases.toml"
# These break what a signature stands in: they are changed after signing, or what is there cannot be signed.
_AFTER: Final[dict[str, tuple[str, ...]]] = {
    "missing in signature": ("DD-060",),
    "other namespace of all": ("DD-074",),
    "content Id": ("DD-067",),
    "not well-formed": ("DD-031",),
    "subject Id twice": ("DD-075", "KS-006"),
}
_FIFTH: Final = (
    ("<Khoi>07", "<Khoi>05"),
    ("<Lop>7", "<Lop>5"),
    ("05/09/2013", "05/09/2015"),
    ("066313", "066315"),
)
_VALUE: Final = re.compile(rb"<ds:SignatureValue>.*?</ds:SignatureValue>", re.DOTALL)


def form_cases() -> Iterator[Case]:
    """Give every fault of form, every doubt, and what is unusual but right."""
    faults = tomllib.loads(_FAULTS.read_text("utf-8"))
    for kind, make in (("refused", _refused), ("warned", _warned), ("accepted", _accepted)):
        for name, fault in faults[kind].items():
            changes = [(old, new) for old, new in fault["changes"]]
            if name in _AFTER:
                yield _after(name, fault["level"], changes)
            else:
                yield make(name, fault["level"], changes, fault)
    yield from _many()


def _many() -> Iterator[Case]:
    many = "".join(f"<X{number}/>" for number in range(60))
    yield refused(
        "form-more-faults-than-are-listed",
        "Sixty unknown elements: fifty findings are listed, the rest is counted.",
        signed(after=[("<Khoi>", f"{many}<Khoi>")]),
        "DD-061",
        "DD-076",
    )
    yield refused(
        "form-results-of-another-grade",
        "A grade of primary school with the results of a secondary one.",
        signed(before=_FIFTH),
        "MA-006",
        "NV-001",
    )


def _after(name: str, level: str, changes: Changes) -> Case:
    """Make a fault in what was signed already."""
    is_value = name == "missing in signature"
    xml = _VALUE.sub(b"", signed()) if is_value else signed(level=level, after=changes)
    return refused(_slug(name), f"Changed after signing: {name}.", xml, *_AFTER[name])


def _slug(name: str) -> str:
    return "form-" + "".join(letter if letter.isalnum() else "-" for letter in name.lower())


def _package(level: str, changes: Changes) -> bytes:
    is_digitised = any("TrichLuc" in new for _, new in changes)
    return signed(*((SEAL, HEAD) if is_digitised else ()), level=level, before=changes)


def _refused(name: str, level: str, changes: Changes, fault: dict[str, str]) -> Case:
    why = f"Level {level}, signed as it is: {name}. Refused at `HocBa{fault['at']}`."
    return refused(_slug(name), why, _package(level, changes), fault["code"])


def _warned(name: str, level: str, changes: Changes, fault: dict[str, str]) -> Case:
    return accepted(_slug(name), f"A doubt that is told: {name}.", _package(level, changes), fault["code"])


def _accepted(name: str, level: str, changes: Changes, _: dict[str, str]) -> Case:
    return accepted(_slug(name), f"Unusual, and accepted: {name}.", _package(level, changes))
