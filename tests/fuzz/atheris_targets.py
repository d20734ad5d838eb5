"""Coverage-guided fuzzing: ``python -m tests.fuzz.atheris_targets decoding|wrapping|judging [options]``.

The options are libFuzzer's, for example ``-max_total_time=20``. Needs atheris (Linux on x86-64);
what it finds is a recipe for ``test_fuzz.py``, or bytes as they are.
"""

import sys
from collections.abc import Callable
from typing import Final

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["app"]):
    from tests.fuzz import properties
from tests.fuzz.recipes import Recipe


def _wrapping(octets: bytes) -> None:
    properties.wrapping_never_lies(Recipe(octets))


def _judging(octets: bytes) -> None:
    properties.nothing_forged_is_accepted(Recipe(octets))


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "decoding": properties.decoding_never_raises,
    "wrapping": _wrapping,
    "judging": _judging,
}


def main() -> None:
    """Fuzz one target until libFuzzer is told to stop, or something is found."""
    name, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
