"""Fetching from strangers' addresses: bounded, and never from inside our own network."""

from dataclasses import replace
from typing import Final

import pytest

from app.errors import DomainError
from app.verify.revocation.fetching import FetchRules, fetch
from tests.builders.publisher import publisher, whole

MAY_BE_NEAR: Final = FetchRules(max_bytes=100_000, seconds=5, may_be_private=True)


async def refused(address: str, rules: FetchRules = MAY_BE_NEAR) -> str:
    with pytest.raises(DomainError) as refusal:
        await fetch(address, rules)
    assert refusal.value.cause.detail_vi.format(**refusal.value.facts)
    return refusal.value.code


async def test_fetching_follows_a_few_redirects_and_no_more() -> None:
    answers = {
        "/a": whole(b"", "Location: /b", status="302 Found"),
        "/b": whole(b"list"),
        "/loop": whole(b"", "Location: /loop", status="302 Found"),
        "/away": whole(b"", "Location: file:///etc/passwd", status="302 Found"),
    }
    async with publisher(answers) as home:
        assert await fetch(f"{home}/a", MAY_BE_NEAR) == b"list"
        assert await refused(f"{home}/loop") == "KS-086"
        assert await refused(f"{home}/away") == "KS-085"


async def test_fetching_is_bounded_in_size_and_time() -> None:
    answers = {
        "/large": whole(b"x" * 100_001),
        "/packed": whole(b"x", "Content-Encoding: gzip"),
        "/slow": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx",
        "/none": whole(b"", status="500 Fault"),
    }
    async with publisher(answers) as home:
        assert await refused(f"{home}/large") == "KS-087"
        assert await refused(f"{home}/packed") == "KS-086"
        assert await refused(f"{home}/slow", replace(MAY_BE_NEAR, seconds=0.5)) == "KS-086"
        assert await refused(f"{home}/none") == "KS-086"


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1/x.crl",
        "http://localhost/x.crl",
        "http://10.1.2.3/x.crl",
        "http://192.168.0.1/x.crl",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/x.crl",
        "http://[::ffff:127.0.0.1]/x.crl",
        "http://0.0.0.0/x.crl",
        "http://2130706433/x.crl",
        "ldap://example.vn/cn=x",
        "file:///etc/passwd",
        "http:///x.crl",
        "gopher://example.vn/",
    ],
)
async def test_no_neighbour_is_called(address: str) -> None:
    rules = FetchRules(max_bytes=1000, seconds=5)
    assert await refused(address, rules) == "KS-085"
