"""Every failure ends with a message in both languages and an exit code of its own."""

import json
from pathlib import Path

import pytest
import typer

from app.cli.terminal import ExitCode, failures_told
from app.client.errors import PackagingError, UnreachableError
from app.client.session import DoubtfulOutcomeError, RefusalError

FAILURES = [
    (RefusalError(409, {"code": "TR-010", "title": "Trùng", "title_en": "Taken"}), ExitCode.DENIED),
    (UnreachableError("Không kết nối được", "Unreachable"), ExitCode.UNREACHABLE),
    (DoubtfulOutcomeError("Chưa biết", "In doubt"), ExitCode.UNREACHABLE),
    (PackagingError("Hỏng", "Damaged"), ExitCode.BAD_INPUT),
]


@pytest.mark.parametrize(("failure", "code"), FAILURES)
def test_failures_are_told(failure: Exception, code: ExitCode, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, failures_told(as_json=False):
        raise failure
    assert caught.value.exit_code == code
    told = capsys.readouterr().err
    vi, en = str(failure).split(" / ")
    assert vi in told
    assert en in told


def test_a_refusal_as_json_carries_the_problem(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), failures_told(as_json=True):
        raise FAILURES[0][0]
    assert json.loads(capsys.readouterr().out)["problem"]["code"] == "TR-010"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught, failures_told(as_json=False):
        (tmp_path / "none.xml").read_bytes()
    assert caught.value.exit_code == ExitCode.BAD_INPUT
    assert "none.xml" in capsys.readouterr().err
