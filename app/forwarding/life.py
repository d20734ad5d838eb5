"""The two lives of a forwarded snapshot: at the province that sends it, at the ministry that takes it. Pure.

A round is one whole attempt. What the ministry disputes, and what it refuses to open, ends a round; an
officer of the province begins the next one when the cause is removed.
"""

from enum import StrEnum
from typing import Final

from app.lifecycle import Lifecycle
from app.snapshots.scopes import SnapshotKind

# What a department owes the ministry; the schools' own lock stays at home.
FORWARDED_KINDS: Final = (SnapshotKind.UPSTREAM_CONFIRMED, SnapshotKind.UPSTREAM_FINAL)


class ForwardingState(StrEnum):
    """How far a province has come with forwarding a snapshot."""

    PENDING = "pending"  # asked for; the worker takes it up
    SENDING = "sending"  # the worker's move, as often as it takes
    ACKNOWLEDGED = "acknowledged"  # the ministry holds it all and disputes nothing
    DISPUTED = "disputed"  # the ministry answered, with disputes; the province's move
    REFUSED = "refused"  # the ministry does not open it; the operators' move


FORWARDING_LIFE: Final = Lifecycle(
    states=ForwardingState,
    initial=ForwardingState.PENDING,
    moves={
        ForwardingState.PENDING: frozenset({ForwardingState.SENDING}),
        ForwardingState.SENDING: frozenset(
            {ForwardingState.ACKNOWLEDGED, ForwardingState.DISPUTED, ForwardingState.REFUSED}
        ),
        ForwardingState.ACKNOWLEDGED: frozenset(),
        ForwardingState.DISPUTED: frozenset({ForwardingState.PENDING}),
        ForwardingState.REFUSED: frozenset({ForwardingState.PENDING}),
    },
)


class ArrivalState(StrEnum):
    """How far the ministry has come with a snapshot that arrives."""

    RECEIVING = "receiving"  # the province's move: parts are missing, or it has not said that it is done
    CLOSING = "closing"  # the worker's move: manifest and root are computed anew
    ACKNOWLEDGED = "acknowledged"  # everything stands as the province stated
    DISPUTED = "disputed"  # answered, with disputes; a new round may be opened


ARRIVAL_LIFE: Final = Lifecycle(
    states=ArrivalState,
    initial=ArrivalState.RECEIVING,
    moves={
        ArrivalState.RECEIVING: frozenset({ArrivalState.CLOSING}),
        ArrivalState.CLOSING: frozenset({ArrivalState.ACKNOWLEDGED, ArrivalState.DISPUTED}),
        ArrivalState.ACKNOWLEDGED: frozenset(),
        ArrivalState.DISPUTED: frozenset({ArrivalState.RECEIVING}),
    },
)
