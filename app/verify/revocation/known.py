"""Everything that is known of revocation at a moment, and how much of it a policy asks for. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from cryptography import x509

from app.verify.chain import fingerprint_of
from app.verify.revocation.answer import NOTHING_KNOWN, RevocationAnswer, RevocationStatus
from app.verify.revocation.crl import RevocationList


class RevocationChecking(StrEnum):
    """The policy ``revocation_checking``."""

    REQUIRE = "require"  # what nothing is known of is held
    PREFER = "prefer"  # a known revocation refuses, missing data does not
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownRevocations:
    """The lists and answers in hand; each was checked when it came in.

    Attributes:
        version: rises with everything that comes in.
        lists: by the issuer's name, the newest of each of its keys and of each scope.
        responses: by the fingerprint of the certificate, the newest of each kind.
    """

    version: tuple[int, int] = (0, 0)
    lists: Mapping[x509.Name, Sequence[RevocationList]] = field(default_factory=dict)
    responses: Mapping[str, Sequence[RevocationAnswer]] = field(default_factory=dict)

    def answer(self, certificate: x509.Certificate) -> RevocationAnswer:
        """Give what is known of a certificate whose path was found.

        An authority that changed its key signs the lists for older certificates with the new one: what
        counts is its name, and that one of its keys on the trust list has signed (RFC 5280, 6.3.3 (f)). A
        revocation is for good, whoever tells of it; else the newest statement counts.
        """
        told = [found.answer(certificate) for found in self.lists.get(certificate.issuer, ())]
        told += self.responses.get(fingerprint_of(certificate), ())
        known = [answer for answer in told if answer.status is not RevocationStatus.UNKNOWN]
        return max(known, key=_weight, default=NOTHING_KNOWN)


_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def _weight(answer: RevocationAnswer) -> tuple[bool, datetime]:
    produced = answer.evidence.produced_at if answer.evidence else _LONG_AGO
    return answer.status is RevocationStatus.REVOKED, produced


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationBar:
    """By what a signature's path is measured: how much is asked for, and what is known."""

    checking: RevocationChecking
    known: KnownRevocations


NOT_CHECKED: Final = RevocationBar(checking=RevocationChecking.OFF, known=KnownRevocations())
