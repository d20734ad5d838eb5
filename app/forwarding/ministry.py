"""The ministry's instance as a province calls it: over HTTP, with the province's own credentials."""

import gzip
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import httpx

from app.client.errors import UnreachableError
from app.client.session import Patience, ServiceSession
from app.forwarding.disputes import Dispute
from app.forwarding.life import ArrivalState
from app.ids import hex32

FORWARDINGS: Final = "/api/v1/forwardings"
GZIP_LEVEL: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where a province forwards to, and as whom."""

    url: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far the ministry says it has come: what decides what is sent next, never our own memory."""

    state: ArrivalState
    round: int
    registrations: Sequence[int]
    manifest: Sequence[int]
    answer: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Read the ministry's answer."""
        return cls(
            state=ArrivalState(body["status"]),
            round=int(body["round"]),
            registrations=[int(number) for number in body["missing_registrations"]],
            manifest=[int(number) for number in body["missing_manifest"]],
            answer=body["acknowledgement"],
        )


class Ministry:
    """One authenticated session with the ministry's instance.

    Every call may be repeated without effect. Each raises RefusalError where the ministry refuses and
    UnreachableError where no answer came, however often it was asked.
    """

    def __init__(
        self,
        upstream: Upstream,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._session = ServiceSession(
            upstream.url,
            upstream.client_id,
            upstream.client_secret,
            patience=patience,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.aclose()

    async def open(self, statement: str, opening: str) -> Standing:
        """State what will come."""
        body = {"statement": statement, "opening": opening}
        return Standing.of(await self._json("POST", FORWARDINGS, json=body))

    async def standing(self, snapshot_id: UUID) -> Standing:
        """Ask how far a snapshot has come."""
        return Standing.of(await self._json("GET", f"{FORWARDINGS}/{hex32(snapshot_id)}"))

    async def tell_registrations(self, snapshot_id: UUID, number: int, token: str) -> None:
        """Send a part of the round's registrations."""
        await self._send("PUT", snapshot_id, f"registrations/{number}", token.encode())

    async def send_lines(self, snapshot_id: UUID, number: int, part: bytes) -> None:
        """Send a part of the manifest."""
        await self._send("PUT", snapshot_id, f"manifest/{number}", part)

    async def missing(self, snapshot_id: UUID, after: UUID | None) -> Sequence[UUID]:
        """Ask which transcripts are still to be sent, by look-up code, a page of them."""
        params = {} if after is None else {"after": hex32(after)}
        body = await self._json("GET", f"{FORWARDINGS}/{hex32(snapshot_id)}/missing", params=params)
        return [UUID(code) for code in body["record_ids"]]

    async def send_transcripts(self, snapshot_id: UUID, part: bytes) -> Mapping[str, int]:
        """Send a part of transcripts; gives how many were taken, held already, and disputed."""
        answer = _body(await self._send("POST", snapshot_id, "transcripts", part))
        return {name: int(answer[name]) for name in ("taken", "held", "disputed")}

    async def close(self, snapshot_id: UUID) -> Standing:
        """Say that everything was sent."""
        return Standing.of(await self._json("POST", f"{FORWARDINGS}/{hex32(snapshot_id)}/close"))

    async def disputes(self, snapshot_id: UUID, turn: int) -> AsyncIterator[Sequence[Dispute]]:
        """Fetch the disputes of a round, page by page."""
        params: dict[str, str | int] = {"round": turn, "limit": 500}
        while True:
            page = await self._json("GET", f"{FORWARDINGS}/{hex32(snapshot_id)}/disputes", params=params)
            yield [
                Dispute(item["record_id"] or "", item["code"], item["school_code"]) for item in page["items"]
            ]
            if not page["next_cursor"]:
                return
            params["cursor"] = page["next_cursor"]

    async def keys(self) -> Sequence[Mapping[str, Any]]:
        """Fetch the keys that the ministry's acknowledgements verify against."""
        response = await self._session.request(
            "GET", "/.well-known/jwks.json", is_repeatable=True, is_public=True
        )
        keys: list[Mapping[str, Any]] = _body(response)["keys"]
        return keys

    async def _send(self, method: str, snapshot_id: UUID, part: str, octets: bytes) -> httpx.Response:
        return await self._session.request(
            method,
            f"{FORWARDINGS}/{hex32(snapshot_id)}/{part}",
            is_repeatable=True,
            content=gzip.compress(octets, GZIP_LEVEL, mtime=0),
            headers={"Content-Type": "application/gzip"},
        )

    async def _json(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        return _body(await self._session.request(method, path, is_repeatable=True, **content))


def _body(response: httpx.Response) -> Mapping[str, Any]:
    """Read an answer; whatever is no JSON object does not come from the ministry's instance."""
    try:
        body = response.json()
    except ValueError as error:
        raise _unreadable() from error
    if not isinstance(body, dict):
        raise _unreadable()
    return body


def _unreadable() -> UnreachableError:
    return UnreachableError(
        "Nơi nhận trả lời không đúng dạng: kiểm tra HOCBA_UPSTREAM_URL và proxy ở giữa.",
        "The answer is not the ministry's: check HOCBA_UPSTREAM_URL and the proxies on the way.",
    )
