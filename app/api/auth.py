"""Who is calling: credentials to an Actor. What an actor may do is decided elsewhere."""

from dataclasses import dataclass
from datetime import datetime

from joserfc import jws
from joserfc.errors import JoseError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actors import Actor, Anonymous, Officer, ProvinceSystem, SectorSystem, Submitter
from app.api.oidc import OpenIdProvider
from app.api.tokens import TokenKind, TokenSubject, read_token
from app.clock import Clock
from app.db import transaction
from app.errors import DomainError
from app.keys import KeyRing
from app.organisations.accounts import Account, account_of_subject, find_account
from app.organisations.clients import find_client

# Longer than any token of ours or of a usual provider; nothing longer is even looked at.
MAX_TOKEN_CHARACTERS = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticator:
    """Reads bearer tokens (RFC 6750), ours or the external provider's.

    Attributes:
        issuer: what our own tokens name as ``iss``.
        oidc: the external provider, where one is configured.
    """

    engine: AsyncEngine
    keys: KeyRing
    clock: Clock
    issuer: str
    oidc: OpenIdProvider | None = None

    async def authenticate(self, authorization: str | None, request_id: str | None) -> Actor:
        """Give who calls; without a bearer token, nobody in particular.

        Refuses with QH-002 a token that does not hold, or whose client or account is gone or disabled.
        The present state and schools are read from the database every time, in a short read of its own.
        """
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return Anonymous(request_id=request_id)
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise DomainError("QH-002")
        now = self.clock()
        if self.oidc is not None and not self._is_ours(token):
            subject = await self.oidc.subject_of(token, now=now)
            async with transaction(self.engine) as connection:
                account = await account_of_subject(connection, subject)
            return _officer(account, request_id)
        named = read_token(self.keys, token, issuer=self.issuer, now=now)
        return await self._actor(named, now, request_id)

    async def _actor(self, named: TokenSubject, now: datetime, request_id: str | None) -> Actor:
        async with transaction(self.engine) as connection:
            if named.kind is TokenKind.OFFICER:
                account = await find_account(connection, named.id)
                if account is not None and _is_ended(account, named.issued_at):
                    raise DomainError("QH-002")
                return _officer(account, request_id)
            client = await find_client(connection, named.id, now)
        if client is None or not client.is_active:
            raise DomainError("QH-002")
        if client.purpose is not None and client.organisation_id is not None:
            return SectorSystem(
                client_id=client.id,
                name=client.name,
                purpose=client.purpose,
                organisation_id=client.organisation_id,
                rate_multiplier=client.rate_multiplier,
                request_id=request_id,
            )
        if client.department_id is not None and client.department_code is not None:
            return ProvinceSystem(
                client_id=client.id,
                name=client.name,
                department_id=client.department_id,
                province_code=client.department_code,
                rate_multiplier=client.rate_multiplier,
                request_id=request_id,
            )
        return Submitter(
            client_id=client.id,
            name=client.name,
            schools=client.school_ids,
            rate_multiplier=client.rate_multiplier,
            request_id=request_id,
        )

    def _is_ours(self, token: str) -> bool:
        try:
            header = jws.extract_compact(token.encode()).headers()
        except (JoseError, ValueError) as error:
            raise DomainError("QH-002") from error
        return self.keys.find(header.get("kid")) is not None


def _is_ended(account: Account, issued_at: float) -> bool:
    """Say whether the password was changed since a token was issued."""
    return account.tokens_since is not None and issued_at < account.tokens_since.timestamp()


def _officer(account: Account | None, request_id: str | None) -> Officer:
    if account is None or not account.is_active:
        raise DomainError("QH-002")
    return Officer(
        account_id=account.id,
        username=account.username,
        role=account.role,
        organisation_id=account.organisation_id,
        request_id=request_id,
    )
