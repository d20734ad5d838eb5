"""Identifiers: how UUIDs are read and written, and how ours are made."""

import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

_UUID_FORM: Final = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def parse_uuid(text: str) -> UUID | None:
    """Read 32 hex digits, or 36 characters with hyphens, in any case; None where it is neither."""
    return UUID(text) if _UUID_FORM.fullmatch(text) else None


def hex32(value: UUID) -> str:
    """Write a UUID the way this service shows it: 32 lower-case hex digits."""
    return value.hex


def listed(values: Iterable[UUID], *, most: int = 20) -> str:
    """Write several for people: the first twenty in order, and how many more there are."""
    ordered = [hex32(value) for value in sorted(values)]
    shown = ", ".join(ordered[:most])
    return shown if len(ordered) <= most else f"{shown} (+{len(ordered) - most})"


def uuid7(now: datetime) -> UUID:
    """Make a time-ordered UUID (RFC 9562, 5.7) for a row of ours."""
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    random = secrets.randbits(74)
    high, low = random >> 62, random & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low)
