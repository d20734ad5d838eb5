"""The coded reasons of recall (lý do thu hồi), as versioned data."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallReason:
    """One reason, in words."""

    code: str
    title_vi: str
    title_en: str


def _read_reasons() -> Mapping[str, RecallReason]:
    rows = tomllib.loads(Path(__file__).with_name("reasons-1.toml").read_text("utf-8"))
    return MappingProxyType(
        {code: RecallReason(code=code, title_vi=row["vi"], title_en=row["en"]) for code, row in rows.items()}
    )


REASONS: Final = _read_reasons()
