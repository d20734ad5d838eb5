"""The outermost layer alone, around small applications: what it bounds, and what it makes of their faults."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.allowance import Standing
from app.api.edge import Edge, EdgeLimits
from app.api.measures import Measures, new_measures
from app.api.problems import install
from tests.api.conftest import refusal

LIMITS = EdgeLimits(
    package_bytes=2000, body_bytes=1000, head_bytes=4000, body_seconds=0.2, requests=2, bodies_bytes=1500
)
STANDING = Standing(limit=9, remaining=8, reset_seconds=1, wait_seconds=0)


async def reads(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the size of the body."""
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


async def swallows(scope: Scope, receive: Receive, send: Send) -> None:
    """Make something else of whatever goes wrong while reading, as a framework does."""
    try:
        await Request(scope, receive).body()
    except Exception:  # noqa: BLE001 - BLE001: that is the point
        await PlainTextResponse("there was an error", 400)(scope, receive, send)


async def breaks(scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError("một bí mật")


async def breaks_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise RuntimeError("một bí mật")


def around(app: ASGIApp, measures: Measures | None = None) -> Edge:
    return Edge(app, limits=LIMITS, measures=measures or new_measures(), count=lambda _: STANDING)


def client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hocba.test")


@pytest.mark.parametrize(("path", "size"), [("/", 1000), ("/api/v1/packages", 2000)])
async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_not(path: str, size: int) -> None:
    async with client(around(reads)) as http:
        assert (await http.post(path, content=b"a" * size)).text == str(size)
        assert refusal(await http.post(path, content=b"a" * (size + 1))) == (413, "DD-001")


async def test_a_body_without_a_length_is_counted_as_it_comes() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"a" * 100

    async with client(around(reads)) as http:
        answer = await http.post("/", content=parts())
    assert refusal(answer) == (413, "DD-001")
    assert answer.headers["connection"] == "close"


async def call(app: Edge, receive: Callable[[], Awaitable[Message]]) -> list[Message]:
    """Call an application as a server does; gives what it sent."""
    scope: Scope = {
        "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"", "headers": [],
        "client": ("203.0.113.1", 1),
    }  # fmt: skip
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("app", [reads, swallows])
async def test_a_slow_body_is_given_up_whatever_the_application_makes_of_it(app: ASGIApp) -> None:
    async def receive() -> Message:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"a", "more_body": True}

    start, body = await call(around(app), receive)
    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert b"DD-910" in body["body"]


async def test_who_waits_for_a_result_is_not_hurried() -> None:
    """The time is for the body: once it is here, an answer may take as long as it takes."""

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await Request(scope, receive).body()
        await asyncio.sleep(2 * LIMITS.body_seconds)
        await PlainTextResponse("ok")(scope, receive, send)

    async with client(around(waits)) as http:
        assert (await http.post("/", content=b"a")).status_code == 200


async def test_more_requests_than_can_be_served_are_told_to_return() -> None:
    gate = asyncio.Event()

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await PlainTextResponse("ok")(scope, receive, send)

    async with client(around(waits)) as http, asyncio.TaskGroup() as group:
        taken = [group.create_task(http.get("/")) for _ in range(2)]
        await asyncio.sleep(0.05)
        answer = await http.get("/")
        assert refusal(answer) == (503, "HT-011")
        assert int(answer.headers["retry-after"]) > 0
        gate.set()
    assert [task.result().status_code for task in taken] == [200, 200]
    async with client(around(waits)) as http:
        assert (await http.get("/")).status_code == 200


async def test_bodies_are_bounded_together_and_one_alone_may_always_come() -> None:
    gate = asyncio.Event()

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await reads(scope, receive, send)

    async with client(around(waits)) as http, asyncio.TaskGroup() as group:
        large = group.create_task(http.post("/api/v1/packages", content=bytes(1800)))
        await asyncio.sleep(0.05)
        assert refusal(await http.post("/", content=bytes(1))) == (503, "HT-011")
        gate.set()
        assert (await large).status_code == 200
        assert (await http.post("/", content=bytes(900))).status_code == 200


async def test_a_fault_that_nobody_told_is_told_without_its_words() -> None:
    async with client(around(breaks)) as http:
        answer = await http.get("/")
    assert refusal(answer) == (500, "HT-001")
    assert "bí mật" not in answer.text


async def test_a_fault_after_the_answer_began_ends_the_connection() -> None:
    """The server closes: what was begun must not look whole."""
    with pytest.raises(RuntimeError):
        await call(around(breaks_midway), lambda: asyncio.sleep(1, {"type": "http.disconnect"}))


async def test_no_measure_holds_what_a_caller_chose() -> None:
    measures = new_measures()
    async with client(around(reads, measures)) as http:
        for method in ("GET", "BREW", "X-" + "a" * 50):
            await http.request(method, "/hoc-sinh/0123456789")
    labels = {
        (sample.labels["method"], sample.labels["route"])
        for metric in measures.registry.collect()
        for sample in metric.samples
        if sample.name == "hocba_http_requests_total"
    }
    assert labels == {("GET", "unknown"), ("other", "unknown")}


async def test_no_connection_in_time_means_overload_and_is_no_fault() -> None:
    """Requests wait for a connection of the pool; who waited too long shall come back, not report a fault."""
    app = FastAPI()
    install(app)

    @app.get("/")
    async def crowded() -> None:
        raise PoolTimeoutError("QueuePool limit reached")

    async with client(around(app)) as http:
        assert refusal(await http.get("/")) == (503, "HT-011")
