"""What a hostile client sends, to every route: always a problem of the catalogue, never a fault of ours."""

import base64
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from joserfc import jws
from joserfc.jwk import ECKey

from app.actors import Role, System
from app.api.deps import Public
from app.api.edge import HEADERS
from app.api.tokens import TOKEN_TYPE
from app.db import transaction
from app.main import create_app, open_service
from app.organisations.clients import create_client, find_client
from app.organisations.passwords import hash_password
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.settings import Settings
from tests.api.conftest import Api, HandedClock, refusal
from tests.builders.province import PASSWORD, build_province
from tests.builders.routes import described_routes, guards

CALLERS: Final = {
    Role.ADMINISTRATOR: "quantri",
    Role.SCHOOL_SOFTWARE: "vendor",
    Role.COMMUNE_OFFICER: "tanlap",
    Role.DEPARTMENT_OFFICER: "so66",
    Role.MINISTRY_OFFICER: "bogddt",
    Role.INSPECTOR: "thanhtra66",
    Role.PROVINCE_SYSTEM: "so-66",
}
GUARDS: Final = {name: next(guards(route.dependant)) for name, route in described_routes()}
BODIES: Final = [
    name for name, route in described_routes() if route.body_field is not None and "oauth2" not in name
]
CURSORS: Final = [
    name
    for name, route in described_routes()
    if any(query.name == "cursor" for query in route.dependant.query_params)
]
# Values for any place where a text is taken: each once made some service fall over.
TEXTS: Final = (
    "\x00",
    "a\x00b",
    "\ufffd",
    "\U0010ffff",
    "\u202e\u200b",
    "' OR 1=1 --",
    "%s%n{0}{x.__class__}",
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "-1",
    "9" * 400,
    "1e999",
    "NaN",
    "0001-01-01T00:00:00-23:59",
    "9999-12-31T23:59:59+00:00",
    "2025-9999",
    "9999-10000",
    "a" * 5000,
    "",
    " ",
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def anybody(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Api]:
    """A service that counts generously, with somebody of every role; nothing here is ever stored."""
    await create_database(postgres.dsn("postgres"), "hostile", template=template_database)
    clock = HandedClock()
    settings = Settings(data_dir=tmp_path_factory.mktemp("hostile"), database_pool=3, rate_multiplier=1000)
    async with open_service(settings, postgres.sqlalchemy_url("hostile"), clock=clock) as service:
        async with transaction(service.engine) as connection:
            province = await build_province(connection, hash_password(PASSWORD))
            _, province.secrets["so-66"] = await create_client(
                connection, name="so-66", client_id="so-66", department_code="66", now=clock(), actor=System()
            )
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as http:
            yield Api(http, service, province, clock)
    await drop_database(postgres.dsn("postgres"), "hostile")


def caller_of(name: str) -> str:
    """Give somebody who may call a route; anybody where it is public."""
    guard = GUARDS[name]
    return CALLERS[next(role for role in CALLERS if isinstance(guard, Public) or role in guard.roles)]


def is_told(answer: httpx.Response) -> bool:
    """Whether an answer is no fault, and a refusal is a problem of the catalogue."""
    if answer.status_code < 400:
        return True
    return answer.status_code < 500 and refusal(answer)[0] == answer.status_code


def method_of(name: str) -> str:
    return name.partition(" ")[0]


def path_of(name: str, value: str = "66A0000201") -> str:
    path = name.partition(" ")[2]
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + value + rest.partition("}")[2]
    return path


@pytest.mark.parametrize("name", [name for name in GUARDS if "{" in name])
async def test_no_text_in_a_path_is_a_fault_of_ours(anybody: Api, name: str) -> None:
    for text in TEXTS:
        encoded = "".join(f"%{octet:02X}" for octet in text.encode())
        for value in {encoded, "%FF%FE", "%ED%A0%80", "%2e%2e%2f"}:
            answer = await anybody.call(caller_of(name), method_of(name), path_of(name, value))
            assert is_told(answer), (value, answer.status_code, answer.text)


@pytest.mark.parametrize("name", [name for name, route in described_routes() if route.dependant.query_params])
async def test_no_text_in_a_query_is_a_fault_of_ours(anybody: Api, name: str) -> None:
    queries = [query.name for query in dict(described_routes())[name].dependant.query_params]
    for query in queries:
        for text in TEXTS:
            answer = await anybody.call(caller_of(name), method_of(name), path_of(name), params={query: text})
            assert is_told(answer), (query, text, answer.status_code, answer.text)
    assert (await anybody.http.get("/api/v1/calendar?school_year=%FF&province=%00")).status_code < 500


def fields_of(api: Api, name: str) -> Iterator[str]:
    method, path = name.split(" ")
    document = anybody_openapi(api)
    body = document["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    if "anyOf" in body:
        body = next(schema for schema in body["anyOf"] if "$ref" in schema)
    yield from document["components"]["schemas"][body["$ref"].rsplit("/", 1)[1]]["properties"]


def anybody_openapi(api: Api) -> dict[str, Any]:
    transport = api.http._transport
    assert isinstance(transport, httpx.ASGITransport)
    app: Any = transport.app
    document: dict[str, Any] = app.openapi()
    return document


@pytest.mark.parametrize("name", BODIES)
async def test_no_text_in_a_body_is_a_fault_of_ours(anybody: Api, name: str) -> None:
    for field in fields_of(anybody, name):
        for value in (*TEXTS, [], ["\x00"], {}, {"\x00": "\x00"}, None, True, -1, 1e308, 10**30):
            answer = await anybody.call(caller_of(name), method_of(name), path_of(name), json={field: value})
            assert is_told(answer), (field, value, answer.status_code, answer.text)


@pytest.mark.parametrize("name", BODIES)
async def test_a_field_that_is_not_asked_for_is_refused(anybody: Api, name: str) -> None:
    """Mass assignment: nothing is taken that no model names, whatever the database calls its columns."""
    sent = {"is_admin": True, "state": "approved", "id": 1}
    answer = await anybody.call(caller_of(name), method_of(name), path_of(name), json=sent)
    assert refusal(answer) == (422, "DD-901")
    where = {error["where"].rsplit("/", 1)[-1] for error in answer.json()["errors"]}
    assert set(sent) <= where


BROKEN: Final[Mapping[str, bytes]] = {
    "no JSON": b"{",
    "nothing": b"",
    "not UTF-8": b'{"reason": "\xff\xfe"}',
    "UTF-16": '{"reason": "a"}'.encode("utf-16"),
    "a lone surrogate": b'{"reason": "\\ud800"}',
    "too deep": b'{"reason": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number without end": b'{"reason": ' + b"9" * 100_000 + b"}",
    "no number": b'{"reason": NaN, "pupils": Infinity}',
    "two texts": b"{}{}",
    "a list": b"[]",
    "a text": b'"text"',
    "nothing at all": b"null",
    "a comment": b"{/* */}",
}


@pytest.mark.parametrize("kind", list(BROKEN))
async def test_no_broken_json_is_a_fault_of_ours(anybody: Api, kind: str) -> None:
    for name in [*BODIES, "POST /api/v1/packages", "POST /api/v1/validations"]:
        method, token = method_of(name), await anybody.token(caller_of(name))
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        answer = await anybody.http.request(method, path_of(name), content=BROKEN[kind], headers=headers)
        assert is_told(answer), (name, answer.status_code, answer.text)


async def test_of_two_fields_of_one_name_the_last_counts_everywhere(anybody: Api) -> None:
    """RFC 8259, 4 leaves it open; one reading for all bodies leaves nothing to play with."""
    token = await anybody.token("vendor")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    twice = b'{"school_code": "66A0000201", "school_code": "?"}'
    for path in ("/api/v1/certificates/challenges", "/api/v1/packages"):
        answer = await anybody.http.post(path, content=twice, headers=headers)
        wrong = {error["where"] for error in answer.json()["errors"]}
        assert any(where.endswith("school_code") for where in wrong), path


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "multipart/form-data; boundary=a"])
async def test_another_content_type_is_told_which_one_is_taken(anybody: Api, media: str) -> None:
    for name in [*BODIES, "POST /api/v1/packages", "POST /api/v1/validations"]:
        headers = {"Authorization": f"Bearer {await anybody.token(caller_of(name))}", "Content-Type": media}
        answer = await anybody.http.request(
            method_of(name), path_of(name), content=b'{"a": 1}', headers=headers
        )
        assert refusal(answer) == (415, "DD-902"), name


async def test_a_refusal_is_not_much_larger_than_what_it_refuses(anybody: Api) -> None:
    answer = await anybody.call(
        "vendor", "POST", "/api/v1/certificates/challenges", json={"a" * 1000 + str(n): 1 for n in range(900)}
    )
    assert answer.json()["facts"]["count"] == 901
    assert len(answer.content) < 50_000
    assert "a" * 65 not in answer.text


def cursor(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("name", CURSORS)
async def test_a_cursor_that_is_not_ours_is_refused(anybody: Api, name: str) -> None:
    for tampered in (
        "x",
        "!!!",
        "\x00",
        cursor([]),
        cursor({}),
        cursor([None]),
        cursor([["a"], "b"]),
        cursor([True, True]),
        cursor([1e400, "a"]),
        cursor(["\x00", "\x00"]),
        cursor(["\ud800"]),
        cursor(["a", "b", "c", "d", "e", "f"]),
        cursor("[" * 200),
        base64.urlsafe_b64encode(b"[" * 290).decode(),
    ):
        answer = await anybody.call(caller_of(name), "GET", path_of(name), params={"cursor": tampered})
        assert refusal(answer) == (400, "DD-903"), tampered
    for plain in (cursor(["a"]), cursor(["a", "b"]), cursor([1]), cursor(["2026-01-01T00:00:00Z", "b"])):
        answer = await anybody.call(caller_of(name), "GET", path_of(name), params={"cursor": plain})
        assert is_told(answer), plain


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


async def test_no_trick_makes_a_token(anybody: Api) -> None:
    """What no issuer would send, and keys that the token itself brings along."""
    ring, stranger = anybody.service.keys, ECKey.generate_key("P-256")
    good = await anybody.token("vendor")
    head, body, signature = good.split(".")
    payload = base64.urlsafe_b64decode(body + "==")

    def signed(**header: object) -> str:
        protected = {"alg": "ES256", "kid": ring.active.kid, "typ": TOKEN_TYPE} | header
        public = {"jwk": stranger.as_dict(private=False)} if header.get("jwk") else {}
        return jws.serialize_compact(protected | public, payload, stranger, algorithms=["ES256"])

    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    critical = {"alg": "ES256", "kid": ring.active.kid, "typ": TOKEN_TYPE, "crit": ["exp"]}
    tricks = {
        "a key of its own": signed(jwk=True),
        "a key's address": signed(jku="https://attacker.test/jwks.json"),
        "a certificate's address": signed(x5u="https://attacker.test/cert.pem"),
        "a certificate of its own": signed(x5c=["MIIB"]),
        "a key id that is a path": signed(kid="../../../dev/null"),
        "a key id that is a query": signed(kid="' UNION SELECT 'x"),
        "an extension it calls critical": f"{part(critical)}.{body}.{signature}",
        "a deep header": f"{deep}.{body}.{signature}",
        "a deep payload": f"{head}.{deep}.{signature}",
        "a header that is no object": f"{part([1])}.{body}.{signature}",
        "a huge one": "a" * 9000,
        "its end cut off": good[:-1],
        "its parts swapped": f"{body}.{head}.{signature}",
        "a padding": f"{good}==",
        "a line's end": f"{good}%0d%0aX: y",
    }
    for trick, token in tricks.items():
        answer = await anybody.http.get("/api/v1/packages", headers={"Authorization": f"Bearer {token}"})
        assert refusal(answer) == (401, "QH-002"), trick
        assert answer.headers["www-authenticate"] == "Bearer"
    for scheme in ("Basic", "Token", "bearer\t", ""):
        answer = await anybody.http.get("/api/v1/packages", headers={"Authorization": f"{scheme} {good}"})
        assert refusal(answer)[0] == 401, scheme


async def test_a_receipt_is_no_token(anybody: Api) -> None:
    claims = base64.urlsafe_b64decode((await anybody.token("vendor")).split(".")[1] + "==")
    for kind in ("hocba-receipt+jwt", "JWT", "jose"):
        token = anybody.service.keys.sign(claims, kind=kind)
        answer = await anybody.http.get("/api/v1/packages", headers={"Authorization": f"Bearer {token}"})
        assert refusal(answer) == (401, "QH-002"), kind


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PROPFIND"])
async def test_a_method_that_is_not_taken_is_a_problem_that_names_those_that_are(
    anybody: Api, method: str
) -> None:
    answer = await anybody.http.request(method, "/api/v1/limits")
    assert answer.status_code == 405
    if method != "HEAD":
        assert refusal(answer) == (405, "DD-914")
    assert answer.headers["allow"] == "GET"


async def test_override_headers_and_queries_override_nothing(anybody: Api) -> None:
    row = anybody.province.clients["vendor"].client_id
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        headers = {"Authorization": f"Bearer {await anybody.token('quantri')}", header: "DELETE"}
        answer = await anybody.http.get("/api/v1/clients?_method=DELETE", headers=headers)
        assert answer.status_code == 200
    async with transaction(anybody.service.engine) as connection:
        assert await find_client(connection, row, anybody.clock()) is not None


async def test_every_answer_carries_the_safe_headers(anybody: Api) -> None:
    answers = [
        await anybody.http.get("/healthz"),
        await anybody.http.get("/openapi.json"),
        await anybody.http.get("/nothing"),
        await anybody.http.delete("/healthz"),
        await anybody.http.get("/api/v1/packages"),
        await anybody.http.get("/%00"),
        await anybody.http.post("/api/v1/sessions", content=b"{" * (1 << 20) + b"{"),
        await anybody.http.post("/api/v1/sessions", content=b"{}", headers={"Content-Type": "text/plain"}),
        await anybody.http.get("/healthz", headers={"X-Long": "a" * (40 << 10)}),
        await anybody.http.post("/api/v1/sessions", content=b"{}", headers={"Content-Length": "-1"}),
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 200, 404, 405, 401, 400, 413, 415, 431, 400]
    for answer in answers:
        for name, value in HEADERS:
            assert answer.headers[name.decode()] == value.decode()
        assert {"x-request-id", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= set(
            answer.headers
        )
        assert "server" not in answer.headers
        if answer.status_code >= 400:
            assert refusal(answer)[0] == answer.status_code


async def test_a_request_id_is_taken_only_in_a_harmless_form(anybody: Api) -> None:
    for given, is_taken in (("Abc-1.2_3", True), ("a" * 65, False), ("a b", False), ('"><script>', False)):
        answer = await anybody.http.get("/nothing", headers={"X-Request-Id": given})
        assert (answer.headers["x-request-id"] == given) is is_taken
        assert answer.json()["reference"] == answer.headers["x-request-id"]


async def test_a_fault_tells_a_reference_and_nothing_else(
    tmp_path: Path, anybody: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    """No message, no trace, no content: neither to the caller nor to the log."""
    app: FastAPI = create_app(anybody.service)

    @app.get("/faulty")
    async def faulty() -> None:
        raise RuntimeError("học sinh Nguyễn Văn An, 012345678901")

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as http:
        answer = await http.get("/faulty")
    assert refusal(answer) == (500, "HT-001")
    assert answer.json()["reference"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    logged = capsys.readouterr()
    for text in (answer.text, logged.out, logged.err):
        assert "012345678901" not in text
        assert "Traceback" not in text
    assert "RuntimeError" not in answer.text
    assert "RuntimeError" in logged.out + logged.err
