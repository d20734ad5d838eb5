"""An independent judge of sealed snapshots: RFC 9162 and RFC 7515 from their text, nothing of the product's.

The tree is computed by the recursion of RFC 9162, section 2.1.1, proofs are walked by its section 2.1.3.2, a
signature is ES256 over the compact form's first two parts.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


def tree_hash(entries: Sequence[bytes]) -> bytes:
    """MTH(D[n]) of RFC 9162, section 2.1.1."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + tree_hash(entries[:k]) + tree_hash(entries[k:])).digest()


def leads_to(root: bytes, entry: bytes, *, index: int, size: int, path: Sequence[bytes]) -> bool:
    """The algorithm of RFC 9162, section 2.1.3.2, with its own names."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, hashlib.sha256(b"\x00" + entry).digest()
    for p in path:
        if sn == 0:
            return False
        if fn % 2 == 1 or fn == sn:
            r = hashlib.sha256(b"\x01" + p + r).digest()
            while fn % 2 == 0 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = hashlib.sha256(b"\x01" + r + p).digest()
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def signed_claims(token: str, jwks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The claims of a compact JWS that one of the keys signed; raises InvalidSignature otherwise."""
    head, body, signature = token.split(".")
    wanted = json.loads(_decoded(head))["kid"]
    jwk = next(key for key in jwks if key["kid"] == wanted)
    x, y = (int.from_bytes(_decoded(jwk[name])) for name in "xy")
    raw = _decoded(signature)
    rs = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    key = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
    key.verify(rs, f"{head}.{body}".encode(), ECDSA(SHA256()))
    claims: dict[str, Any] = json.loads(_decoded(body))
    return claims


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def expected_places(codes: list[UUID], record_id: UUID) -> tuple[str, list[int]]:
    """Where a proof has to show lines: the code's own, or the neighbours between which it would stand."""
    if record_id in codes:
        return "inclusion", [codes.index(record_id)]
    above = sum(code < record_id for code in codes)
    return "absence", [place for place in (above - 1, above) if 0 <= place < len(codes)]


def counts_of(lines: list[bytes]) -> bytes:
    """The counts by school, over which the statement's digest goes, read off the lines."""
    read = [json.loads(line) for line in lines]
    counts = b""
    for code in sorted({line["school_code"] for line in read}):
        own = [line for line in read if line["school_code"] == code]
        members = {"school_code": code, "total": len(own), "late": sum(line["late"] for line in own)}
        for status in ("issued", "in_force", "recalled", "replaced"):
            members[status] = sum(line["status"] == status for line in own)
        counts += json.dumps(members, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    return counts
