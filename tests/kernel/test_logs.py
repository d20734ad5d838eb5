"""Logs name the kind and the place of a fault, never what it says."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from app.logs import configure_logs, where


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def _fail(text: str) -> None:
    raise ValueError(text)


def test_a_fault_is_told_by_its_places_without_its_text() -> None:
    with pytest.raises(ValueError, match="An") as caught:
        _fail("Nguyễn Văn An")
    places = where(caught.value)
    assert places[-1].endswith(" _fail")
    assert "test_logs.py:" in places[-1]
    assert "Nguyễn" not in "".join(places)


def test_each_line_is_one_json_object_with_the_requests_id(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "json")
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        structlog.get_logger().info("trường học", count=2)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["count"], told["request_id"], told["level"]) == (
        "trường học",
        2,
        "abc",
        "info",
    )
    assert told["timestamp"].endswith("Z")
    assert "trường học" in line


def test_what_lies_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("warning", "json")
    structlog.get_logger().info("quiet")
    assert capsys.readouterr().err == ""


def test_the_console_form_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("info", "console")
    structlog.get_logger().info("đã nhận")
    assert "đã nhận" in capsys.readouterr().err
