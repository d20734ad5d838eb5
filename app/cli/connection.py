"""One HTTP connection, bounded: what uvicorn leaves open to whoever sends slowly, endlessly or wrongly."""

from asyncio import AbstractEventLoop, TimerHandle, Transport
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api.edge import HEADERS
from app.api.problems import problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What one connection may take before the application sees a request.

    Attributes:
        connections: open at once in this process.
        head_bytes: of an address and headers that have not ended.
        head_seconds: from the connection, or a request's first byte, to the end of its headers.
        body_seconds: from there to the end of its body, whether the application reads it or not.
    """

    connections: int
    head_bytes: int
    head_seconds: float
    body_seconds: float


LINGER_SECONDS: Final = 5.0
# HTTP/0.9 has no headers, and so nothing that bounds a message.
VERSIONS: Final = frozenset({"1.0", "1.1"})


class _LingeringTransport:
    """A transport that, asked to close, first lets the other side read the answer (RFC 9112, 9.6).

    To close while octets still arrive resets the connection, and the answer is lost with it.
    """

    def __init__(self, transport: Transport, loop: AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._is_ending = False
        self.lingers = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether nothing more is read or answered."""
        return self._is_ending or self._transport.is_closing()

    def close(self) -> None:
        """Close at once where all that was sent has been read; else say the end and drop what still comes."""
        if self.is_closing():
            return
        self._is_ending = True
        if not self.lingers or not self._transport.can_write_eof():
            self._transport.close()
            return
        self._transport.write_eof()
        self._transport.resume_reading()
        self._loop.call_later(LINGER_SECONDS, self._transport.close)


class _DeafParser:
    """A parser that passes over an offer to speak another protocol (RFC 9110, 7.8).

    Java's HttpClient and ``curl --http2`` offer h2c beside a request that is whole without it. httptools
    takes what follows such a head for the other protocol: the body is lost, or read as the next request.
    """

    def __init__(self, connection: "BoundedConnection") -> None:
        self._connection = connection
        self._parser = self._fresh()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def _fresh(self) -> HttpRequestParser:
        parser = HttpRequestParser(self._connection)
        # As uvicorn has it: a request that follows the one that ends the connection is no fault of that one.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def feed_data(self, data: bytes) -> None:
        """Parse; a head that offers another protocol is read again as if it did not."""
        while True:
            try:
                self._parser.feed_data(data)
            except HttpParserUpgrade as offer:
                data = self._connection.head_without_offer() + data[offer.args[0] :]
                self._parser = self._fresh()
            else:
                return


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection with an end to waiting; its own refusals are problem documents too."""

    limits: ClassVar[ConnectionLimits]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _DeafParser(self)  # type: ignore[assignment]
        self._deadline: TimerHandle | None = None
        self._is_in_head = False
        self._has_begun = False
        self._head_bytes = 0
        self._has_asked = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away where there are too many."""
        self._lingering = _LingeringTransport(transport, self.loop)
        super().connection_made(self._lingering)  # type: ignore[arg-type]
        if len(self.connections) > self.limits.connections:
            self._refuse("HT-011")
            return
        self._await_end(self.limits.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; a head that does not end is given up at its limit."""
        if self.transport.is_closing():
            return
        self._has_begun = False
        super().data_received(data)
        # Where the head began within these bytes they may hold an earlier body too: counted from the next on.
        if self._is_in_head and not self._has_begun:
            self._head_bytes += len(data)
            if self._head_bytes > self.limits.head_bytes:
                self._refuse("DD-911", limit=self.limits.head_bytes)

    def on_message_begin(self) -> None:
        """Begin to count a request's head."""
        super().on_message_begin()
        self._is_in_head = self._has_begun = True
        self._head_bytes = 0
        self._await_end(self.limits.head_seconds)

    def on_headers_complete(self) -> None:
        """Wait for the body from here on."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("a tunnel")
            return  # the head comes again, without the offer
        self._is_in_head = False
        self._await_end(self.limits.body_seconds)
        if self.parser.get_http_version() not in VERSIONS:
            raise ValueError("HTTP version")
        super().on_headers_complete()
        self._has_asked = True

    def on_message_complete(self) -> None:
        """Wait no longer: the request is here, answering it is ours."""
        if self.parser.should_upgrade():
            return
        self._stop_waiting()
        super().on_message_complete()

    def head_without_offer(self) -> bytes:
        """Give the head just read again, without its ``Upgrade``: an ordinary request."""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        return b"".join([*lines, b"\r\n"])

    def send_400_response(self, msg: str) -> None:
        """Tell that the message is no HTTP; ``msg`` is uvicorn's word for it."""
        del msg
        self._refuse("DD-912")

    def _await_end(self, seconds: float) -> None:
        self._stop_waiting()
        self._lingering.lingers = True
        self._deadline = self.loop.call_later(seconds, self._on_deadline, seconds)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self._lingering.lingers = False

    def _on_deadline(self, seconds: float) -> None:
        self._refuse("DD-910", seconds=int(seconds))

    def _refuse(self, code: str, **facts: int) -> None:
        """Answer and close; in the middle of another answer only close."""
        if self.transport.is_closing():
            return
        if self._may_answer():
            answer = problem(code, facts=facts)
            lines = [STATUS_LINE[answer.status_code]]
            headers = [*answer.raw_headers, *HEADERS, (b"connection", b"close")]
            lines += [b"%s: %s\r\n" % header for header in headers]
            self.transport.write(b"".join([*lines, b"\r\n", bytes(answer.body)]))
        if self._has_asked:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._lingering.lingers = True
        self.transport.close()

    def _may_answer(self) -> bool:
        """Whether the next answer on this connection is the one to the message that is refused."""
        if not self._has_asked:
            return True
        if self._is_in_head or self._deadline is None:
            return self.cycle.response_complete
        return not self.pipeline and not self.cycle.response_started
