"""Refusals as HTTP: one table from a cause's code to a status, one body (RFC 9457), one opaque fault."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.wrong_fields import wrong_fields
from app.db import is_out_of_service, sqlstate_of
from app.errors import DomainError
from app.findings import CATALOGUE
from app.logs import where

MEDIA_TYPE: Final = "application/problem+json"

_BY_FAMILY: Final[Mapping[str, int]] = {
    "DD": 422, "MA": 422, "TR": 409, "KS": 422, "QH": 403, "TH": 409, "NV": 422, "HT": 503,
}  # fmt: skip

# Where a cause differs from its family.
STATUS: Final[Mapping[str, int]] = {
    "DD-001": 413,
    "DD-902": 415,
    "DD-903": 400,
    "DD-904": 404,
    "DD-905": 400,
    "DD-910": 408,
    "DD-911": 431,
    "DD-912": 400,
    "DD-913": 400,
    "DD-914": 405,
    "QH-001": 401,
    "QH-002": 401,
    "QH-005": 404,
    "QH-006": 401,
    "QH-009": 503,
    "QH-020": 409,
    "QH-100": 404,
    "QH-023": 422,
    "QH-024": 409,
    "QH-025": 422,
    "QH-026": 422,
    "QH-027": 422,
    "QH-028": 422,
    "QH-029": 409,
    "QH-030": 422,
    "QH-031": 422,
    "QH-032": 409,
    "QH-033": 422,
    "QH-040": 422,
    "QH-041": 409,
    "QH-042": 422,
    "QH-043": 422,
    "QH-044": 422,
    "QH-045": 422,
    "QH-046": 422,
    "QH-047": 422,
    "QH-048": 422,
    "QH-049": 422,
    "QH-050": 409,
    "QH-051": 422,
    "QH-052": 422,
    "QH-053": 422,
    "QH-054": 422,
    "QH-055": 409,
    "QH-056": 409,
    "QH-057": 422,
    "QH-101": 422,
    "QH-058": 409,
    "QH-060": 422,
    "QH-061": 404,
    "QH-062": 422,
    "QH-063": 409,
    "QH-065": 409,
    "QH-066": 409,
    "QH-067": 422,
    "QH-068": 409,
    "QH-080": 422,
    "QH-081": 404,
    "QH-083": 409,
    "QH-091": 422,
    "QH-092": 422,
    "QH-094": 422,
    "QH-059": 422,
    "QH-120": 422,
    "QH-121": 404,
    "QH-124": 422,
    "QH-125": 409,
    "QH-126": 409,
    "NV-130": 409,
    "TH-012": 422,
    "TH-013": 422,
    "TH-014": 422,
    "TH-015": 422,
    "TH-016": 403,
    "TH-020": 422,
    "TH-030": 422,
    "HT-001": 500,
    "HT-010": 429,
    "HT-012": 429,
}
RETRY_AFTER_SECONDS: Final = 5
# PostgreSQL's character_not_in_repertoire: NUL in a text that no field's own rule has refused.
UNSTORABLE_TEXT: Final = "22021"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
UNREADABLE: Final = {
    "type": "unreadable",
    "loc": ("body",),
    "msg": "the body cannot be read",
}

log = structlog.get_logger()


def status_of(code: str) -> int:
    """Give the HTTP status of a cause."""
    return STATUS.get(code, _BY_FAMILY[code[:2]])


def problem(
    code: str,
    *,
    facts: Mapping[str, str | int] | None = None,
    reference: str | None = None,
    errors: Sequence[Mapping[str, object]] | None = None,
) -> JSONResponse:
    """Make the answer that refuses: what, why, what to do and who must, in Vietnamese and English.

    ``facts`` are given as data too, so that no client has to read prose.
    """
    cause, given, status = CATALOGUE[code], dict(facts or {}), status_of(code)
    body: dict[str, object] = {
        "type": f"/api/v1/error-codes#{code}",
        "status": status,
        "code": code,
        "title": cause.title_vi,
        "title_en": cause.title_en,
        "detail": cause.detail_vi.format(**given),
        "detail_en": cause.detail_en.format(**given),
        "hint": cause.hint_vi,
        "hint_en": cause.hint_en,
        "who": cause.who,
        "reference": reference,
        "facts": given,
    }
    if errors is not None:
        body["errors"] = errors
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in {429, 503}:
        headers["Retry-After"] = str(given.get("retry_after", RETRY_AFTER_SECONDS))
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def _reference(request: Request) -> str:
    return str(getattr(request.state, "request_id", "")) or secrets.token_hex(8)


async def _on_domain_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)
    return problem(error.code, facts=error.facts, reference=_reference(request))


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    """Name each wrong field and why, without repeating what was sent; DD-902 where it was no JSON at all."""
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in {"", JSON, FORM} and any(e["loc"] == ("body",) for e in found):
        return problem("DD-902", facts={"expected": JSON}, reference=_reference(request))
    return _misshapen(request, found)


def _misshapen(request: Request, found: Sequence[Mapping[str, Any]]) -> JSONResponse:
    return problem(
        "DD-901", facts={"count": len(found)}, reference=_reference(request), errors=wrong_fields(found)
    )


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    """Translate the framework's own refusals: unknown address, unknown method, a body that cannot be read."""
    assert isinstance(error, HTTPException)
    code = {404: "DD-904", 405: "DD-914"}.get(error.status_code)
    if code is None:
        answer = _misshapen(request, [UNREADABLE])
    else:
        answer = problem(code, reference=_reference(request))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _on_disconnect(request: Request, error: Exception) -> JSONResponse:
    """End a request whose sender left in the middle of it; nobody reads the answer, and it is no fault."""
    assert isinstance(error, ClientDisconnect)
    return problem("DD-912", reference=_reference(request))


async def _on_fault(request: Request, error: Exception) -> JSONResponse:
    """Answer the unforeseen with a reference and nothing else; the kind of fault goes to the log."""
    reference = _reference(request)
    if sqlstate_of(error) == UNSTORABLE_TEXT:
        return problem("DD-913", reference=reference)
    if isinstance(error, PoolTimeoutError):
        return problem("HT-011", reference=reference)
    log.error(
        "request failed",
        reference=reference,
        fault=type(error).__name__,
        sqlstate=sqlstate_of(error),
        where=where(error),
    )
    return problem("HT-002" if is_out_of_service(error) else "HT-001", reference=reference)


def install(app: FastAPI) -> None:
    """Make every refusal of the application a problem document."""
    app.add_exception_handler(DomainError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    for fault in (OSError, DBAPIError, PoolTimeoutError):
        app.add_exception_handler(fault, _on_fault)
    app.add_exception_handler(Exception, _on_fault)
