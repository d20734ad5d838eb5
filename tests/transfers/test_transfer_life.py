"""The rules of transfers: every pair of states, and what each state and policy allows."""

from datetime import UTC, datetime
from itertools import product
from uuid import uuid4

import pytest

from app.lifecycle import IllegalTransition
from app.policies.policy_set import PolicyChoice, PolicyKey, PolicySet
from app.transfers.life import TRANSFER_LIFECYCLE, Action, TransferState, needs_consent, objection
from app.transfers.tables import OPEN_STATES

R, C, A, D, W = TransferState
LEGAL_MOVES = {(R, C), (R, A), (R, D), (R, W), (C, A), (C, D), (C, W)}


@pytest.mark.parametrize(("source", "target"), list(product(TransferState, repeat=2)))
def test_a_transfer_moves_only_along_its_table(source: TransferState, target: TransferState) -> None:
    if (source, target) in LEGAL_MOVES:
        TRANSFER_LIFECYCLE.check(source, target)
    else:
        with pytest.raises(IllegalTransition):
            TRANSFER_LIFECYCLE.check(source, target)


def test_what_is_open_is_what_can_still_move() -> None:
    assert set(OPEN_STATES) == set(TransferState) - TRANSFER_LIFECYCLE.terminal


@pytest.mark.parametrize(
    ("action", "state", "consent", "code"),
    [
        (Action.ACCEPT, R, False, None),
        (Action.ACCEPT, R, True, "QH-083"),
        (Action.ACCEPT, C, True, None),
        (Action.ACCEPT, A, False, "QH-066"),
        (Action.CONSENT, R, True, None),
        (Action.CONSENT, R, False, "QH-066"),
        (Action.CONSENT, C, True, "QH-066"),
        (Action.DECLINE, R, True, None),
        (Action.DECLINE, C, True, None),
        (Action.DECLINE, D, False, "QH-066"),
        (Action.WITHDRAW, C, True, None),
        (Action.WITHDRAW, A, True, "QH-066"),
    ],
)
def test_a_state_allows_what_comes_next(
    action: Action, state: TransferState, *, consent: bool, code: str | None
) -> None:
    assert objection(action, state, needs_consent=consent) == code


def test_one_level_that_asks_for_consent_is_enough() -> None:
    policies = PolicySet(
        choices=(
            PolicyChoice(
                id=uuid4(),
                key=PolicyKey.TRANSFER_AUTHORITY_STEP,
                province="66",
                level="03",
                school_year=None,
                value=True,
                valid_from=datetime(2026, 1, 1, tzinfo=UTC),
            ),
        )
    )
    assert needs_consent(policies, province="66", places={("02", 2023), ("03", 2025)})
    assert not needs_consent(policies, province="66", places={("02", 2025)})
    assert not needs_consent(policies, province="37", places={("03", 2025)})
