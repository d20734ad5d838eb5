"""Tokens that are not ours, not for us, not in their time, or not tokens at all."""

import base64
import hmac
import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from app.api.tokens import AUDIENCE, CLOCK_SKEW, TOKEN_TYPE, TokenKind, TokenSubject, issue_token, read_token
from app.errors import DomainError
from app.ingest.receipts import ISSUER
from app.keys import KeyRing, add_key, open_key_ring
from tests.api.conftest import Api, refusal
from tests.builders.province import NOW

LIFE = timedelta(hours=1)
SUBJECT = TokenSubject(kind=TokenKind.OFFICER, id=UUID(int=7))


@pytest.fixture
def ring(tmp_path: Path) -> KeyRing:
    return open_key_ring(tmp_path / "keys", NOW)


def part(content: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def claims(**changes: object) -> dict[str, object]:
    whole: dict[str, object] = {
        "iss": "hocba",
        "aud": AUDIENCE,
        "sub": SUBJECT.id.hex,
        "iat": int(NOW.timestamp()),
        "exp": int((NOW + LIFE).timestamp()),
        "kind": "officer",
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


def forged(ring: KeyRing, payload: object, *, key: ECKey | None = None, **header: object) -> str:
    protected = {"alg": "ES256", "kid": ring.active.kid, "typ": TOKEN_TYPE} | header
    return jws.serialize_compact(protected, json.dumps(payload), key or ring.active, algorithms=["ES256"])


def test_a_token_names_whom_it_was_issued_for_until_it_expires(ring: KeyRing) -> None:
    token = issue_token(ring, SUBJECT, issuer="hocba", now=NOW, lifetime=LIFE)
    last = NOW + LIFE - timedelta(seconds=1)
    assert read_token(ring, token, issuer="hocba", now=NOW) == SUBJECT
    assert read_token(ring, token, issuer="hocba", now=last) == SUBJECT
    early = NOW - CLOCK_SKEW - timedelta(seconds=1)
    for at, issuer in ((NOW + LIFE, "hocba"), (early, "hocba"), (NOW, "other")):
        with pytest.raises(DomainError, match="QH-002"):
            read_token(ring, token, issuer=issuer, now=at)


def test_a_machine_whose_clock_is_a_little_behind_takes_it_too(ring: KeyRing) -> None:
    token = issue_token(ring, SUBJECT, issuer="hocba", now=NOW, lifetime=LIFE)
    assert read_token(ring, token, issuer="hocba", now=NOW - CLOCK_SKEW) == SUBJECT


def test_tokens_of_a_former_key_still_hold_until_they_expire(tmp_path: Path) -> None:
    old = open_key_ring(tmp_path / "keys", NOW)
    token = issue_token(old, SUBJECT, issuer="hocba", now=NOW, lifetime=LIFE)
    add_key(tmp_path / "keys", NOW + timedelta(days=1))
    assert read_token(open_key_ring(tmp_path / "keys", NOW), token, issuer="hocba", now=NOW) == SUBJECT


def test_the_reader_of_these_forgeries_takes_a_true_one(ring: KeyRing) -> None:
    assert read_token(ring, forged(ring, claims()), issuer="hocba", now=NOW) == SUBJECT


@pytest.mark.parametrize(
    "payload",
    [
        claims(iss="https://elsewhere"),
        claims(iss=None),
        claims(aud="another-service"),
        claims(aud=[AUDIENCE]),
        claims(aud=None),
        claims(exp=int(NOW.timestamp())),
        claims(exp=None),
        claims(exp="never"),
        claims(exp=True),
        claims(iat=int((NOW + LIFE).timestamp())),
        claims(iat=None),
        claims(kind="system"),
        claims(kind=None),
        claims(sub="1 OR 1=1"),
        claims(sub=7),
        claims(sub=None),
        [],
        "text",
        None,
    ],
)
def test_claims_that_do_not_hold_are_refused(ring: KeyRing, payload: object) -> None:
    with pytest.raises(DomainError, match="QH-002"):
        read_token(ring, forged(ring, payload), issuer="hocba", now=NOW)


def test_a_signature_that_is_not_ours_is_refused(ring: KeyRing) -> None:
    stranger = ECKey.generate_key("P-256")
    good = forged(ring, claims())
    head, body, signature = good.split(".")
    secret = ring.active.as_pem(private=False)
    message = f"{part({'alg': 'HS256', 'kid': ring.active.kid, 'typ': TOKEN_TYPE})}.{body}"
    mac = base64.urlsafe_b64encode(hmac.digest(secret, message.encode(), "sha256")).rstrip(b"=")
    rsa = {"alg": "RS256", "kid": ring.active.kid, "typ": TOKEN_TYPE}
    none = {"alg": "none", "kid": ring.active.kid, "typ": TOKEN_TYPE}
    embedded = stranger.as_dict(private=False)
    tokens = [
        forged(ring, claims(), key=stranger),
        forged(ring, claims(), key=stranger, jwk=embedded),
        forged(ring, claims(), kid="unknown"),
        forged(ring, claims(), kid=""),
        forged(ring, claims(), typ="JWT"),
        forged(ring, claims(), typ="hocba-receipt+jwt"),
        f"{part(none)}.{body}.",
        f"{part(none)}.{body}.{signature}",
        f"{message}.{mac.decode()}",
        jws.serialize_compact(rsa, json.dumps(claims()), RSAKey.generate_key(2048), algorithms=["RS256"]),
        f"{head}.{part(claims(sub=uuid4().hex))}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-2]}",
        f"{head}.{body}",
        f"{head}.{body}.{signature}.{signature}",
        f"{part(['list'])}.{body}.{signature}",
        f"!!!.{body}.{signature}",
        "..",
        "x",
        "",
    ]
    for token in tokens:
        with pytest.raises(DomainError, match="QH-002"):
            read_token(ring, token, issuer="hocba", now=NOW)


async def test_over_http_a_bad_token_is_a_401_that_says_so(api: Api) -> None:
    path = "/api/v1/certificates"
    ring = api.service.keys
    receipt = ring.sign(
        json.dumps(claims(iss=ISSUER, sub=api.province.officers["tanlap"].id)).encode(), kind="JWT"
    )
    unknown = issue_token(ring, SUBJECT, issuer=ISSUER, now=NOW, lifetime=LIFE)
    for token in (receipt, unknown, "x", "a.b.c", "x" * 9000, "\u00e9" * 3):
        headers = [(b"authorization", f"Bearer {token}".encode("latin-1"))]
        answer = await api.http.get(path, headers=headers)
        assert refusal(answer) == (401, "QH-002"), token[:20]
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for authorization in ("", "Bearer", "Bearer ", "Basic dmVuZG9yOng=", "bearer"):
        answer = await api.http.get(path, headers={"Authorization": authorization})
        assert refusal(answer) == (401, "QH-001")


async def test_a_token_ends_with_its_time(api: Api) -> None:
    assert (await api.call("vendor", "GET", "/api/v1/certificates")).status_code == 200
    api.clock.advance(timedelta(minutes=60))
    assert refusal(await api.call("vendor", "GET", "/api/v1/certificates")) == (401, "QH-002")


async def test_a_client_never_passes_for_an_officer(api: Api) -> None:
    row_id = api.province.clients["vendor"].client_id
    crossed = issue_token(
        api.service.keys,
        TokenSubject(kind=TokenKind.OFFICER, id=row_id),
        issuer=ISSUER,
        now=NOW,
        lifetime=LIFE,
    )
    answer = await api.http.get("/api/v1/accounts", headers={"Authorization": f"Bearer {crossed}"})
    assert refusal(answer) == (401, "QH-002")
