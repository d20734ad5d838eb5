"""Builds the kit's cases anew: ``python -m tests.conformance.build``. The same bytes every time."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.attack_cases import attack_cases
from tests.conformance.case import CASES, Case
from tests.conformance.decoding_cases import decoding_cases, header_cases
from tests.conformance.form_cases import form_cases
from tests.conformance.key_cases import key_cases
from tests.conformance.odd_cases import odd_cases
from tests.conformance.trust_cases import trust_cases


def all_cases() -> Iterator[Case]:
    """Give every case of the kit."""
    yield from form_cases()
    yield from odd_cases()
    yield from attack_cases()
    yield from key_cases()
    yield from trust_cases()
    yield from decoding_cases()
    yield from header_cases()


def build(folder: Path = CASES) -> None:
    """Write all cases into a folder that holds nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    for case in all_cases():
        case.write(folder)


if __name__ == "__main__":
    build()
