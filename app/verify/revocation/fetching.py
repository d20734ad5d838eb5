"""Fetching what authorities publish: over HTTP, bounded in size and time, never from inside our own network.

Addresses stand in certificates that others hand in. Whoever registers one shall not be able to make this
service call its neighbours: every name is resolved here, what it resolves to is looked at, and the connection
goes to that very address (so that a second look-up cannot give another).
"""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

import httpx

from app.errors import DomainError

MAX_REDIRECTS: Final = 3
MAX_ADDRESS_CHARACTERS: Final = 500
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OCSP_REQUEST: Final = "application/ocsp-request"


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchRules:
    """How far fetching goes.

    Attributes:
        max_bytes: of one answer.
        seconds: for one answer, redirects and all.
        may_be_private: whether addresses of private networks may be called.
    """

    max_bytes: int
    seconds: float
    may_be_private: bool = False


async def fetch(address: str, rules: FetchRules, *, question: bytes | None = None) -> bytes:
    """Give what an address answers to GET, or to an OCSP question.

    Refuses with KS-085 an address that may not be called, KS-086 one that does not answer (or not with 200),
    KS-087 an answer that is too large.
    """
    try:
        async with asyncio.timeout(rules.seconds), httpx.AsyncClient(trust_env=False) as client:
            for _ in range(MAX_REDIRECTS + 1):
                answer = await _ask(client, address, rules, question)
                if isinstance(answer, bytes):
                    return answer
                address = answer
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise DomainError("KS-086", address=_shown(address), fault=type(error).__name__) from error
    raise DomainError("KS-086", address=_shown(address), fault="redirects")


async def _ask(
    client: httpx.AsyncClient, address: str, rules: FetchRules, question: bytes | None
) -> bytes | str:
    """Ask once: give the answer, or the address that it leads on to."""
    url = httpx.URL(address)
    if url.scheme not in {"http", "https"} or not url.host or len(address) > MAX_ADDRESS_CHARACTERS:
        raise DomainError("KS-085", address=_shown(address))
    request = client.build_request(
        "GET" if question is None else "POST",
        url.copy_with(host=await _resolve(url, rules, address)),
        content=question,
        # An unpacked answer could be larger than what came over the wire: none is asked for.
        headers={"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
        | ({} if question is None else {"Content-Type": _OCSP_REQUEST}),
        extensions={"sni_hostname": url.host, "timeout": httpx.Timeout(rules.seconds).as_dict()},
    )
    response = await client.send(request, stream=True)
    try:
        if response.status_code in _REDIRECTS and question is None:
            return str(urljoin(address, response.headers.get("location", "")))
        if response.status_code != httpx.codes.OK or "content-encoding" in response.headers:
            raise DomainError("KS-086", address=_shown(address), fault=f"HTTP {response.status_code}")
        return await _read(response, rules)
    finally:
        await response.aclose()


async def _resolve(url: httpx.URL, rules: FetchRules, address: str) -> str:
    """Give the network address to call; none of those that the name has may be one of ours."""
    loop = asyncio.get_running_loop()
    port = url.port or (443 if url.scheme == "https" else 80)
    found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    numbers = [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
    if not rules.may_be_private and not all(n.is_global and not n.is_multicast for n in numbers):
        raise DomainError("KS-085", address=_shown(address))
    return str(numbers[0])


async def _read(response: httpx.Response, rules: FetchRules) -> bytes:
    content = bytearray()
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > rules.max_bytes:
            raise DomainError("KS-087", limit=rules.max_bytes)
    return bytes(content)


def _shown(address: str) -> str:
    return address[:MAX_ADDRESS_CHARACTERS]
