"""How an expected transcript stands: the causes that a report tells apart; pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Cause(StrEnum):
    """Why a pupil's transcript is not there; of several, the first that holds."""

    HELD = "held"  # judged, waiting for a certificate's approval or revocation data
    RECALLED = "recalled"  # it stood, was recalled, and nothing has taken its place
    REJECTED = "rejected"  # everything that came was refused
    NOT_SENT = "not_sent"  # nothing came


class ClassTally(NamedTuple):
    """One class of one school as the roll and the ledger have it; each pupil is counted once.

    A tuple, because a province has tens of thousands and they are kept and read as lists of numbers.

    Attributes:
        expected: pupils on the roll who have not moved out.
        moved_in: of those, how many came during the year.
        moved_out: pupils who left: expected elsewhere.
        confirmed_on_time: pupils with a standing record, completion confirmed, received before the cut-off;
            beside it the unconfirmed ones, and both again for late ones.
        held: pupils without a standing record, by cause; ``not_sent`` can only be said of pupils on the roll.
        unlisted: of those with a standing record, how many are not on the roll; beside it the late ones.
        unreadable: refused transcripts whose pupil could not be told.
    """

    grade: int
    class_name: str
    expected: int = 0
    moved_in: int = 0
    moved_out: int = 0
    confirmed_on_time: int = 0
    unconfirmed_on_time: int = 0
    confirmed_late: int = 0
    unconfirmed_late: int = 0
    held: int = 0
    recalled: int = 0
    rejected: int = 0
    not_sent: int = 0
    unlisted: int = 0
    unlisted_late: int = 0
    unreadable: int = 0

    @property
    def accepted(self) -> int:
        """Pupils with a standing record."""
        return self.confirmed_on_time + self.unconfirmed_on_time + self.confirmed_late + self.unconfirmed_late

    @property
    def late(self) -> int:
        """Of those, the ones whose record came after its cut-off."""
        return self.confirmed_late + self.unconfirmed_late

    @property
    def kept(self) -> int:
        """Pupils on the roll whose record came in time."""
        return (self.accepted - self.late) - (self.unlisted - self.unlisted_late)


def add_up(tallies: Iterable[ClassTally]) -> ClassTally:
    """Add classes together; what comes of it names no class any more. There has to be one at least."""
    _, _, *numbers = zip(*tallies, strict=True)
    return ClassTally(0, "", *map(sum, numbers))
