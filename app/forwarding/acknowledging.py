"""The ministry's acknowledgement of a forwarded snapshot (biên nhận bản chốt), signed and verified. Pure.

A compact JWS (ES256) of the type of all receipts. It states what the ministry recounted, not what it was
told; of the disputes it has the number and a digest, so that the list beside it cannot be another.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.forwarding.wire import WireError, read_signed
from app.ids import hex32
from app.ingest.receipts import ISSUER, TYPE
from app.keys import KeyRing
from app.snapshots.scopes import Scope

KIND: Final = "snapshot_acknowledgement"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What the ministry found.

    Attributes:
        size: lines recounted.
        root: over them.
        counts: by status, and how many late.
        held: transcripts of the snapshot that the ministry holds, verified.
        complete_at: when the province said, for the first time, that everything was sent.
    """

    snapshot_id: UUID
    round: int
    scope: Scope
    size: int
    root: bytes
    counts: Mapping[str, int]
    held: int
    disputes: int
    disputes_sha256: str
    opened_at: datetime
    complete_at: datetime
    answered_at: datetime

    def claims(self) -> dict[str, Any]:
        """Give what is signed."""
        return {
            "iss": ISSUER,
            "kind": KIND,
            "snapshot_id": hex32(self.snapshot_id),
            "round": self.round,
            "province": self.scope.province,
            "school_year": f"{self.scope.school_year}-{self.scope.school_year + 1}",
            "snapshot_kind": self.scope.kind,
            "size": self.size,
            "root": self.root.hex(),
            "counts": dict(self.counts),
            "held": self.held,
            "disputes": self.disputes,
            "disputes_sha256": self.disputes_sha256,
            "outcome": "disputed" if self.disputes else "acknowledged",
            "opened_at": self.opened_at.isoformat(),
            "received_at": self.complete_at.isoformat(),
            "answered_at": self.answered_at.isoformat(),
        }


def sign_acknowledgement(keys: KeyRing, claims: Mapping[str, Any]) -> str:
    """Sign an acknowledgement's claims."""
    return keys.sign(json.dumps(claims, separators=(",", ":")).encode(), kind=TYPE)


def read_acknowledgement(token: str, keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Verify an acknowledgement against the ministry's keys; WireError where it is none of theirs."""
    claims = read_signed(token, keys, TYPE)
    if claims.get("kind") != KIND:
        raise WireError("kind")
    return claims
