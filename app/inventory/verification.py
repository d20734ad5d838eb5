"""What one stored thing has to say for itself: bytes, digests, signatures. Pure, and off the event loop."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol
from lxml import etree

from app.formats.parser import parse_secure
from app.formats.registry import profile_for
from app.ids import hex32
from app.inventory.flaws import Flaw, FlawKind
from app.keys import ALGORITHM
from app.records import RecordView, SignatureView
from app.verify.canonical import EXCLUSIVE_FORM, CanonicalOctets
from app.verify.policy import ACCEPTANCE
from app.verify.signature import check_signatures
from app.verify.verdict import Indication


class PublicKeys:
    """The keys that this service has signed with, by id."""

    def __init__(self, jwks: Sequence[Mapping[str, Any]]) -> None:
        self._keys = {str(jwk["kid"]): ECKey.import_key(dict(jwk)) for jwk in jwks}

    def claims(self, token: str, kind: str) -> Mapping[str, Any] | None:
        """Give what a compact JWS of a type states; None where none of these keys has signed it as that."""
        try:
            signed = jws.deserialize_compact(token, self._key_of, algorithms=[ALGORITHM])
            claims = json.loads(signed.payload)
        except (JoseError, ValueError, KeyError):
            return None
        return claims if signed.headers().get("typ") == kind and isinstance(claims, dict) else None

    def _key_of(self, guest: GuestProtocol) -> ECKey:
        return self._keys[str(guest.headers().get("kid"))]


def package_flaws(package_id: UUID, payload: bytes, sha256: bytes) -> Sequence[Flaw]:
    """Hold a package's bytes against the digest that was signed for."""
    if hashlib.sha256(payload).digest() == sha256:
        return ()
    return (Flaw(kind=FlawKind.PACKAGE_BYTES, subject=hex32(package_id)),)


def record_flaws(view: RecordView, xml: bytes, judged: Sequence[SignatureView]) -> Sequence[Flaw]:
    """Verify a record again: its signed content, and every signature by the document alone.

    Its bytes are those of its digest, or they could not have been read.
    Whether a signer was trusted then is a judgement of its day, kept beside the record; mathematics is not.
    """

    def flaw(kind: FlawKind) -> Sequence[Flaw]:
        return (Flaw(kind=kind, subject=hex32(view.record_id)),)

    profile = profile_for(view.format_version)
    if profile is None:
        return flaw(FlawKind.RECORD_CONTENT)
    try:
        layout = profile.layout(parse_secure(xml))
    except (etree.XMLSyntaxError, ValueError):
        return flaw(FlawKind.RECORD_CONTENT)
    octets = CanonicalOctets(ACCEPTANCE.limits.canonical_bytes)
    if octets.digest(layout.content, EXCLUSIVE_FORM, "sha256") != view.content_sha256:
        return flaw(FlawKind.RECORD_CONTENT)
    checks = check_signatures(layout, ACCEPTANCE, octets=octets, source=xml)
    passed = {
        (check.position, str(check.role), check.fingerprint, check.signing_time)
        for check in checks
        if check.indication is Indication.PASSED
    }
    wanted = {
        (signature.position, signature.role, signature.fingerprint, signature.signed_at)
        for signature in judged
        if signature.indication == Indication.PASSED
    }
    if not wanted or not wanted <= passed or len(judged) != len(checks):
        return flaw(FlawKind.RECORD_SIGNATURE)
    return ()
