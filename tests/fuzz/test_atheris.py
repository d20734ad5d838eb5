"""A few seconds of coverage-guided fuzzing on every run, where atheris is installed."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris")


@pytest.mark.parametrize("target", ["decoding", "wrapping", "judging"])
def test_a_few_seconds_find_nothing(target: str, tmp_path: Path) -> None:
    limits = ("-max_total_time=6", "-max_len=2000", "-rss_limit_mb=1500", f"-artifact_prefix={tmp_path}/")
    command = [sys.executable, "-m", "tests.fuzz.atheris_targets", target, *limits]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=200
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Done" in done.stderr
