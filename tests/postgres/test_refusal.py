"""Every refusal has texts, every text has a refusal, and both languages are filled from the same facts."""

import errno
import re
import string
import tomllib
from pathlib import Path

import pytest

import app.postgres
from app.postgres.refusal import PostgresUnavailableError, refused_write

ROOM = Path(app.postgres.__file__).parent
TEXTS = tomllib.loads((ROOM / "refusals.toml").read_text("utf-8"))


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_causes_in_the_code_are_those_in_the_texts() -> None:
    code = "".join(path.read_text("utf-8") for path in ROOM.glob("*.py"))
    used = set(re.findall(r"(?:PostgresUnavailableError|_refused)\(\s*\"([a-z-]+)\"", code))
    assert used == set(TEXTS)


@pytest.mark.parametrize("cause", sorted(TEXTS))
def test_texts_are_whole(cause: str) -> None:
    texts = TEXTS[cause]
    assert set(texts) == {"problem_vi", "problem_en", "advice_vi", "advice_en"}
    assert fields(texts["problem_vi"]) == fields(texts["problem_en"])
    assert fields(texts["advice_vi"]) == fields(texts["advice_en"])
    facts = dict.fromkeys(fields("".join(texts.values())), "FACT")
    vietnamese, english = str(PostgresUnavailableError(cause, **facts)).splitlines()
    assert not vietnamese.isascii()
    assert english.isascii()


def test_a_full_disk_is_told_from_a_closed_folder() -> None:
    assert refused_write(Path("/x"), OSError(errno.ENOSPC, "no space")).cause == "disk-full"
    refusal = refused_write(Path("/x"), OSError(errno.EROFS, "Read-only file system"))
    assert (refusal.cause, refusal.facts) == (
        "not-writable",
        {"path": "/x", "reason": "Read-only file system"},
    )
