"""What the service signs of a decision on a recall: into each record's history, to be verified offline."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.ids import hex32
from app.ingest.receipts import ISSUER, TYPE
from app.keys import KeyRing
from app.recalls.life import RecallState


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A decision as it is signed.

    Attributes:
        school_code: the school that the request was made for.
        decided_by: code of the deciding authority; ``policy`` where the school recalls by itself.
        reason: the requester's words; only their digest is signed, since a statement may be shown to anybody.
    """

    recall_id: UUID
    school_code: str
    reason_code: str
    reason: str
    decision: RecallState
    requested_at: datetime
    decided_at: datetime
    decided_by: str


def sign_statement(keys: KeyRing, statement: Statement, record_ids: Sequence[UUID], **claims: str) -> str:
    """Sign the decision over some of the request's records as a compact JWS (RFC 7515, ES256).

    One record stands in the claim ``record_id``, several in ``record_ids``.
    """
    if len(record_ids) == 1:
        subject: dict[str, object] = {"record_id": hex32(record_ids[0])}
    else:
        subject = {"record_ids": [hex32(record_id) for record_id in record_ids]}
    payload = {
        "iss": ISSUER,
        "kind": "recall",
        "recall_id": hex32(statement.recall_id),
        **subject,
        **claims,
        "school_code": statement.school_code,
        "reason_code": statement.reason_code,
        "reason_sha256": hashlib.sha256(statement.reason.encode()).hexdigest(),
        "decision": statement.decision,
        "requested_at": statement.requested_at.isoformat(),
        "decided_at": statement.decided_at.isoformat(),
        "decided_by": statement.decided_by,
    }
    return keys.sign(json.dumps(payload, separators=(",", ":")).encode(), kind=TYPE)
