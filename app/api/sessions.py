"""Tokens for clients (OAuth 2.0 client credentials, RFC 6749) and sessions for officers."""

import base64
import binascii
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import unquote_plus
from uuid import UUID

from fastapi import APIRouter, Depends, Form, Header, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.actors import Anonymous, Officer, Role, Submitter
from app.api.deps import Public, Service, ServiceState, address_of
from app.api.rate_limits import SIGN_IN_RATES, Calls, with_jitter
from app.api.texts import Asked
from app.api.tokens import TokenKind, TokenSubject, issue_token
from app.audit import AuditTag, record_act
from app.db import transaction
from app.errors import DomainError
from app.organisations.accounts import Account, sign_in_facts
from app.organisations.clients import Credentials, credentials
from app.organisations.passwords import MAXIMUM_CHARACTERS, is_password, is_secret
from app.organisations.sign_in import Attempt, begin_attempt, forget_old_attempts, forgive_attempt

router = APIRouter(tags=["authentication"], dependencies=[Depends(Public(Calls.TOKEN))])

# RFC 6749, 5.1; Cache-Control stands on every answer of the service.
_PRAGMA = {"Pragma": "no-cache"}
# RFC 6749, 5.2: the protocol's own word for each cause.
_OAUTH_ERRORS = {"QH-006": "invalid_client", "QH-007": "unsupported_grant_type", "QH-008": "invalid_request"}


class AccessToken(BaseModel):
    """Thẻ truy cập / an access token (RFC 6749, 5.1)."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the protocol's word, no secret
    expires_in: int = Field(description="Giây / seconds", examples=[3600])


class ClientToken(AccessToken):
    """Thẻ của phần mềm / a client's token."""

    scope: str | None = Field(
        default=None, description="lookup:admissions, lookup:transfer: của hệ thống ngành (RFC 6749, 3.3)"
    )


class OAuthRefusal(BaseModel):
    """Từ chối cấp thẻ, theo dạng của giao thức / a refusal in the protocol's own form (RFC 6749, 5.2)."""

    error: str
    error_description: str
    code: str
    title: str
    title_en: str
    hint: str


class SessionToken(AccessToken):
    """Phiên làm việc của cán bộ / an officer's session."""

    role: Role
    organisation: str = Field(description="Mã đơn vị / organisation code", examples=["24133"])


class SignIn(Asked):
    """Đăng nhập / sign-in."""

    username: str = Field(max_length=64, examples=["canbo.tanlap"])
    password: str = Field(max_length=MAXIMUM_CHARACTERS)


@router.post(
    "/oauth2/token",
    summary="Lấy thẻ truy cập cho phần mềm / Get a client's access token",
    response_model=ClientToken,
    responses={
        status: {"model": OAuthRefusal, "description": "Không cấp thẻ / refused (RFC 6749, 5.2)"}
        for status in (400, 401)
    },
)
async def token(
    service: Service,
    grant_type: Annotated[str | None, Form()] = None,
    client_id: Annotated[str | None, Form()] = None,
    client_secret: Annotated[str | None, Form()] = None,
    authorization: Annotated[str | None, Header()] = None,
) -> JSONResponse:
    """Grant type ``client_credentials``; the client by HTTP Basic or in the body, never by both."""
    try:
        named = _client_credentials(grant_type, client_id, client_secret, authorization)
        row_id, found = await _check_client(service, *named)
    except DomainError as error:
        return _oauth_refusal(error)
    lifetime = timedelta(minutes=service.settings.token_minutes)
    subject = TokenSubject(kind=TokenKind.CLIENT, id=row_id)
    answer = ClientToken(
        access_token=_issue(service, subject, lifetime),
        expires_in=int(lifetime.total_seconds()),
        scope=None if found.purpose is None else f"lookup:{found.purpose}",
    )
    return JSONResponse(answer.model_dump(exclude_none=True), headers=_PRAGMA)


@router.post(
    "/api/v1/sessions",
    summary="Đăng nhập của cán bộ / Officer's sign-in",
)
async def sign_in(service: Service, asked: SignIn, request: Request, response: Response) -> SessionToken:
    """Give an officer's access token; a wrong name and a wrong password are answered alike (QH-006).

    Who failed too often waits (HT-012), by user name and by network address.
    """
    found = await _check_officer(service, asked, address_of(request))
    lifetime = timedelta(minutes=service.settings.session_minutes)
    subject = TokenSubject(kind=TokenKind.OFFICER, id=found.id)
    response.headers.update(_PRAGMA)
    return SessionToken(
        access_token=_issue(service, subject, lifetime),
        expires_in=int(lifetime.total_seconds()),
        role=found.role,
        organisation=found.organisation_code,
    )


