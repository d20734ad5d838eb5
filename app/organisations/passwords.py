"""Passwords (argon2id, RFC 9106) and client secrets (random, so a plain digest suffices).

A password is a person's choice and must be slow to try. A client's secret is 256 random bits, which no
guessing reaches: SHA-256 keeps it unreadable, and a slow hash at the token endpoint would only give
strangers a way to exhaust the service.
"""

import hashlib
import hmac
import secrets
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import DomainError

MINIMUM_CHARACTERS: Final = 12
MAXIMUM_CHARACTERS: Final = 256

_HASHER: Final = PasswordHasher()


def hash_password(password: str) -> str:
    """Give the argon2id hash of a password; QH-052 where it is too short or too long.

    Takes tens of milliseconds: belongs off the event loop.
    """
    if not MINIMUM_CHARACTERS <= len(password) <= MAXIMUM_CHARACTERS:
        raise DomainError("QH-052", minimum=MINIMUM_CHARACTERS, maximum=MAXIMUM_CHARACTERS)
    return _HASHER.hash(_normal(password))


def is_password(stored: str | None, password: str) -> bool:
    """Say whether a password fits a stored hash; an unknown account costs the same work and is False."""
    try:
        _HASHER.verify(stored or _decoy(), _normal(password[:MAXIMUM_CHARACTERS]))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def _normal(password: str) -> str:
    """Give one form to what keyboards type differently (RFC 8265, 4.2): accents composed."""
    return unicodedata.normalize("NFC", password)


@cache
def _decoy() -> str:
    return _HASHER.hash(secrets.token_urlsafe())


def make_secret() -> str:
    """Make a client secret: 256 random bits in base64url."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Give what is stored of a client secret: its SHA-256, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(stored: str | None, secret: str) -> bool:
    """Say whether a secret fits a stored digest, in time that tells nothing; unknown clients are False."""
    return hmac.compare_digest(stored or hash_secret(""), hash_secret(secret)) and stored is not None
