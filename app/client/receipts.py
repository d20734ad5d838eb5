"""Verify acknowledgements and receipts (biên nhận) offline, and hold them against the files they speak of.

Each is a compact JWS (RFC 7515, ES256) of the service. All that is needed is the service's JWKS, which a
sender does well to keep beside its receipts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from lxml import etree

from app.client.errors import ProofError
from app.client.packaging import NAMESPACE, open_package, parse

ALGORITHM: Final = "ES256"
# The service signs access tokens with the same keys: the type keeps one from passing as the other.
RECEIPT_TYPE: Final = "hocba-receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the service signed: its claims, and the id of the key."""

    claims: Mapping[str, Any]
    key_id: str

    @property
    def kind(self) -> str:
        """What it is: ``acknowledgement``, ``acceptance`` or ``refusal``."""
        return str(self.claims.get("kind", ""))


def read_receipt(token: str, jwks: Mapping[str, Any]) -> Receipt:
    """Verify a receipt's signature against a JWKS and give its claims.

    Raises:
        ProofError: it is no compact JWS, of another type or algorithm, of a key the JWKS does not hold, or
            its signature does not hold.
    """
    try:
        keys = KeySet.import_key_set({"keys": list(jwks["keys"])})
        signed = jws.deserialize_compact(token.strip(), keys, algorithms=[ALGORITHM])
        header, claims = signed.headers(), json.loads(signed.payload)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise ProofError(
            "Biên nhận không có chữ ký hợp lệ của dịch vụ (ES256, khóa trong JWKS).",
            "The receipt carries no valid signature of the service (ES256, a key of the JWKS).",
        ) from error
    if header.get("typ") != RECEIPT_TYPE or not isinstance(claims, dict):
        raise ProofError(
            f"Đây không phải biên nhận: kiểu JWS phải là {RECEIPT_TYPE}.",
            f"This is no receipt: the JWS type must be {RECEIPT_TYPE}.",
        )
    return Receipt(claims=claims, key_id=str(header.get("kid", "")))


def check_package(receipt: Receipt, material: bytes) -> None:
    """Hold an acknowledgement against the package file it was given for, in any of its forms.

    Raises:
        ProofError: it speaks of other bytes, or of no package.
    """
    _compare(receipt, "sha256", open_package(material).digest)


def check_transcript(receipt: Receipt, material: bytes) -> None:
    """Hold a receipt against one transcript's XML, as it was sent or as the service gives it back.

    The digest is that of the signed content in exclusive canonical form, so it does not depend on how the
    file around the content is written.

    Raises:
        ProofError: it speaks of another content, or of no transcript.
    """
    content = parse(material).find(f"{{{NAMESPACE}}}NoiDung")
    if content is None:
        raise ProofError("Tệp không phải một HocBa.", "The file is no single HocBa.")
    canonical = etree.tostring(content, method="c14n", exclusive=True, with_comments=False)
    _compare(receipt, "content_sha256", sha256(canonical).hexdigest())


def _compare(receipt: Receipt, claim: str, digest: str) -> None:
    stated = receipt.claims.get(claim)
    if stated is None:
        raise ProofError(
            f"Biên nhận loại {receipt.kind} không nói về tệp này (không có {claim}).",
            f"A receipt of kind {receipt.kind} does not speak of this file (no {claim}).",
        )
    if stated != digest:
        raise ProofError(
            f"Biên nhận nói về nội dung khác: ghi {stated}, tệp này là {digest}.",
            f"The receipt speaks of other content: it states {stated}, this file is {digest}.",
        )
