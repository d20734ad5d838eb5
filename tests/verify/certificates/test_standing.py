from datetime import UTC, datetime, timedelta

import pytest

from app.formats.profile import SignerRole
from app.verify.certificates.standing import (
    CertificateEntry,
    CertificateEvent,
    CertificateState,
    Standing,
    standing_at,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
PENDING, APPROVED, REJECTED, SUSPENDED, REVOKED = CertificateState


def day(number: int) -> datetime:
    return START + timedelta(days=number)


def event(state: CertificateState, at: int, effective: int | None = None) -> CertificateEvent:
    return CertificateEvent(
        state=state, at=day(at), effective_at=None if effective is None else day(effective)
    )


def entry(*events: CertificateEvent) -> CertificateEntry:
    return CertificateEntry(
        fingerprint="ab" * 32,
        school_code="66THCS001",
        role=SignerRole.SCHOOL,
        not_before=START,
        not_after=END,
        events=events,
    )


@pytest.mark.parametrize(
    ("events", "moment", "standing"),
    [
        ((), 10, Standing.PENDING),
        ((event(PENDING, 5),), 10, Standing.PENDING),
        # Approval counts for the whole validity, also for what was signed before it.
        ((event(PENDING, 5), event(APPROVED, 20)), 10, Standing.APPROVED),
        ((event(PENDING, 5), event(APPROVED, 20)), 0, Standing.APPROVED),
        ((event(PENDING, 5), event(REJECTED, 20)), 10, Standing.REJECTED),
        ((event(PENDING, 5), event(REJECTED, 20)), 30, Standing.REJECTED),
        # Suspension is half open.
        ((event(APPROVED, 1), event(SUSPENDED, 10)), 9, Standing.APPROVED),
        ((event(APPROVED, 1), event(SUSPENDED, 10)), 10, Standing.SUSPENDED),
        ((event(APPROVED, 1), event(SUSPENDED, 10)), 300, Standing.SUSPENDED),
        ((event(APPROVED, 1), event(SUSPENDED, 10), event(APPROVED, 20)), 19, Standing.SUSPENDED),
        ((event(APPROVED, 1), event(SUSPENDED, 10), event(APPROVED, 20)), 20, Standing.APPROVED),
        (
            (event(APPROVED, 1), event(SUSPENDED, 10), event(APPROVED, 20), event(SUSPENDED, 30)),
            25,
            Standing.APPROVED,
        ),
        (
            (event(APPROVED, 1), event(SUSPENDED, 10), event(APPROVED, 20), event(SUSPENDED, 30)),
            31,
            Standing.SUSPENDED,
        ),
        ((event(APPROVED, 1), event(SUSPENDED, 10, 5)), 6, Standing.SUSPENDED),
        # Revocation counts from when it is effective, whenever it was decided.
        ((event(APPROVED, 1), event(REVOKED, 40)), 39, Standing.APPROVED),
        ((event(APPROVED, 1), event(REVOKED, 40)), 40, Standing.REVOKED),
        ((event(APPROVED, 1), event(REVOKED, 40, 15)), 15, Standing.REVOKED),
        ((event(APPROVED, 1), event(REVOKED, 40, 15)), 14, Standing.APPROVED),
        ((event(APPROVED, 1), event(REVOKED, 40, 60)), 50, Standing.APPROVED),
        ((event(APPROVED, 1), event(SUSPENDED, 10), event(REVOKED, 40)), 20, Standing.SUSPENDED),
        ((event(APPROVED, 1), event(SUSPENDED, 10), event(REVOKED, 40)), 41, Standing.REVOKED),
        ((event(APPROVED, 1), event(SUSPENDED, 10), event(REVOKED, 40, 5)), 7, Standing.REVOKED),
        ((event(APPROVED, 1), event(SUSPENDED, 10), event(REVOKED, 40, 60)), 50, Standing.SUSPENDED),
        # What the clock changes is computed.
        ((event(APPROVED, 1),), -1, Standing.NOT_YET_VALID),
        ((event(APPROVED, 1),), 365, Standing.APPROVED),
        ((event(APPROVED, 1),), 366, Standing.EXPIRED),
        ((), 366, Standing.EXPIRED),
    ],
)
def test_standing_is_read_from_the_history_at_the_moment(
    events: tuple[CertificateEvent, ...], moment: int, standing: Standing
) -> None:
    assert standing_at(entry(*events), day(moment)) is standing


def test_the_present_state_is_the_last_events() -> None:
    assert entry().state is PENDING
    assert entry(event(PENDING, 1), event(APPROVED, 2), event(SUSPENDED, 3)).state is SUSPENDED
