"""Which fields of a request are wrong and why, in Vietnamese and English, without repeating what was sent."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

WORDS: Final[Mapping[str, str]] = tomllib.loads(
    (Path(__file__).parent / "wrong-fields-1.toml").read_text("utf-8")
)
UNLISTED: Final = "Giá trị không hợp lệ."
# A refusal is never much larger than what it refuses.
MAX_ERRORS: Final = 100
MAX_STEP_CHARACTERS: Final = 64
_OWN: Final = "value_error"


def wrong_fields(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Give the first of pydantic's errors as they are told.

    A rule of our own (ValueError) says both languages itself: Vietnamese, " / ", English.
    """
    return [_told(error) for error in errors[:MAX_ERRORS]]


def _told(error: Mapping[str, Any]) -> dict[str, str]:
    facts = error.get("ctx") or {}
    if error["type"] == _OWN and "error" in facts:
        vietnamese, _, english = str(facts["error"]).rpartition(" / ")
    else:
        vietnamese, english = WORDS.get(error["type"], UNLISTED).format(**facts), error["msg"]
    return {
        "where": "/".join(str(step)[:MAX_STEP_CHARACTERS] for step in error["loc"]),
        "why": vietnamese or UNLISTED,
        "why_en": english,
    }
