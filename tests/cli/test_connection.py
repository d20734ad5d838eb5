"""Who breaks the rules of HTTP gets a problem from the real server, and a closed connection."""

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.postgres import EmbeddedPostgres
from tests.builders.wire import HEAD_BYTES, Answer, Wire, request, serving


def is_refusal(answer: Answer, status: int, code: str) -> bool:
    """Whether an answer is the whole problem document, with the headers that every answer has."""
    return (
        (answer.status, answer.body["code"]) == (status, code)
        and answer.headers["content-type"] == "application/problem+json"
        and answer.headers["x-content-type-options"] == "nosniff"
        and answer.headers["connection"] == "close"
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wire(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Wire]:
    async with serving(postgres, template_database, tmp_path_factory.mktemp("wire")) as running:
        yield running


LAST = request(Connection="close")
GZIP = {"Content_Type": "application/gzip"}
QUERY = "/api/v1/packages?package_id=1"


async def test_a_plain_request_is_answered(wire: Wire) -> None:
    (answer,) = await wire.say(LAST)
    assert (answer.status, answer.body) == (200, {"status": "ok"})
    assert answer.headers["ratelimit-limit"] == "200"


async def test_two_honest_requests_on_one_connection_are_two_answers(wire: Wire) -> None:
    answers = await wire.say(request() + LAST)
    assert [answer.status for answer in answers] == [200, 200]


# The second request hides in what a careless reader takes for the first one's body, or the other way round.
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: hocba.test\r\n\r\n"


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(
            request("POST", QUERY, **GZIP, Content_Length="4", Transfer_Encoding="chunked")
            + b"0\r\n\r\n"
            + HIDDEN,
            id="Transfer-Encoding beside Content-Length",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Transfer_Encoding="chunked", Content_Length="4")
            + b"0\r\n\r\n"
            + HIDDEN,
            id="Content-Length beside Transfer-Encoding",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Content_Length="0\r\nContent-Length: 44") + HIDDEN,
            id="two lengths",
        ),
        pytest.param(request("POST", QUERY, **GZIP, Content_Length="0, 44") + HIDDEN, id="a list of lengths"),
        pytest.param(request("POST", QUERY, **GZIP, Content_Length="+0") + HIDDEN, id="a signed length"),
        pytest.param(request("POST", QUERY, **GZIP, Content_Length="0x0") + HIDDEN, id="a hex length"),
        pytest.param(
            request("POST", QUERY, **GZIP, Transfer_Encoding="chunked, identity") + b"0\r\n\r\n" + HIDDEN,
            id="an encoding after chunked",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Transfer_Encoding="xchunked") + b"0\r\n\r\n" + HIDDEN,
            id="an unknown encoding",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Transfer_Encoding="chunked\r\nTransfer-Encoding: identity")
            + b"0\r\n\r\n"
            + HIDDEN,
            id="two encodings",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Transfer_Encoding="\x0bchunked") + b"0\r\n\r\n" + HIDDEN,
            id="a control character before chunked",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, X_Fold="a\r\n Content-Length: 44") + HIDDEN, id="a folded header"
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, X_Bare="a\nContent-Length: 44") + HIDDEN,
            id="a bare line feed in a header",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Content_Length="0").replace(b"\r\n", b"\n") + HIDDEN,
            id="bare line feeds everywhere",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Content_Length="0").replace(
                b"Content-Length:", b"Content-Length :"
            )
            + HIDDEN,
            id="a space before the colon",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Transfer_Encoding="chunked") + b"0\n\n" + HIDDEN,
            id="a chunk ended by bare line feeds",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Transfer_Encoding="chunked") + b"-1\r\n\r\n" + HIDDEN,
            id="a negative chunk",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Transfer_Encoding="chunked")
            + b"10000000000000000\r\n\r\n"
            + HIDDEN,
            id="a chunk's size beyond 64 bits",
        ),
        pytest.param(
            request("POST", QUERY, **GZIP, Transfer_Encoding="chunked") + b"2\r\nabc\r\n0\r\n\r\n" + HIDDEN,
            id="a chunk longer than it says",
        ),
    ],
)
async def test_never_two_requests_from_one(wire: Wire, octets: bytes) -> None:
    """The ambiguous message is answered at most once, and what hides in it never."""
    answers = await wire.say(octets + LAST, patience=3)
    assert [answer for answer in answers if answer.status == 200] == []
    assert len(answers) == 1
    assert is_refusal(answers[0], 400, "DD-912")


