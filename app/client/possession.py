"""Proof that whoever registers a certificate holds its private key (chứng minh sở hữu khóa).

The service gives a nonce; the sender signs ``hocba-possession:`` followed by the nonce, as ASCII, with the
certificate's key. The prefix keeps the signature from ever passing as one over something else.
"""

import base64
from typing import Any, Final

from app.client.keys import PrivateKey, prove

PREFIX: Final = "hocba-possession:"


def possession_proof(key: PrivateKey, *, challenge_id: str, nonce: str) -> dict[str, Any]:
    """Give the ``proof`` member of ``POST /api/v1/certificates``.

    RS256 for RSA keys; ES256, ES384, ES512 for ECDSA ones, as r and s side by side (RFC 7518, 3.4).
    """
    proof = prove(key, f"{PREFIX}{nonce}".encode("ascii"))
    return {
        "challenge_id": challenge_id,
        "signature": base64.b64encode(proof.signature).decode(),
        "algorithm": proof.algorithm,
    }
