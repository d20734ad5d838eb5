"""What the service signs: that it holds a package's bytes, that it recorded or refused a transcript.

Each is a compact JWS (RFC 7515, ES256) that verifies offline against ``/.well-known/jwks.json``. A refusal is
signed too: it proves what was sent, when, and why it was not taken.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from app.ids import hex32
from app.keys import KeyRing

ISSUER: Final = "hocba"
TYPE: Final = "hocba-receipt"


class ReceiptKind(StrEnum):
    """What a receipt says."""

    ACKNOWLEDGEMENT = "acknowledgement"  # we hold these bytes since then; promises nothing more
    ACCEPTANCE = "acceptance"
    REFUSAL = "refusal"


def acknowledge(
    keys: KeyRing, *, package_id: UUID, school_code: str, sha256: bytes, size: int, received_at: datetime
) -> str:
    """Sign that the package's bytes (the gzip, not its base64 form) are held since ``received_at``."""
    return _seal(
        keys,
        kind=ReceiptKind.ACKNOWLEDGEMENT,
        package_id=hex32(package_id),
        school_code=school_code,
        sha256=sha256.hex(),
        size=size,
        received_at=received_at.isoformat(),
    )


def answer(
    keys: KeyRing,
    *,
    kind: ReceiptKind,
    package_id: UUID,
    position: int,
    school_code: str,
    record_id: UUID | None,
    content_sha256: bytes | None,
    xml_sha256: bytes | None,
    received_at: datetime,
    judged_at: datetime,
    codes: Sequence[str],
    is_late: bool,
) -> str:
    """Sign the answer for one item: its ids, its digests, when it came, what was found.

    ``content_sha256`` is of the signed content in exclusive canonical form, ``xml_sha256`` of the stored
    bytes. ``late`` says of an accepted one that it missed its cut-off.
    """
    return _seal(
        keys,
        kind=kind,
        package_id=hex32(package_id),
        position=position,
        school_code=school_code,
        record_id=None if record_id is None else hex32(record_id),
        content_sha256=None if content_sha256 is None else content_sha256.hex(),
        xml_sha256=None if xml_sha256 is None else xml_sha256.hex(),
        received_at=received_at.isoformat(),
        judged_at=judged_at.isoformat(),
        outcome="accepted" if kind is ReceiptKind.ACCEPTANCE else "rejected",
        codes=list(codes),
        late=is_late,
    )


def _seal(keys: KeyRing, *, kind: ReceiptKind, **claims: object) -> str:
    payload = {"iss": ISSUER, "kind": kind, **claims}
    return keys.sign(json.dumps(payload, separators=(",", ":")).encode(), kind=TYPE)
