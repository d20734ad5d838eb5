"""What surrounds every request: an id, a size cap, safe headers, a log line and metrics. Plain ASGI.

The log and the metrics name the route, never the address as called: an address may hold a pupil's code.
"""

import re
import secrets
import time
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.measures import Measures
from app.api.problems import problem

REQUEST_ID: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")
HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)

log = structlog.get_logger()


class _BodyTooLargeError(Exception):
    """More was sent than the limit allows; told to the caller before anything reads on."""


class Edge:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int, measures: Measures) -> None:
        self._app = app
        self._limit = max_body_bytes
        self._measures = measures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        exchange = _Exchange(receive, send, limit=self._limit, request_id=request_id)
        started = time.perf_counter()
        try:
            exchange.check_declared_size(scope)
            await self._app(scope, exchange.receive, exchange.send)
        except _BodyTooLargeError:
            answer = problem("DD-001", facts={"limit": self._limit}, reference=request_id)
            answer.headers["connection"] = "close"
            await answer(scope, receive, exchange.send)
        finally:
            self._observe(scope, exchange.status, request_id, time.perf_counter() - started)

    def _observe(self, scope: Scope, status: int, request_id: str, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._measures.requests.labels(scope["method"], route, status).inc()
        self._measures.seconds.labels(route).observe(seconds)
        log.info(
            "request", method=scope["method"], route=route, status=status,
            milliseconds=round(seconds * 1000, 1), request_id=request_id,
        )  # fmt: skip


class _Exchange:
    """One request's two directions, counted and labelled."""

    def __init__(self, receive: Receive, send: Send, *, limit: int, request_id: str) -> None:
        self._receive, self._send, self._limit = receive, send, limit
        self._request_id = request_id.encode()
        self._received = 0
        self.status = 500

    def check_declared_size(self, scope: Scope) -> None:
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > self._limit:
            raise _BodyTooLargeError

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise _BodyTooLargeError
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name for name, _ in message["headers"]}
            added = [(name, value) for name, value in HEADERS if name not in present]
            message["headers"] = [*message["headers"], *added, (b"x-request-id", self._request_id)]
        await self._send(message)