@pytest.mark.parametrize(
    "octets",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /heal thz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"BREW /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
        b"CONNECT hocba.test:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xc4\x91 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_told_so_and_closed(wire: Wire, octets: bytes) -> None:
    (answer,) = await wire.say(octets, patience=3)
    assert is_refusal(answer, 400, "DD-912")


async def test_a_head_that_never_ends_is_given_up_at_its_limit(wire: Wire) -> None:
    part = b"X-Filler: " + b"a" * 1000 + b"\r\n"
    (answer,) = await wire.say(b"GET /healthz HTTP/1.1\r\n", *[part] * 20, pause=0.005)
    assert is_refusal(answer, 431, "DD-911")


@pytest.mark.parametrize(
    "octets",
    [
        request(X_Filler="a" * HEAD_BYTES, Connection="close"),
        request("GET", "/healthz?" + "a" * HEAD_BYTES, Connection="close"),
        request("GET", "/" + "a" * HEAD_BYTES, Connection="close"),
    ],
    ids=["headers", "query", "path"],
)
async def test_a_large_head_in_one_piece_is_refused_too(wire: Wire, octets: bytes) -> None:
    (answer,) = await wire.say(octets)
    assert is_refusal(answer, 431, "DD-911")


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([b""], "DD-910"),
        ([b"GET /healthz HT"], "DD-910"),
        ([b"GET /healthz HTTP/1.1\r\n", b"Host: a\r\n", b"A: b\r\n", b"A: b\r\n", b"A: b\r\n"], "DD-910"),
        (
            [request("POST", "/api/v1/sessions", Content_Type="application/json", Content_Length="50"), b"{"],
            "DD-910",
        ),
        (
            [
                request(
                    "POST", "/api/v1/sessions", Content_Type="application/json", Transfer_Encoding="chunked"
                ),
                *[b"1\r\n{\r\n"] * 8,
            ],
            "DD-910",
        ),
    ],
    ids=["silence", "half a line", "a header now and then", "half a body", "a byte now and then"],
)
async def test_who_sends_slowly_is_not_waited_for(wire: Wire, parts: list[bytes], code: str) -> None:
    (answer,) = await wire.say(*parts, pause=0.3)
    assert is_refusal(answer, 408, code)


async def test_a_connection_at_rest_is_closed(wire: Wire) -> None:
    (answer,) = await wire.say(request(), patience=5)
    assert answer.status == 200


async def test_a_body_nobody_reads_does_not_hold_the_connection(wire: Wire) -> None:
    """The answer is given at once; a sender who drips on after it is closed out all the same."""
    started = asyncio.get_running_loop().time()
    head = request("POST", "/api/v1/packages", **GZIP, Content_Length="1000")
    (answer,) = await wire.say(head, *[b"a"] * 3, pause=0.2, patience=15)
    assert (answer.status, answer.body["code"]) == (401, "QH-001")
    assert asyncio.get_running_loop().time() - started < 12


@pytest.mark.parametrize("path", ["/api/v1/sessions", "/oauth2/token", "/api/v1/nothing"])
async def test_a_declared_size_over_the_limit_is_refused_before_it_is_sent(wire: Wire, path: str) -> None:
    """Only packages may be as large as a package."""
    octets = request("POST", path, Content_Type="application/json", Content_Length=str(2 << 20))
    (answer,) = await wire.say(octets)
    assert is_refusal(answer, 413, "DD-001")
    assert answer.body["facts"] == {"limit": 1 << 20}


async def test_chunks_are_counted_as_they_come(wire: Wire) -> None:
    head = request("POST", "/api/v1/sessions", Content_Type="application/json", Transfer_Encoding="chunked")
    chunk = b"20000\r\n" + b" " * 0x20000 + b"\r\n"
    (answer,) = await wire.say(head, *[chunk] * 9)
    assert is_refusal(answer, 413, "DD-001")


async def test_a_body_shorter_than_declared_is_no_request(wire: Wire) -> None:
    """The sender leaves in the middle: nothing is answered, and the server goes on."""
    _, writer = await asyncio.open_connection("127.0.0.1", wire.port)
    writer.write(
        request("POST", "/api/v1/sessions", Content_Type="application/json", Content_Length="50") + b"{"
    )
    await writer.drain()
    writer.close()
    (answer,) = await wire.say(LAST)
    assert answer.status == 200


async def test_what_follows_the_declared_length_is_no_part_of_the_body(wire: Wire) -> None:
    body = b'{"username": "a", "password": "b"}'
    octets = request(
        "POST", "/api/v1/sessions", body, Content_Type="application/json", Content_Length=str(len(body))
    )
    answers = await wire.say(octets + b"more of it\r\n\r\n", patience=4)
    assert [answer.status for answer in answers][:1] != [200]
    assert len([answer for answer in answers if answer.status == 401]) <= 1
    assert all(answer.status in {400, 401} for answer in answers)


async def test_an_expectation_is_met_only_where_the_body_is_wanted(wire: Wire) -> None:
    octets = request("POST", "/api/v1/packages", **GZIP, Content_Length="1000", Expect="100-continue")
    (answer,) = await wire.say(octets, patience=8)
    assert (answer.status, answer.body["code"]) == (401, "QH-001")


async def test_an_upgrade_is_not_taken(wire: Wire) -> None:
    for upgrade in ("websocket", "h2c"):
        answers = await wire.say(request(Connection="Upgrade", Upgrade=upgrade), patience=3)
        assert [answer.status for answer in answers] == [200]


