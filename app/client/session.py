"""Authenticated HTTP with patience: tokens, back-off, and honesty about answers that never came."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote

import httpx

from app.client.errors import SenderError, UnreachableError

# The service did not take the request: it may be sent again whatever it was.
_NOT_TAKEN: Final = frozenset({429, 503})
# Something in between gave up: the service may have taken the request.
_IN_DOUBT: Final = frozenset({502, 504})
_TOKEN_MARGIN_SECONDS: Final = 30.0


class RefusalError(SenderError):
    """The service refused a request with a problem document (RFC 9457).

    Attributes:
        status: the HTTP status.
        problem: the document; ``code`` names the cause in the service's catalogue.
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        vi = _told(problem, "title", "why", "detail", "hint")
        en = _told(problem, "title_en", "why_en", "detail_en", "hint_en")
        super().__init__(f"[{self.code}] {vi or status}", en or f"HTTP {status}")

    @property
    def code(self) -> str:
        """The cause's code, for example ``TR-010``; the status where the answer names none."""
        return str(self.problem.get("code") or self.status)


class DoubtfulOutcomeError(UnreachableError):
    """No answer came: whether the service took the request is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to keep trying: exponential back-off with full jitter, never against Retry-After.

    Attributes:
        longest_asked_seconds: how far a Retry-After is followed.
        jitter: gives a share between 0 and 1; thousands of schools must not come back at the same moment.
    """

    attempts: int = 6
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0
    longest_asked_seconds: float = 600.0
    jitter: Callable[[], float] = field(default=random.random)
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)

    async def pause(self, attempt: int, response: httpx.Response | None = None) -> None:
        """Wait before the next attempt, as long as the service asked or the back-off says."""
        asked = retry_after_seconds(response) if response is not None else None
        longest = min(self.first_wait_seconds * 2**attempt, self.longest_wait_seconds)
        # Half of it is certain, the other half is drawn.
        drawn = longest * (0.5 + self.jitter() / 2)
        seconds = drawn if asked is None else min(max(asked, 0.0), self.longest_asked_seconds) + drawn / 10
        await self.sleep(seconds)


def retry_after_seconds(response: httpx.Response) -> float | None:
    """Read Retry-After (RFC 9110, 10.2.3): seconds, or a date that is held against the answer's own Date."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        return (until - parsedate_to_datetime(response.headers["date"])).total_seconds()
    except (ValueError, KeyError, TypeError):
        return None


class ServiceSession:
    """One client's authenticated session with the service."""

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        patience: Patience | None = None,
        timeout_seconds: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.patience = patience or Patience()
        # RFC 6749, 2.3.1: id and secret are form-encoded before they go into Basic.
        self._basic = httpx.BasicAuth(quote(client_id, safe=""), quote(client_secret, safe=""))
        self._monotonic = monotonic
        self._token: str | None = None
        self._token_ends = 0.0
        self._http = httpx.AsyncClient(
            base_url=base_url.rstrip("/"),
            transport=transport,
            timeout=timeout_seconds,
            headers={"Accept": "application/json", "User-Agent": "hocba-client/1"},
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def request(
        self, method: str, path: str, *, is_repeatable: bool, is_public: bool = False, **content: Any
    ) -> httpx.Response:
        """Send a request and give its answer, waiting and repeating where that is safe.

        Raises:
            RefusalError: the service answered with 4xx or 5xx.
            DoubtfulOutcomeError: no answer came and the request must not simply be repeated.
            UnreachableError: no answer came, however often it was asked.
        """
        headers = dict(content.pop("headers", None) or {})
        has_renewed = False
        attempt = 0
        while True:
            is_last = attempt + 1 >= self.patience.attempts
            if not is_public:
                headers["Authorization"] = f"Bearer {await self._access_token()}"
            try:
                response = await self._http.request(method, path, headers=headers, **content)
            except httpx.TransportError as error:
                # A refused connection reached nobody; anything later may have.
                if not is_repeatable and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    raise _doubt() from error
                if is_last:
                    raise _unreachable(str(self._http.base_url)) from error
                await self.patience.pause(attempt)
            else:
                if response.status_code == httpx.codes.UNAUTHORIZED and not (has_renewed or is_public):
                    self._token, has_renewed = None, True
                    continue
                if response.status_code in _IN_DOUBT and not is_repeatable:
                    raise _doubt()
                if response.status_code not in _NOT_TAKEN | _IN_DOUBT or is_last:
                    return _accepted(response)
                await self.patience.pause(attempt, response)
            attempt += 1

    async def _access_token(self) -> str:
        if self._token is None or self._monotonic() >= self._token_ends:
            response = await self.request(
                "POST",
                "/oauth2/token",
                is_repeatable=True,
                is_public=True,
                data={"grant_type": "client_credentials"},
                auth=self._basic,
            )
            body = response.json()
            self._token = str(body["access_token"])
            self._token_ends = self._monotonic() + float(body.get("expires_in", 0)) - _TOKEN_MARGIN_SECONDS
        return self._token


def _accepted(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    raise RefusalError(response.status_code, problem if isinstance(problem, dict) else {})


def _told(problem: dict[str, Any], title: str, why: str, *rest: str) -> str:
    """Write a problem out: what it is, which fields are wrong, what else is said of it."""
    errors = problem.get("errors")
    wrong = [e for e in errors if isinstance(e, dict)] if isinstance(errors, list) else []
    fields = [f"{e['where']}: {e[why]}" for e in wrong if e.get("where") and e.get(why)]
    parts = [f"{problem[title].rstrip('.')}."] if isinstance(problem.get(title), str) else []
    return " ".join([*parts, *fields, *(str(problem[name]) for name in rest if problem.get(name))])


def _doubt() -> DoubtfulOutcomeError:
    return DoubtfulOutcomeError(
        "Mất kết nối khi chờ trả lời: chưa biết dịch vụ đã nhận hay chưa. Hãy hỏi lại trước khi gửi lại.",
        "The connection was lost before the answer: ask what became of the request before sending it again.",
    )


def _unreachable(base_url: str) -> UnreachableError:
    return UnreachableError(
        f"Không kết nối được dịch vụ tại {base_url}. Kiểm tra địa chỉ và mạng rồi thử lại.",
        f"The service at {base_url} cannot be reached. Check the address and the network, then try again.",
    )
