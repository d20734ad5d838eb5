"""Tokens for clients, sessions for officers."""

import base64
from datetime import timedelta

import pytest
from sqlalchemy import select

from app.audit import AuditTag, audit_event
from app.db import transaction
from app.organisations.accounts import change_account
from app.organisations.clients import set_active
from tests.api.conftest import Api, refusal
from tests.builders.province import NOW, PASSWORD, account_id

GRANT = {"grant_type": "client_credentials"}


async def test_a_client_gets_a_token_by_basic_and_by_body(api: Api) -> None:
    secret = api.province.secrets["vendor"]
    by_header = await api.http.post("/oauth2/token", data=GRANT, auth=("vendor", secret))
    by_body = await api.http.post(
        "/oauth2/token", data=GRANT | {"client_id": "vendor", "client_secret": secret}
    )
    for answer in (by_header, by_body):
        assert answer.status_code == 200
        assert set(answer.json()) == {"access_token", "token_type", "expires_in"}
        assert (answer.json()["token_type"], answer.json()["expires_in"]) == ("Bearer", 3600)
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("form", "basic", "status", "word", "code"),
    [
        ({}, "vendor:x", 400, "invalid_request", "QH-008"),
        ({"grant_type": "password"}, "vendor:x", 400, "unsupported_grant_type", "QH-007"),
        (GRANT, None, 400, "invalid_request", "QH-008"),
        (GRANT | {"client_id": "vendor"}, None, 400, "invalid_request", "QH-008"),
        (GRANT | {"client_secret": "x"}, "vendor:x", 400, "invalid_request", "QH-008"),
        (GRANT, "no colon", 400, "invalid_request", "QH-008"),
        (GRANT, "vendor:wrong", 401, "invalid_client", "QH-006"),
        (GRANT, "nobody:wrong", 401, "invalid_client", "QH-006"),
        (GRANT, "\x00:\x00", 401, "invalid_client", "QH-006"),
        (GRANT | {"client_id": "vendor", "client_secret": ""}, None, 400, "invalid_request", "QH-008"),
    ],
)
async def test_token_refusals_are_the_protocols(
    api: Api, *, form: dict[str, str], basic: str | None, status: int, word: str, code: str
) -> None:
    headers = {}
    if basic is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(basic.encode()).decode()
    answer = await api.http.post("/oauth2/token", data=form, headers=headers)
    assert (answer.status_code, answer.json()["error"], answer.json()["code"]) == (status, word, code)
    assert (answer.headers.get("www-authenticate", "").startswith("Basic")) is (status == 401)


async def test_basic_that_is_not_base64_is_refused(api: Api) -> None:
    answer = await api.http.post("/oauth2/token", data=GRANT, headers={"Authorization": "Basic ???"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_an_officer_signs_in(api: Api) -> None:
    answer = await api.http.post("/api/v1/sessions", json={"username": "tanlap", "password": PASSWORD})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["role"], body["organisation"], body["token_type"]) == ("commune_officer", "24133", "Bearer")
    assert body["expires_in"] == 8 * 3600


async def test_wrong_name_and_wrong_password_are_answered_alike(api: Api) -> None:
    answers = []
    for username in ("tanlap", "nobody", "\x00"):
        answer = await api.http.post(
            "/api/v1/sessions", json={"username": username, "password": "sai mật khẩu rồi"}
        )
        assert refusal(answer) == (401, "QH-006")
        answers.append({name: value for name, value in answer.json().items() if name != "reference"})
    assert answers[0] == answers[1] == answers[2]


async def test_the_disabled_get_nothing_and_their_tokens_stop_at_once(api: Api) -> None:
    for caller in ("tanlap", "vendor"):
        assert (await api.call(caller, "GET", "/api/v1/certificates")).status_code == 200
    async with transaction(api.service.engine) as connection:
        officer = api.province.officers["quantri"]
        await change_account(
            connection, account_id(api.province, "tanlap"), is_active=False, now=NOW, actor=officer
        )
        row_id = api.province.clients["vendor"].client_id
        await set_active(connection, row_id, is_active=False, now=NOW, actor=officer)
    for caller in ("tanlap", "vendor"):
        assert refusal(await api.call(caller, "GET", "/api/v1/certificates")) == (401, "QH-002")
    signed_in = await api.http.post("/api/v1/sessions", json={"username": "tanlap", "password": PASSWORD})
    assert refusal(signed_in) == (401, "QH-006")
    secret = api.province.secrets["vendor"]
    got = await api.http.post("/oauth2/token", data=GRANT, auth=("vendor", secret))
    assert (got.status_code, got.json()["error"]) == (401, "invalid_client")


async def test_every_attempt_is_recorded_without_what_was_typed(api: Api) -> None:
    typed = "toi-go-nham-mat-khau"
    await api.http.post("/api/v1/sessions", json={"username": typed, "password": "x"})
    api.clock.advance(timedelta(seconds=1))
    await api.http.post("/api/v1/sessions", json={"username": "tanlap", "password": "x"})
    for caller in ("tanlap", "vendor"):
        api.clock.advance(timedelta(seconds=1))
        await api.token(caller)
    async with transaction(api.service.engine) as connection:
        rows = (await connection.execute(select(audit_event).order_by(audit_event.c.at))).all()
    lines = [(row.tag, row.actor_id) for row in rows if row.tag.startswith("token:")]
    officer, client = api.province.officers["tanlap"].id, api.province.clients["vendor"].id
    assert lines == [
        (AuditTag.TOKEN_REFUSED, "-"),
        (AuditTag.TOKEN_REFUSED, officer),
        (AuditTag.TOKEN_ISSUED, officer),
        (AuditTag.TOKEN_ISSUED, client),
    ]
    assert typed not in str([row._mapping for row in rows])


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"username": "a"}', b"\xff", b"{" * 5000])
async def test_a_sign_in_that_is_none_is_refused_as_such(api: Api, content: bytes) -> None:
    answer = await api.http.post("/api/v1/sessions", content=content)
    assert refusal(answer) == (422, "DD-901")


@pytest.mark.parametrize("text", ["\\ud800", "\\u0000", "\\udfff\\ud800"])
async def test_half_characters_never_reach_the_database(api: Api, text: str) -> None:
    headers = {"Content-Type": "application/json"}
    content = f'{{"username": "{text}", "password": "{text}"}}'.encode()
    answer = await api.http.post("/api/v1/sessions", content=content, headers=headers)
    assert refusal(answer)[0] in {401, 422}