def _issue(service: ServiceState, subject: TokenSubject, lifetime: timedelta) -> str:
    return issue_token(
        service.keys,
        subject,
        issuer=service.authenticator.issuer,
        now=service.clock(),
        lifetime=lifetime,
    )


def _client_credentials(
    grant_type: str | None, client_id: str | None, client_secret: str | None, authorization: str | None
) -> tuple[str, str]:
    if grant_type is None:
        raise DomainError("QH-008")
    if grant_type != "client_credentials":
        raise DomainError("QH-007")
    scheme, _, encoded = (authorization or "").partition(" ")
    by_header = scheme.lower() == "basic"
    if by_header and client_secret is not None:
        raise DomainError("QH-008")
    if by_header:
        return _basic(encoded)
    if client_id is None or client_secret is None:
        raise DomainError("QH-008")
    return client_id, client_secret


def _basic(encoded: str) -> tuple[str, str]:
    """Read HTTP Basic; name and secret are form-encoded inside it (RFC 6749, 2.3.1)."""
    try:
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise DomainError("QH-008") from error
    if not colon:
        raise DomainError("QH-008")
    return unquote_plus(name), unquote_plus(secret)


async def _check_client(
    service: ServiceState, client_id: str, client_secret: str
) -> tuple[UUID, Credentials]:
    """Give the client's row; the refusal is recorded and committed before it is raised."""
    now = service.clock()
    async with transaction(service.engine) as connection:
        found = await credentials(connection, client_id)
        row_id = found.row_id
        fits = is_secret(found.secret_hash, client_secret) and found.is_active
        actor = Anonymous() if row_id is None else Submitter(client_id=row_id, name="", schools=frozenset())
        tag = AuditTag.TOKEN_ISSUED if fits else AuditTag.TOKEN_REFUSED
        await record_act(connection, now=now, actor=actor, tag=tag, subject=actor.id)
    if row_id is None or not fits:
        raise DomainError("QH-006")
    return row_id, found


async def _check_officer(service: ServiceState, asked: SignIn, address: str) -> Account:
    """Give the officer's account, by equal work whether it exists or not; the outcome is recorded first."""
    attempt = Attempt(
        username=asked.username,
        address=address,
        allowances={name: rate.allowance for name, rate in SIGN_IN_RATES.items()},
    )
    account, stored = await _begin(service, attempt)
    fits = await service.offload.run(is_password, stored, asked.password)
    fits = fits and account is not None and account.is_active
    actor, now = _named(account), service.clock()
    async with transaction(service.engine) as connection:
        tag = AuditTag.TOKEN_ISSUED if fits else AuditTag.TOKEN_REFUSED
        await record_act(connection, now=now, actor=actor, tag=tag, subject=actor.id)
        if fits:
            await forgive_attempt(connection, attempt, now)
    if account is None or not fits:
        raise DomainError("QH-006")
    return account


async def _begin(service: ServiceState, attempt: Attempt) -> tuple[Account | None, str | None]:
    """Pay for an attempt and find the account; HT-012, recorded first, where it has to wait."""
    now = service.clock()
    async with transaction(service.engine) as connection:
        account, stored = await sign_in_facts(connection, attempt.username)
        wait = await begin_attempt(connection, attempt, now)
        if wait:
            actor = _named(account)
            await record_act(
                connection,
                now=now,
                actor=actor,
                tag=AuditTag.TOKEN_REFUSED,
                subject=actor.id,
                facts={"code": "HT-012"},
            )
        await forget_old_attempts(connection, now)
    if wait:
        raise DomainError("HT-012", retry_after=with_jitter(wait))
    return account, stored


def _named(account: Account | None) -> Officer | Anonymous:
    if account is None:
        return Anonymous()
    return Officer(
        account_id=account.id,
        username=account.username,
        role=account.role,
        organisation_id=account.organisation_id,
    )


def _oauth_refusal(error: DomainError) -> JSONResponse:
    """Answer in the protocol's own form (RFC 6749, 5.2), with the catalogue's code beside it."""
    word = _OAUTH_ERRORS[error.code]
    body = OAuthRefusal(
        error=word,
        error_description=error.cause.title_en,
        code=error.code,
        title=error.cause.title_vi,
        title_en=error.cause.title_en,
        hint=error.cause.hint_vi,
    )
    is_unknown = word == "invalid_client"
    headers = _PRAGMA | ({"WWW-Authenticate": 'Basic realm="hocba"'} if is_unknown else {})
    return JSONResponse(body.model_dump(), 401 if is_unknown else 400, headers)
