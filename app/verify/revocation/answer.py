"""What is known of a certificate's revocation (thu hồi chứng thư số), and what it means for a signing time.

An answer speaks of a certificate, not of a signature: the same list answers for whatever the key ever signed.
What it means as of a signing time is said by ``status_at``. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509


class RevocationStatus(StrEnum):
    """What is known."""

    GOOD = "good"
    REVOKED = "revoked"
    ON_HOLD = "on_hold"  # certificateHold: the authority has not decided yet
    UNKNOWN = "unknown"  # nothing is known, or nothing that covers the signing time


class EvidenceKind(StrEnum):
    """Who said it."""

    CRL = "crl"
    OCSP = "ocsp"


# The reasons that say the key was in wrong hands: then the date of invalidity counts, before the list's own.
_COMPROMISES: Final = frozenset(
    {
        x509.ReasonFlags.key_compromise,
        x509.ReasonFlags.ca_compromise,
        x509.ReasonFlags.aa_compromise,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The signed statement that an answer was read from.

    Attributes:
        sha256: digest of its DER, 64 hex digits.
        number: of a list that has one (RFC 5280, 5.2.3).
        produced_at: its thisUpdate, aware.
        next_update: when a newer one was promised, aware.
    """

    kind: EvidenceKind
    sha256: str
    number: int | None
    produced_at: datetime
    next_update: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationAnswer:
    """What is known of one certificate.

    Attributes:
        evidence: None exactly where nothing is known.
        revoked_at: when the authority revoked it, or put it on hold.
        invalid_since: from when the key was not to be relied on, where the authority says (invalidityDate).
        reason: in the words of RFC 5280, 5.3.1.
    """

    status: RevocationStatus
    evidence: Evidence | None = None
    revoked_at: datetime | None = None
    invalid_since: datetime | None = None
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified

    @property
    def holds_from(self) -> datetime | None:
        """The moment from which signing times are touched; None where none are.

        A key that was in wrong hands is not relied on from the date of invalidity on (RFC 5280, 5.3.2); any
        other revocation counts from the moment the authority made it.
        """
        if self.revoked_at is None or self.invalid_since is None or self.reason not in _COMPROMISES:
            return self.revoked_at
        return min(self.revoked_at, self.invalid_since)

    def status_at(self, moment: datetime) -> RevocationStatus:
        """Say what holds for a signature made at a moment (aware), by all that is known now.

        A revocation or a hold touches what was signed from its beginning on, never what was signed before:
        the list that names it is then as good a witness as one that does not. A statement that was to be
        renewed before the moment does not cover it.
        """
        if self.evidence is None:
            return RevocationStatus.UNKNOWN
        if self.holds_from is not None:
            return self.status if moment >= self.holds_from else RevocationStatus.GOOD
        if self.status is RevocationStatus.GOOD and moment >= self.evidence.next_update:
            return RevocationStatus.UNKNOWN
        return self.status

    def facts(self, certificate: x509.Certificate, at: datetime) -> dict[str, str]:
        """Give what the texts about a certificate's revocation need; never whose certificate it is."""
        return {
            "at": at.isoformat(),
            "issuer": certificate.issuer.rfc4514_string(),
            "since": self.holds_from.isoformat() if self.holds_from else "-",
            "reason": self.reason.value,
            "source": self.evidence.kind.value if self.evidence else "-",
        }


NOTHING_KNOWN: Final = RevocationAnswer(status=RevocationStatus.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consulted:
    """What one certificate of a path was judged by, as it is stored beside the signature."""

    fingerprint: str
    status: RevocationStatus
    evidence: Evidence | None

    @property
    def stored(self) -> Mapping[str, str | int | None]:
        """The form in which it is kept: digests, numbers and moments, no person's name."""
        row: dict[str, str | int | None] = {"certificate": self.fingerprint, "status": self.status}
        if self.evidence is not None:
            row |= {
                "source": self.evidence.kind,
                "sha256": self.evidence.sha256,
                "number": None if self.evidence.number is None else f"{self.evidence.number:x}",
                "produced_at": self.evidence.produced_at.isoformat(),
                "next_update": self.evidence.next_update.isoformat(),
            }
        return row
