"""The far side of the wire, for the client's tests: answers as the service's published surface says."""

import base64
import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import httpx

Answer = httpx.Response | Exception


@dataclass
class ServiceDouble(httpx.AsyncBaseTransport):
    """Takes packages by digest; ``next_answers`` come first, each in place of one answer to a call."""

    expires_in: int = 300
    next_answers: list[Callable[[httpx.Request], Answer]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    posted: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        path = request.url.path
        self.calls.append((request.method, path))
        if path == "/oauth2/token":
            return self._token(request)
        if self.next_answers:
            answer = self.next_answers.pop(0)(request)
            if isinstance(answer, Exception):
                raise answer
            return answer
        return self.answer(request)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """Answer as the service does when nothing goes wrong."""
        if request.headers.get("authorization") != f"Bearer token-{self.tokens}":
            return httpx.Response(401, json={"code": "QH-002", "title": "Hết hạn", "title_en": "Expired"})
        step = request.url.path.rpartition("/")[2]
        match request.method, request.url.path.removeprefix("/api/v1").split("/")[1:]:
            case "POST", ["packages"]:
                answer = self.take(request)
            case "GET", ["packages", _]:
                answer = httpx.Response(200, json=self.taken[step])
            case "GET", ["digests", _]:
                answer = self.places_of(step)
            case "POST", ["certificates", "challenges"]:
                answer = httpx.Response(201, json={"challenge_id": "c1", "nonce": "bm9uY2U"})
            case "POST", ["certificates"]:
                self.posted.append(json.loads(request.content))
                answer = httpx.Response(201, json={"certificate_id": "x", "state": "pending"})
            case _:
                answer = httpx.Response(404, json={"code": "DD-904"})
        return answer

    def places_of(self, digest: str) -> httpx.Response:
        """Say where a digest is known."""
        known = [key for key, value in self.taken.items() if value["sha256"] == digest]
        places = [{"package_id": key, "position": None} for key in known]
        return httpx.Response(200, json={"sha256": digest, "is_known": bool(places), "places": places})

    def take(self, request: httpx.Request) -> httpx.Response:
        """Take a package in either form."""
        if request.headers["content-type"] == "application/gzip":
            gzipped, fields = request.content, dict(request.url.params)
        else:
            fields = json.loads(request.content)
            gzipped = base64.b64decode(fields.pop("payload"))
        gzip.decompress(gzipped)
        self.posted.append({**fields, "prefer": request.headers.get("prefer")})
        body: dict[str, Any] = {
            "package_id": fields["package_id"],
            "sha256": sha256(gzipped).hexdigest(),
            "status": "answered" if request.headers.get("prefer") else "received",
            "acknowledgement": "a.b.c",
            "items": [],
        }
        is_repeat = fields["package_id"] in self.taken
        self.taken[fields["package_id"]] = body
        return httpx.Response(200 if is_repeat else 202, json=body)

    def _token(self, request: httpx.Request) -> httpx.Response:
        given = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        if given != "truong%3A1:b%C3%AD%20m%E1%BA%ADt":
            return httpx.Response(401, json={"code": "QH-001", "title": "Sai mật khẩu"})
        self.tokens += 1
        return httpx.Response(
            200, json={"access_token": f"token-{self.tokens}", "expires_in": self.expires_in}
        )
