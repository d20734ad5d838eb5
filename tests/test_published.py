"""Data that decisions name by its version: a version that was published says the same for ever.

A lock, a verdict or a recall that was decided by ``national-1`` is explained by it years later. Whoever has
to change a rule writes the next version beside it, and puts that in force from a school year on.
"""

import hashlib
from pathlib import Path
from typing import Final

import pytest

APP: Final = Path(__file__).parents[1] / "app"
PUBLISHED: Final = {
    "deadlines/calendars/national-1.toml": "94e16b24848be68c704aeb035bf06766",
    "deadlines/calendars/provinces-1.toml": "12907e705097c8d76b84eca00d625548",
    "verify/policies/acceptance-1.toml": "199e7fac052ba9c97b1cc7e0dda1824b",
    "verify/policies/signers-1.toml": "dade60929412c8c21e944696511e8e12",
    "policies/defaults-1.toml": "86cd33a9c8937322d72430c9be1ff93b",
    "recalls/reasons-1.toml": "e599792409eebc0b3e3352c9f0947624",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_version_does_not_change(name: str) -> None:
    octets = (APP / name).read_bytes()

    assert hashlib.blake2b(octets, digest_size=16).hexdigest() == PUBLISHED[name], (
        f"write the next version beside {name}"
    )


def test_every_version_that_decisions_name_is_held() -> None:
    folders = ("deadlines/calendars", "verify/policies", "policies", "recalls")
    found = {
        path.relative_to(APP).as_posix() for folder in folders for path in (APP / folder).glob("*-*.toml")
    }

    assert found == set(PUBLISHED)
