"""The lives of extensions (gia hạn) and exemptions (miễn trừ); what the clock ends is computed."""

from enum import StrEnum
from typing import Final

from app.lifecycle import Lifecycle


class ExtensionState(StrEnum):
    """What was decided on an extension; that it has lapsed is no state."""

    REQUESTED = "requested"  # a second officer of the department decides
    APPROVED = "approved"  # nobody's move: it lapses by itself
    DECLINED = "declined"  # nobody's move: asked for anew, it is a new one


class ExemptionState(StrEnum):
    """Whether an entry of the paper register stands."""

    REGISTERED = "registered"  # the department may withdraw it
    WITHDRAWN = "withdrawn"  # nobody's move


EXTENSION_LIFE: Final = Lifecycle(
    states=ExtensionState,
    initial=ExtensionState.REQUESTED,
    moves={
        ExtensionState.REQUESTED: frozenset({ExtensionState.APPROVED, ExtensionState.DECLINED}),
        ExtensionState.APPROVED: frozenset(),
        ExtensionState.DECLINED: frozenset(),
    },
)

EXEMPTION_LIFE: Final = Lifecycle(
    states=ExemptionState,
    initial=ExemptionState.REGISTERED,
    moves={
        ExemptionState.REGISTERED: frozenset({ExemptionState.WITHDRAWN}),
        ExemptionState.WITHDRAWN: frozenset(),
    },
)
