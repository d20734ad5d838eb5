"""The life of a transfer between schools, and whose move it is. Pure."""

from collections.abc import Collection
from enum import StrEnum
from typing import Final

from app.lifecycle import Lifecycle
from app.policies.policy_set import PolicyKey, PolicySet


class TransferState(StrEnum):
    """How far a transfer has come; custody moves with acceptance, at no other moment."""

    RELEASED = "released"  # the old school's authority consents where it must; else the new school answers
    CONSENTED = "consented"  # the new school, or its authority, answers
    ACCEPTED = "accepted"  # nobody's move: the new school manages the records
    DECLINED = "declined"  # nobody's move: the old school goes on managing them
    WITHDRAWN = "withdrawn"  # nobody's move


TRANSFER_LIFECYCLE: Final = Lifecycle(
    states=TransferState,
    initial=TransferState.RELEASED,
    moves={
        TransferState.RELEASED: frozenset(
            {
                TransferState.CONSENTED,
                TransferState.ACCEPTED,
                TransferState.DECLINED,
                TransferState.WITHDRAWN,
            }
        ),
        TransferState.CONSENTED: frozenset(
            {TransferState.ACCEPTED, TransferState.DECLINED, TransferState.WITHDRAWN}
        ),
        TransferState.ACCEPTED: frozenset(),
        TransferState.DECLINED: frozenset(),
        TransferState.WITHDRAWN: frozenset(),
    },
)


class Action(StrEnum):
    """What may be done with a transfer that is open."""

    CONSENT = "consent"
    ACCEPT = "accept"
    DECLINE = "decline"
    WITHDRAW = "withdraw"


TARGETS: Final = {
    Action.CONSENT: TransferState.CONSENTED,
    Action.ACCEPT: TransferState.ACCEPTED,
    Action.DECLINE: TransferState.DECLINED,
    Action.WITHDRAW: TransferState.WITHDRAWN,
}


def objection(action: Action, state: TransferState, *, needs_consent: bool) -> str | None:
    """Say why a transfer does not allow an action now: QH-066 its state, QH-083 the consent is missing."""
    if not TRANSFER_LIFECYCLE.may_become(state, TARGETS[action]):
        return "QH-066"
    if action is Action.CONSENT:
        return None if needs_consent else "QH-066"
    if action is Action.ACCEPT and needs_consent and state is TransferState.RELEASED:
        return "QH-083"
    return None


def needs_consent(policies: PolicySet, *, province: str | None, places: Collection[tuple[str, int]]) -> bool:
    """Say whether the old school's authority must consent: where any of the records' levels asks for it.

    Args:
        policies: in force at the release.
        province: of the old school.
        places: level and school year of each record.
    """
    return any(
        bool(
            policies.value(
                PolicyKey.TRANSFER_AUTHORITY_STEP, province=province, level=level, school_year=school_year
            )
        )
        for level, school_year in places
    )
