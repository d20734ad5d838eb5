"""Access tokens of this service: short-lived JWTs (RFC 9068) under its own key; they name, never grant.

What a caller may do is read from the database at every request, so disabling takes effect at once.
"""

import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, GuestProtocol

from app.errors import DomainError
from app.ids import parse_uuid
from app.keys import ALGORITHM, KeyRing

AUDIENCE: Final = "hocba-api"
# Receipts are signed by the same keys: the type keeps one from ever passing as the other.
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105 - a media type, no secret
# Several machines issue and read tokens, and no two clocks are equal (RFC 8725, 3.10; RFC 7519, 4.1.5).
CLOCK_SKEW: Final = timedelta(seconds=30)


class TokenKind(StrEnum):
    """Whom a token names."""

    CLIENT = "client"
    OFFICER = "officer"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSubject:
    """The row that a valid token names, and when the token was issued (seconds of the epoch)."""

    kind: TokenKind
    id: UUID
    issued_at: float = field(default=0, compare=False)


def issue_token(
    ring: KeyRing, subject: TokenSubject, *, issuer: str, now: datetime, lifetime: timedelta
) -> str:
    """Give a token for a client or an officer, valid from now for ``lifetime``."""
    claims = {
        "iss": issuer,
        "aud": AUDIENCE,
        "sub": subject.id.hex,
        # With its fraction (RFC 7519, 2: NumericDate), so that a password's change divides a second too.
        "iat": now.timestamp(),
        "exp": int((now + lifetime).timestamp()),
        "jti": secrets.token_hex(16),
        "kind": subject.kind,
    }
    return ring.sign(json.dumps(claims).encode(), kind=TOKEN_TYPE)


def read_token(ring: KeyRing, token: str, *, issuer: str, now: datetime) -> TokenSubject:
    """Give whom a token names.

    Refuses with QH-002 everything but ES256 by a key of ours, our issuer and audience, in its time
    (RFC 8725: the algorithm is ours to say, not the token's).
    """

    def key_of(guest: GuestProtocol) -> ECKey:
        header = guest.headers()
        key = ring.find(header.get("kid"))
        if key is None or header.get("typ") != TOKEN_TYPE:
            raise DomainError("QH-002")
        return key

    try:
        content = jws.deserialize_compact(token, key_of, algorithms=[ALGORITHM])
        claims = json.loads(content.payload)
        subject = TokenSubject(
            kind=TokenKind(claims["kind"]), id=_uuid(claims["sub"]), issued_at=float(claims["iat"])
        )
        is_ours = claims["iss"] == issuer and claims["aud"] == AUDIENCE
        is_current = claims["iat"] <= (now + CLOCK_SKEW).timestamp() and now.timestamp() < claims["exp"]
    except (JoseError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DomainError("QH-002") from error
    if not (is_ours and is_current):
        raise DomainError("QH-002")
    return subject


def _uuid(text: str) -> UUID:
    value = parse_uuid(text)
    if value is None:
        raise ValueError(text)
    return value