GRANT = b"grant_type=client_credentials&client_id=nobody&client_secret=nothing"
FORM = {"Content_Type": "application/x-www-form-urlencoded"}
# What Java's HttpClient and curl --http2 say beside a request that is whole without it (RFC 7540, 3.2).
OFFER = {"Connection": "Upgrade, HTTP2-Settings", "HTTP2_Settings": "AAEAAEAAAAIAAAAB", "Upgrade": "h2c"}


@pytest.mark.parametrize("offered", ["h2c", "h2c, websocket", "TLS/1.3"])
@pytest.mark.parametrize("pause", [0.0, 0.2], ids=["in one piece", "body later"])
@pytest.mark.parametrize(
    ("length", "body"),
    [
        pytest.param({"Content_Length": str(len(GRANT))}, GRANT, id="length"),
        pytest.param(
            {"Transfer_Encoding": "chunked"}, b"%x\r\n%s\r\n0\r\n\r\n" % (len(GRANT), GRANT), id="chunked"
        ),
    ],
)
async def test_beside_an_offer_to_upgrade_the_body_is_read(
    wire: Wire, offered: str, pause: float, length: dict[str, str], body: bytes
) -> None:
    head = request("POST", "/oauth2/token", **FORM, **OFFER | {"Upgrade": offered}, **length)
    answers = await wire.say(head, body + LAST, pause=pause)
    assert [(answer.status, answer.body.get("error")) for answer in answers] == [
        (401, "invalid_client"),
        (200, None),
    ]


async def test_an_offer_to_upgrade_that_comes_octet_by_octet_is_passed_over(wire: Wire) -> None:
    octets = request("POST", "/oauth2/token", GRANT, **FORM, **OFFER, Content_Length=str(len(GRANT)))
    (answer,) = await wire.say(*(octets[at : at + 1] for at in range(len(octets))), patience=3)
    assert (answer.status, answer.body["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("pause", [0.0, 0.2], ids=["in one piece", "body later"])
async def test_no_request_hides_in_the_body_beside_an_offer(wire: Wire, pause: float) -> None:
    head = request("POST", "/oauth2/token", **FORM, **OFFER, Content_Length=str(len(HIDDEN)))
    answers = await wire.say(head, HIDDEN, pause=pause, patience=3)
    assert [answer.status for answer in answers] == [400]


async def test_too_many_connections_are_turned_away_with_a_problem(wire: Wire) -> None:
    waiting = [await asyncio.open_connection("127.0.0.1", wire.port) for _ in range(20)]
    try:
        (answer,) = await wire.say(patience=3)
        assert is_refusal(answer, 503, "HT-011")
        assert int(answer.headers["retry-after"]) > 0
    finally:
        for _, writer in waiting:
            writer.close()
    await asyncio.sleep(0.1)
    (answer,) = await wire.say(LAST)
    assert answer.status == 200


async def test_nobody_chooses_the_address_they_are_counted_by(wire: Wire) -> None:
    """No proxy is trusted by default: what X-Forwarded-For says is nobody's address."""
    left = []
    for forwarded in ("203.0.113.1", "203.0.113.2"):
        (answer,) = await wire.say(
            request("GET", "/api/v1/formats", X_Forwarded_For=forwarded, Connection="close")
        )
        left.append(int(answer.headers["ratelimit-remaining"]))
    assert left[1] < 199


async def test_method_override_headers_override_nothing(wire: Wire) -> None:
    for name in ("X_HTTP_Method_Override", "X_HTTP_Method", "X_Method_Override"):
        (answer,) = await wire.say(request(**{name: "DELETE"}, Connection="close"))
        assert (answer.status, answer.body) == (200, {"status": "ok"})


async def test_a_package_of_true_gzip_is_read_whole_before_anything_else(wire: Wire) -> None:
    """The raw route answers one request per message, whatever stands in its body."""
    body = gzip.compress(HIDDEN * 3) + HIDDEN
    octets = request("POST", QUERY, body, **GZIP, Content_Length=str(len(body)))
    answers = await wire.say(octets + LAST, patience=3)
    assert [answer.status for answer in answers] == [401, 200]
    assert re.fullmatch(r"[0-9a-f]{16}", answers[0].headers["x-request-id"])


async def test_behind_a_trusted_proxy_the_client_is_the_one_it_names(
    postgres: EmbeddedPostgres, template_database: str, tmp_path: Path
) -> None:
    """Only the last address counts, the one that the proxy itself saw."""
    async with serving(
        postgres, template_database, tmp_path, name="proxied", trusted_proxies="127.0.0.1"
    ) as proxied:
        left = []
        for forwarded in ("203.0.113.1", "203.0.113.2", "203.0.113.9, 203.0.113.1"):
            octets = request("GET", "/api/v1/formats", X_Forwarded_For=forwarded, Connection="close")
            (answer,) = await proxied.say(octets)
            left.append(int(answer.headers["ratelimit-remaining"]))
    assert left == [199, 199, 198]
