from dataclasses import fields

import pytest

from app.findings import CATALOGUE
from app.ingest.limits import LIMIT_CODES, Limits, exceeded


def test_every_limit_has_a_code_of_its_own() -> None:
    assert set(LIMIT_CODES) == {item.name for item in fields(Limits)}
    assert len(set(LIMIT_CODES.values())) == len(LIMIT_CODES)


@pytest.mark.parametrize("name", LIMIT_CODES)
def test_a_limit_exceeded_is_told_with_its_value(name: str) -> None:
    told = exceeded(name, Limits(), found=7)
    assert told.code in CATALOGUE
    assert str(getattr(Limits(), name)) in told.message_vi
    assert str(getattr(Limits(), name)) in told.message_en


def test_the_limits_of_the_format_are_the_defaults() -> None:
    limits = Limits()
    assert (limits.body_bytes, limits.unpacked_bytes) == (32 << 20, 256 << 20)
    assert (limits.transcripts, limits.transcript_bytes) == (1000, 1 << 20)
