"""The benchmark itself: it runs, and every contender finds every transcript good. No time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench import steps, storage
from bench.documents import build_loads

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("shape", "signatures"), [("seal alone", 1), ("as the law wants it", 17)])
def test_one_round_is_measured_and_written(tmp_path: Path, shape: str, signatures: int) -> None:
    output = tmp_path / "figures.json"
    command = ["--rounds", "1", "--transcripts", "2", "--shape", shape, "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(output.read_text("utf-8"))
    (row,) = figures["rows"]
    assert (row["shape"], row["transcripts"], row["signatures"]) == (shape, 2, signatures)
    assert {"ours", "competent", "naive"} <= row["microseconds"].keys()
    assert figures["machine"]["lxml"]


def test_every_step_of_every_shape_is_timed() -> None:
    for load in build_loads(2):
        found = steps.steps(load, 1)
        assert len(found) == 13
        assert found.keys() >= steps.IN_C


def test_storage_is_counted_and_everything_reads_back() -> None:
    for row in storage.measure(8):
        assert row["plain"] > row["gzip"] > row["forty together"]
        assert row["forty together"] == row["all together"] == row["forty, one by one"] < row["the only one"]


def test_the_whole_service_is_measured_from_request_to_commit(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    command = ["--transcripts", "20", "--size", "4", "--shape", "seal alone", "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "http", *command, "--output", str(output)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(output.read_text("utf-8"))["rows"]
    assert (row["package"], row["transcripts"], row["door"]["requests"]) == (4, 4, 2)
    assert row["worker_peak_bytes"] > 0
    assert row["processor_us"].keys() == {"API", "workers", "PostgreSQL"}
