"""The limits that only a large package exceeds, each with its own code, over HTTP."""

import gzip
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import transcripts
from tests.conformance.case import OUTER
from tests.conformance.country import Country
from tests.conformance.runner import read_answer
from tests.conformance.signing import signed

MEBIBYTE = 1 << 20


async def codes_of(country: Country, packed: bytes) -> set[str]:
    """Have a package judged; give all codes of the answer."""
    answer = await country.http.post(
        "/api/v1/validations",
        params=OUTER,
        content=packed,
        headers={"Content-Type": "application/gzip"},
    )
    told = read_answer(answer)
    if "problem" in told:
        return {told["problem"]}
    return {*told["package"], *(code for item in told["items"] for code in item["codes"])}


def with_filling(old: str, filling: str) -> bytes:
    return gzip.compress(signed(after=[(old, f"{filling}{old}")]), 1)


def just_under_the_ratio() -> bytes:
    """257 MiB that unfold some two hundred times."""
    chance = random.Random(1)
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(chance.randbytes(4096) + bytes(MEBIBYTE - 4096)) for _ in range(257))
    return packed + packer.flush()


LARGE: dict[str, Callable[[], bytes]] = {
    "DD-001": lambda: random.Random(2).randbytes(32 * MEBIBYTE + 1),
    "DD-002": just_under_the_ratio,
    "DD-003": lambda: gzip.compress(bytes(8 * MEBIBYTE)),
    "DD-004": lambda: with_filling("</GoiHocBa>", " " * 65536),
    "DD-005": lambda: gzip.compress(transcripts.package(["<HocBa/>"] * 1001)),
    "DD-006": lambda: gzip.compress(
        signed(after=[("<KetQua>", "<KetQua>" + "".join(f"{n:07}\n" for n in range(140_000)))])
    ),
    "DD-008": lambda: with_filling("<Khoi>", "".join(f"<x{n}/>" for n in range(20_000))),
    "DD-012": lambda: with_filling("<Khoi>", "".join(f"<!--{n}-->" for n in range(200_001))),
}


@pytest.mark.parametrize("code", LARGE)
async def test_each_large_limit_has_its_own_code(country: Country, code: str) -> None:
    assert await codes_of(country, LARGE[code]()) == {code}


async def test_a_bomb_of_ten_gibibytes_over_http_costs_little(country: Country) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    bomb += (packer.compress(bytes(MEBIBYTE)) + packer.flush(zlib.Z_FULL_FLUSH)) * (10 * 1024)
    peak = _PeakMemory()
    assert await codes_of(country, bomb) == {"DD-003"}
    assert peak.grown_mebibytes() < 300


class _PeakMemory:
    """How much more memory than now this process has held since (Linux: proc(5))."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = self._kibibytes()

    @staticmethod
    def _kibibytes() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

    def grown_mebibytes(self) -> int:
        return (self._kibibytes() - self._before) // 1024
