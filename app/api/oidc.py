"""Tokens of an external identity provider (OpenID Connect, for example the province's Keycloak).

The provider says who somebody is; what they may do stands in the account that carries their subject here.
"""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Final

import httpx
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from app.errors import DomainError

ALGORITHMS: Final = ("RS256", "ES256")
KEYS_LAST: Final = timedelta(hours=1)
# A token with an unknown key id makes us ask again, but strangers cannot make us ask all the time.
REFETCH_AFTER: Final = timedelta(minutes=1)
# A provider that does not answer is asked once, not once by everybody who waits.
RETRY_AFTER: Final = timedelta(seconds=10)
CLOCK_SKEW: Final = timedelta(minutes=1)
TIMEOUT_SECONDS: Final = 5.0


class OpenIdProvider:
    """One provider: its issuer, the audience that its tokens for us carry, and its keys as last fetched."""

    def __init__(self, *, issuer: str, audience: str) -> None:
        self.issuer = issuer
        self.audience = audience
        self._keys: KeySet | None = None
        self._fetched_at: datetime | None = None
        self._failed_at: datetime | None = None
        self._fetching = asyncio.Lock()

    async def subject_of(self, token: str, *, now: datetime) -> str:
        """Give the subject (``sub``) of a token.

        Refuses with QH-002 a token that is not signed by the provider with RS256 or ES256, not for our
        audience, or out of its time (OpenID Connect Core 1.0, 3.1.3.7), and with QH-009 when the
        provider's keys cannot be had.
        """
        keys = await self._keys_for(_key_id(token), now)
        try:
            content = jws.deserialize_compact(token, keys, algorithms=ALGORITHMS)
            return self._subject(json.loads(content.payload), now)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise DomainError("QH-002") from error

    def _subject(self, claims: dict[str, object], now: datetime) -> str:
        audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        expires, begins = claims["exp"], claims.get("nbf", claims.get("iat", 0))
        if not isinstance(expires, int | float) or not isinstance(begins, int | float):
            raise TypeError("exp")
        is_current = begins <= (now + CLOCK_SKEW).timestamp() and now.timestamp() < expires
        subject = claims["sub"]
        if (
            claims["iss"] != self.issuer
            or self.audience not in audience
            or not is_current
            or not isinstance(subject, str)
        ):
            raise ValueError("claims")
        return subject

    async def _keys_for(self, key_id: str | None, now: datetime) -> KeySet:
        """Give the provider's keys; whoever needs no newer ones never waits for somebody else's fetching."""
        held = self._held_keys(key_id, now)
        if held is not None:
            return held
        async with self._fetching:
            held = self._held_keys(key_id, now)
            if held is not None:
                return held
            if self._failed_at is not None and now - self._failed_at < RETRY_AFTER:
                raise DomainError("QH-009")
            try:
                keys = await self._fetch()
            except DomainError:
                self._failed_at = now
                raise
            self._keys, self._fetched_at, self._failed_at = keys, now, None
            return keys

    def _held_keys(self, key_id: str | None, now: datetime) -> KeySet | None:
        """Give the keys that were fetched, where they will do for this key id."""
        if self._keys is None or self._fetched_at is None:
            return None
        is_known = key_id is None or any(key.kid == key_id for key in self._keys.keys)
        is_fresh = now - self._fetched_at <= (KEYS_LAST if is_known else REFETCH_AFTER)
        return self._keys if is_fresh else None

    async def _fetch(self) -> KeySet:
        """Fetch the provider's description and from it the keys (OpenID Connect Discovery 1.0, 4)."""
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False) as http:
                description = await http.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                address = self._keys_address(description.raise_for_status().json())
                keys = (await http.get(address)).raise_for_status().json()["keys"]
            return KeySet([_public_key(key) for key in keys if _is_usable(key)])
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DomainError("QH-009") from error

    def _keys_address(self, description: dict[str, str]) -> str:
        if description["issuer"] != self.issuer:
            raise ValueError("the description speaks of another issuer")
        return description["jwks_uri"]


def _is_usable(key: dict[str, str | list[str]]) -> bool:
    return key.get("kty") in {"RSA", "EC"} and key.get("use", "sig") == "sig"


def _public_key(key: dict[str, str | list[str]]) -> RSAKey | ECKey:
    return RSAKey.import_key(key) if key["kty"] == "RSA" else ECKey.import_key(key)


def _key_id(token: str) -> str | None:
    try:
        key_id = jws.extract_compact(token.encode()).headers().get("kid")
    except (JoseError, ValueError) as error:
        raise DomainError("QH-002") from error
    return key_id if isinstance(key_id, str) else None
