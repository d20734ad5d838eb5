"""The standing of a registered certificate (chứng thư số đã đăng ký) at a moment, from its history.

A signature is judged as of its signing time, never by the state that happens to be current: what was signed
while the key could be relied on must still be explainable years later.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.formats.profile import SignerRole
from app.lifecycle import Lifecycle


class CertificateState(StrEnum):
    """What was decided on a registered certificate; what the clock changes is computed."""

    PENDING = "pending"  # the managing authority decides
    APPROVED = "approved"  # the authority may suspend or revoke it
    REJECTED = "rejected"  # nobody's move: registered anew, it is a new entry
    SUSPENDED = "suspended"  # the authority reinstates or revokes it
    REVOKED = "revoked"  # nobody's move


CERTIFICATE_LIFECYCLE: Final = Lifecycle(
    states=CertificateState,
    initial=CertificateState.PENDING,
    moves={
        CertificateState.PENDING: frozenset({CertificateState.APPROVED, CertificateState.REJECTED}),
        CertificateState.APPROVED: frozenset({CertificateState.SUSPENDED, CertificateState.REVOKED}),
        CertificateState.SUSPENDED: frozenset({CertificateState.APPROVED, CertificateState.REVOKED}),
        CertificateState.REJECTED: frozenset(),
        CertificateState.REVOKED: frozenset(),
    },
)


class Standing(StrEnum):
    """Whether a certificate could sign for its school at a moment."""

    APPROVED = "approved"
    PENDING = "pending"
    REJECTED = "rejected"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEvent:
    """One move in a certificate's life.

    Attributes:
        state: what it became.
        at: when that was decided, aware.
        effective_at: from when it holds, where that differs; a key may have been lost before it was told.
        reason: why, in words or as an RFC 5280 reason code.
    """

    state: CertificateState
    at: datetime
    effective_at: datetime | None = None
    reason: str | None = None

    @property
    def holds_from(self) -> datetime:
        """The moment from which signing times are touched."""
        return self.at if self.effective_at is None else self.effective_at


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEntry:
    """A certificate as one school has registered it for one role.

    Attributes:
        fingerprint: SHA-256 of the DER, 64 lower-case hex digits.
        school_code: the school that registered it.
        role: what it may sign as.
        not_before: start of validity, aware.
        not_after: end of validity (inclusive, RFC 5280, 4.1.2.5), aware.
        events: its history, oldest first.
    """

    fingerprint: str
    school_code: str
    role: SignerRole
    not_before: datetime
    not_after: datetime
    events: tuple[CertificateEvent, ...]

    @property
    def state(self) -> CertificateState:
        """The state after the whole history."""
        return self.events[-1].state if self.events else CERTIFICATE_LIFECYCLE.initial


def standing_at(entry: CertificateEntry, moment: datetime) -> Standing:
    """Say whether this certificate could sign for its school at that moment, by all that is known now.

    Approval (phê duyệt) says that the key belongs to the school. That was as true before the officer came
    to decide, so it counts for the certificate's whole validity: a signature made while registration was
    pending is held, and settles when the decision comes. Suspension (tạm dừng) bars the signing times from
    its beginning up to, not including, the reinstatement. Revocation (thu hồi) bars all from its
    effective_at on, which may lie before the day it was decided (RFC 5280, 5.3.2 invalidityDate); times
    before it stay good.

    Args:
        entry: the certificate with its history.
        moment: the signing time, aware.
    """
    if moment < entry.not_before:
        return Standing.NOT_YET_VALID
    if moment > entry.not_after:
        return Standing.EXPIRED
    states = {event.state for event in entry.events}
    if CertificateState.REJECTED in states:
        return Standing.REJECTED
    if CertificateState.APPROVED not in states:
        return Standing.PENDING
    if any(e.state is CertificateState.REVOKED and e.holds_from <= moment for e in entry.events):
        return Standing.REVOKED
    return Standing.SUSPENDED if _is_suspended(entry, moment) else Standing.APPROVED


def _is_suspended(entry: CertificateEntry, moment: datetime) -> bool:
    """Each suspension ends with the next event after it, whatever that is; revocation has been looked at."""
    following = (*entry.events[1:], None)
    for event, end in zip(entry.events, following, strict=True):
        if event.state is not CertificateState.SUSPENDED or moment < event.holds_from:
            continue
        if end is None or end.state is CertificateState.REVOKED or moment < end.holds_from:
            return True
    return False
