"""The client against a service that times out, overloads and forgets tokens."""

import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from uuid import UUID

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import NameOID

from app.client.api import HocBaClient
from app.client.errors import UnreachableError
from app.client.packaging import NAMESPACE, Header, Package, build_package, pack, parse
from app.client.session import DoubtfulOutcomeError, Patience, RefusalError
from tests.client.service_double import ServiceDouble

PACKAGE_ID = UUID("11111111-2222-4333-8444-555555555555")


@pytest.fixture
def service() -> ServiceDouble:
    return ServiceDouble()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
async def client(service: ServiceDouble, waits: list[float]) -> AsyncIterator[HocBaClient]:
    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    patience = Patience(attempts=4, first_wait_seconds=1.0, jitter=lambda: 1.0, sleep=sleep)
    async with HocBaClient(
        "http://service", "truong:1", "bí mật", transport=service, patience=patience
    ) as opened:
        yield opened


@pytest.fixture
def package() -> Package:
    header = Header(
        package_id=PACKAGE_ID,
        school_code="6624305501",
        school_year="2025-2026",
        created_at=datetime(2026, 5, 28, tzinfo=UTC),
        software_name="Thử",
        software_version="1",
    )
    transcript = parse(f'<HocBa xmlns="{NAMESPACE}"><NoiDung Id="hb-1"/></HocBa>'.encode())
    return pack(build_package([transcript], header))


def lost(request: httpx.Request) -> Exception:
    return httpx.ReadTimeout("no answer", request=request)


def refused_connection(request: httpx.Request) -> Exception:
    return httpx.ConnectError("refused", request=request)


