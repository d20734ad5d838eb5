"""Packages (bản tin) and their items: what states they have and whose move it is."""

from enum import StrEnum
from typing import Final

from app.lifecycle import Lifecycle


class PackageState(StrEnum):
    """How far our work on a package has come; never a judgement of it."""

    RECEIVED = "received"  # ours: the bytes are stored and acknowledged
    PROCESSING = "processing"  # ours: a worker judges it, or judged it and some items are being settled
    ANSWERED = "answered"  # the sender's: every item has an answer, held ones are answered as held


PACKAGE_LIFE: Final = Lifecycle(
    states=PackageState,
    initial=PackageState.RECEIVED,
    moves={
        PackageState.RECEIVED: frozenset({PackageState.PROCESSING}),
        PackageState.PROCESSING: frozenset({PackageState.RECEIVED, PackageState.ANSWERED}),
        PackageState.ANSWERED: frozenset(),
    },
)


class ItemState(StrEnum):
    """The answer for one transcript of a package."""

    HELD = "held"  # an officer's or ours: approval or revocation data is awaited
    ACCEPTED = "accepted"  # nobody's: exactly one record holds it
    REJECTED = "rejected"  # the sender's: at least one finding says why


# An item is first written with its answer; only a held one moves on.
ITEM_LIFE: Final = Lifecycle(
    states=ItemState,
    initial=ItemState.HELD,
    moves={
        ItemState.HELD: frozenset({ItemState.ACCEPTED, ItemState.REJECTED}),
        ItemState.ACCEPTED: frozenset(),
        ItemState.REJECTED: frozenset(),
    },
)

# The kind of job that judges a package.
JUDGE_PACKAGE: Final = "judge_package"


def first_year(school_year: str) -> int:
    """Give the first year of a school year written ``2025-2026``."""
    return int(school_year[:4])


def school_year_of(year: int) -> str:
    """Write the school year that begins in a year."""
    return f"{year}-{year + 1}"
