"""A hand in the line between two instances: it changes what a province sends, as a thief could."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass

import httpx

# Given the end of the address and what was sent (unpacked), gives what arrives.
Change = Callable[[str, bytes], bytes]


@dataclass(frozen=True, kw_only=True)
class Meddling(httpx.AsyncBaseTransport):
    """Passes requests on, but for those whose gzip the hand changes."""

    inner: httpx.AsyncBaseTransport
    change: Change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.headers.get("content-type") == "application/gzip":
            sent = gzip.decompress(await request.aread())
            arrives = gzip.compress(self.change(request.url.path, sent))
            headers = {name: value for name, value in request.headers.items() if name != "content-length"}
            request = httpx.Request(request.method, request.url, headers=headers, content=arrives)
        return await self.inner.handle_async_request(request)
