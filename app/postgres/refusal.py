"""Why the embedded PostgreSQL cannot serve, said so that whoever runs the service can act on it."""

import errno
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

_TEXTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    tomllib.loads(Path(__file__).with_name("refusals.toml").read_text("utf-8"))
)


class PostgresUnavailableError(Exception):
    """The embedded PostgreSQL refuses to start or to go on; its text is Vietnamese, then English.

    Attributes:
        cause: the entry of refusals.toml, such as ``wrong-major``.
        facts: what the texts are filled with (paths, versions, the system's own message).
    """

    def __init__(self, cause: str, **facts: str | int) -> None:
        super().__init__(cause)
        self.cause = cause
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.problem_vi} {self.advice_vi}\n{self.problem_en} {self.advice_en}"

    @property
    def problem_vi(self) -> str:
        """What is wrong, in Vietnamese."""
        return self._text("problem_vi")

    @property
    def problem_en(self) -> str:
        """What is wrong, in English."""
        return self._text("problem_en")

    @property
    def advice_vi(self) -> str:
        """What to do, in Vietnamese."""
        return self._text("advice_vi")

    @property
    def advice_en(self) -> str:
        """What to do, in English."""
        return self._text("advice_en")

    def _text(self, name: str) -> str:
        return _TEXTS[self.cause][name].format_map(self.facts)


def refused_write(path: Path, error: OSError) -> PostgresUnavailableError:
    """Say why something could not be written: ``disk-full`` or ``not-writable``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return PostgresUnavailableError("disk-full", path=str(path))
    return PostgresUnavailableError("not-writable", path=str(path), reason=error.strerror or str(error))
