"""What surrounds every request: an id, caps on size, time and number, safe headers, a log line and metrics.

Plain ASGI. The log and the metrics name the route, never the address as called: an address may hold a
pupil's code.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.allowance import Standing
from app.api.measures import Measures
from app.api.problems import problem
from app.errors import DomainError

REQUEST_ID: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
# What reads large bodies by itself: packages, and lists of organisations and pupils.
LARGE_BODIES: Final = frozenset(
    {"/api/v1/packages", "/api/v1/validations", "/api/v1/organisations/import", "/api/v1/enrolments"}
)
# A province's parts of a snapshot, each under the snapshot's own address.
LARGE_BODIES_UNDER: Final = "/api/v1/forwardings/"
# The decoder's mark for what was no UTF-8, NUL, and lone surrogates: no address of ours holds them.
UNSTORABLE: Final = re.compile("[\x00\ufffd\ud800-\udfff]")

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_DIGITS: Final = 18

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeLimits:
    """What one request may be, in bytes and seconds, and how many may be under way in this process.

    ``bodies_bytes`` bounds the bodies of all of them together, and so what they take of the memory.
    """

    package_bytes: int
    body_bytes: int
    head_bytes: int
    body_seconds: float
    requests: int
    bodies_bytes: int


class Edge:
    """The outermost layer of the application.

    ``count`` counts a call by its network address, for answers that no route's guard has counted.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limits: EdgeLimits,
        measures: Measures,
        count: Callable[[str | None], Standing],
    ) -> None:
        self._app = app
        self._limits = limits
        self._measures = measures
        self._count = count
        self._under_way = 0
        self._bodies = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        exchange = _Exchange(scope, receive, send, limits=self._limits, count=self._count)
        started = time.perf_counter()
        announced = exchange.announced
        self._under_way += 1
        self._bodies += announced
        try:
            await self._answer(scope, receive, exchange, request_id)
        finally:
            self._under_way -= 1
            self._bodies -= announced
            self._observe(scope, exchange.status, request_id, time.perf_counter() - started)

    async def _answer(self, scope: Scope, receive: Receive, exchange: "_Exchange", request_id: str) -> None:
        """Let the application answer, unless the message itself is refused before or while it is read."""
        try:
            self._check_number()
            exchange.check_head()
            await self._app(scope, exchange.receive, exchange.send)
        except DomainError as error:
            exchange.refusal = exchange.refusal or error
        except Exception as error:
            # The application has told of its fault; what cannot be told any more ends the connection.
            if exchange.has_started and not exchange.is_complete:
                raise
            if not exchange.has_started:
                exchange.refusal = exchange.refusal or _fault(error, request_id)
        if exchange.refusal is not None and not exchange.has_started:
            refusal, exchange.refusal = exchange.refusal, None
            answer = problem(refusal.code, facts=refusal.facts, reference=request_id)
            # What is left of the body is not read: the next request must not be looked for in it.
            answer.headers["connection"] = "close"
            await answer(scope, receive, exchange.send)

    def _check_number(self) -> None:
        """Refuse with HT-011 beyond the bounds; one request alone may always have its body."""
        is_crowded = self._bodies > self._limits.bodies_bytes and self._under_way > 1
        if is_crowded or self._under_way > self._limits.requests:
            raise DomainError("HT-011")

    def _observe(self, scope: Scope, status: int, request_id: str, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._measures.requests.labels(method, route, status).inc()
        self._measures.seconds.labels(route).observe(seconds)
        log.info(
            "request", method=method, route=route, status=status,
            milliseconds=round(seconds * 1000, 1), request_id=request_id,
        )  # fmt: skip


def _fault(error: Exception, request_id: str) -> DomainError:
    log.error("request failed", reference=request_id, fault=type(error).__name__)
    return DomainError("HT-001")


class _Exchange:
    """One request's two directions, counted and labelled."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        limits: EdgeLimits,
        count: Callable[[str | None], Standing],
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._limits, self._count = limits, count
        is_large = scope["path"] in LARGE_BODIES or scope["path"].startswith(LARGE_BODIES_UNDER)
        self._limit = limits.package_bytes if is_large else limits.body_bytes
        self._deadline = asyncio.get_running_loop().time() + limits.body_seconds
        self._received = 0
        self._is_whole = False
        self.status = 500
        self.has_started = False
        self.is_complete = False
        self.refusal: DomainError | None = None

    @property
    def announced(self) -> int:
        """How large the body may become: what was declared, else whatever is let through."""
        headers = dict(self._scope["headers"])
        declared = headers.get(b"content-length", b"0" if b"transfer-encoding" not in headers else b"")
        return (
            min(int(declared), self._limit)
            if declared.isdigit() and len(declared) <= MAX_DIGITS
            else self._limit
        )

    def check_head(self) -> None:
        """Refuse by what is known before a byte of the body has come."""
        scope = self._scope
        head = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        head += sum(len(name) + len(value) for name, value in scope["headers"])
        if head > self._limits.head_bytes:
            raise DomainError("DD-911", limit=self._limits.head_bytes)
        if UNSTORABLE.search(scope["path"]):
            raise DomainError("DD-913")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit():
            raise DomainError("DD-912")
        if len(declared) > MAX_DIGITS or int(declared) > self._limit:
            raise DomainError("DD-001", limit=self._limit)

    async def receive(self) -> Message:
        """Give the next part of the body, while it is neither too large nor too late."""
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise self._refused("DD-910", seconds=int(self._limits.body_seconds)) from None
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise self._refused("DD-001", limit=self._limit)
        self._is_whole = not message.get("more_body", False)
        return message

    def _refused(self, code: str, **facts: int) -> DomainError:
        """Remember the refusal: whatever the application makes of the error, this is what is answered."""
        self.refusal = DomainError(code, **facts)
        return self.refusal

    async def send(self, message: Message) -> None:
        """Pass the answer on with the headers that every answer has."""
        if self.refusal is not None and not self.has_started:
            return
        if message["type"] == "http.response.start":
            self.has_started = True
            self.status = message["status"]
            present = {name for name, _ in message["headers"]}
            added = [(name, value) for name, value in self._headers() if name not in present]
            message["headers"] = [*message["headers"], *added]
        elif not message.get("more_body", False):
            self.is_complete = True
        await self._send(message)

    def _headers(self) -> Iterator[tuple[bytes, bytes]]:
        yield from HEADERS
        yield b"x-request-id", self._scope["state"]["request_id"].encode()
        standing: Standing | None = self._scope["state"].get("standing")
        if standing is None:
            client = self._scope.get("client")
            standing = self._count(None if client is None else client[0])
        yield b"ratelimit-limit", str(standing.limit).encode()
        yield b"ratelimit-remaining", str(standing.remaining).encode()
        yield b"ratelimit-reset", str(standing.reset_seconds).encode()