def status(code: int, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _: httpx.Response(code, headers=headers)


async def test_json_and_raw_say_the_same(
    client: HocBaClient, service: ServiceDouble, package: Package
) -> None:
    first = await client.send(package)
    second = await client.send(package, is_raw=True, is_atomic=True, wait_seconds=20)
    assert first.sha256 == second.sha256 == package.digest
    assert (first.status, second.status) == ("received", "answered")
    assert service.posted[0] == {**package.outer_fields, "prefer": None}
    assert service.posted[1] == {**package.outer_fields, "atomic": "true", "prefer": "wait=20"}


async def test_one_token_serves_many_calls(
    client: HocBaClient, service: ServiceDouble, package: Package
) -> None:
    await client.send(package)
    await client.package(PACKAGE_ID.hex)
    assert service.tokens == 1


async def test_an_expired_token_is_renewed(
    client: HocBaClient, service: ServiceDouble, package: Package
) -> None:
    service.expires_in = 0
    await client.send(package)
    await client.send(package)
    assert service.tokens == 2


async def test_a_forgotten_token_is_renewed_once(
    client: HocBaClient, service: ServiceDouble, package: Package
) -> None:
    service.next_answers = [status(401)]
    assert (await client.send(package)).status == "received"
    service.next_answers = [status(401), status(401)]
    with pytest.raises(RefusalError) as caught:
        await client.send(package)
    assert caught.value.status == 401


async def test_a_lost_answer_is_found_by_digest_and_not_sent_again(
    client: HocBaClient, service: ServiceDouble, package: Package
) -> None:
    def take_and_lose(request: httpx.Request) -> Exception:
        service.take(request)
        return lost(request)

    service.next_answers = [take_and_lose]
    sent = await client.send(package)
    assert sent.was_recovered
    assert sent.acknowledgement == "a.b.c"
    posts = [call for call in service.calls if call == ("POST", "/api/v1/packages")]
    assert len(posts) == 1


@pytest.mark.parametrize("doubt", [lost, status(502), status(504)])
async def test_a_package_that_never_arrived_is_sent_again(
    client: HocBaClient, service: ServiceDouble, package: Package, doubt: Callable[[httpx.Request], Exception]
) -> None:
    service.next_answers = [doubt]
    sent = await client.send(package)
    assert not sent.was_recovered
    assert [path for _, path in service.calls if path != "/oauth2/token"] == [
        "/api/v1/packages",
        f"/api/v1/digests/{package.digest}",
        "/api/v1/packages",
    ]


async def test_retry_after_is_honoured(
    client: HocBaClient, service: ServiceDouble, package: Package, waits: list[float]
) -> None:
    date = {"retry-after": "Thu, 28 May 2026 00:00:12 GMT", "date": "Thu, 28 May 2026 00:00:05 GMT"}
    service.next_answers = [status(429, **{"retry-after": "90"}), status(503, **date), status(503)]
    await client.send(package)
    # A tenth of the back-off (1, 2, 4 s) comes on top, so that not everybody returns in the same second.
    assert waits == pytest.approx([90.1, 7.2, 4.0])


async def test_overload_that_does_not_end_is_told(
    client: HocBaClient, service: ServiceDouble, package: Package, waits: list[float]
) -> None:
    service.next_answers = [status(503)] * 4
    with pytest.raises(RefusalError) as caught:
        await client.send(package)
    assert (caught.value.status, caught.value.code, len(waits)) == (503, "503", 3)


async def test_a_service_that_is_not_there_is_told(
    client: HocBaClient, service: ServiceDouble, package: Package
) -> None:
    service.next_answers = [refused_connection] * 4
    with pytest.raises(UnreachableError) as caught:
        await client.send(package)
    assert not isinstance(caught.value, DoubtfulOutcomeError)
    assert "http://service" in caught.value.vi


async def test_a_refusal_carries_the_problem(
    client: HocBaClient, service: ServiceDouble, package: Package
) -> None:
    body = {
        "code": "TR-010", "title": "Trùng mã gói", "title_en": "Package id taken", "hint": "Đổi mã gói.",
        "errors": [{"where": "package_id", "why": "Đã dùng.", "why_en": "Used."}, {"line": 3}, None],
    }  # fmt: skip
    service.next_answers = [lambda _: httpx.Response(409, json=body)]
    with pytest.raises(RefusalError) as caught:
        await client.send(package)
    assert (caught.value.status, caught.value.code) == (409, "TR-010")
    assert caught.value.vi == "[TR-010] Trùng mã gói. package_id: Đã dùng. Đổi mã gói."
    assert caught.value.en == "Package id taken. package_id: Used."


async def test_a_lost_registration_is_not_repeated(client: HocBaClient, service: ServiceDouble) -> None:
    key, certificate = seal()
    service.next_answers = [service.answer, lost]
    with pytest.raises(DoubtfulOutcomeError):
        await client.register_certificate(
            school_code="6624305501", role="NHA_TRUONG", certificate=certificate, key=key
        )
    assert service.calls.count(("POST", "/api/v1/certificates")) == 1


async def test_registration_proves_possession_of_the_key(client: HocBaClient, service: ServiceDouble) -> None:
    key, certificate = seal()
    await client.register_certificate(
        school_code="6624305501", role="NHA_TRUONG", certificate=certificate, key=key
    )
    body = service.posted[0]
    assert (body["school_code"], body["role"]) == ("6624305501", "NHA_TRUONG")
    assert x509.load_pem_x509_certificate(body["certificate"].encode()) == certificate
    proof = body["proof"]
    assert (proof["challenge_id"], proof["algorithm"]) == ("c1", "ES256")
    raw = base64.b64decode(proof["signature"])
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.public_key().verify(signature, b"hocba-possession:bm9uY2U", ec.ECDSA(hashes.SHA256()))


async def test_waiting_ends_with_the_answer_or_the_time(
    client: HocBaClient, service: ServiceDouble, package: Package, waits: list[float]
) -> None:
    await client.send(package)
    assert (await client.wait_for_result(PACKAGE_ID.hex, seconds=5))["status"] == "received"
    assert sum(waits) == pytest.approx(5)
    service.taken[PACKAGE_ID.hex]["status"] = "answered"
    assert (await client.wait_for_result(PACKAGE_ID.hex, seconds=5))["status"] == "answered"


async def test_pages_are_walked_to_the_end(client: HocBaClient, service: ServiceDouble) -> None:
    service.next_answers = [
        lambda _: httpx.Response(200, json={"items": [{"n": 1}, {"n": 2}], "next_cursor": "k"}),
        lambda request: httpx.Response(
            200, json={"items": [{"n": 3, "at": request.url.params["cursor"]}], "next_cursor": None}
        ),
    ]
    assert [item async for item in client.packages(status="answered")] == [
        {"n": 1},
        {"n": 2},
        {"n": 3, "at": "k"},
    ]


def seal() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trường THCS Ngô Mây")])
    at = datetime(2026, 5, 28, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7).not_valid_before(at)
    return key, builder.not_valid_after(at.replace(year=2028)).sign(key, hashes.SHA256())
