"""The service's HTTP surface, as a school's software uses it (phần mềm nhà trường)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.client.keys import PrivateKey, check_pair
from app.client.packaging import Package
from app.client.possession import possession_proof
from app.client.session import DoubtfulOutcomeError, Patience, ServiceSession

API: Final = "/api/v1"
ANSWERED: Final = "answered"
_POLL_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """That the service holds a package.

    Attributes:
        acknowledgement: the signed statement of it, to be kept.
        result: the answer for every transcript, where it was waited for and is there.
        was_recovered: the first answer was lost on the way; this one was found by the package's digest.
    """

    package_id: str
    sha256: str
    status: str
    acknowledgement: str
    result: dict[str, Any] | None
    was_recovered: bool


class HocBaClient:
    """Sends packages, follows them, registers certificates, asks for recalls, for the client's schools.

    Every call raises RefusalError where the service refuses and UnreachableError where it cannot be reached.
    """

    def __init__(
        self,
        base_url: str,
        client_id: str,
        client_secret: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        patience: Patience | None = None,
        timeout_seconds: float = 60.0,
    ) -> None:
        self._session = ServiceSession(
            base_url,
            client_id,
            client_secret,
            transport=transport,
            patience=patience,
            timeout_seconds=timeout_seconds,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.aclose()

    async def send(
        self, package: Package, *, is_raw: bool = False, wait_seconds: int = 0, is_atomic: bool = False
    ) -> Sent:
        """Send a package until the service acknowledges it; the same package is never recorded twice.

        After a time-out the service is asked whether it knows the digest before anything is sent again.

        Args:
            package: what to send.
            is_raw: send the gzip as the body instead of base64 in JSON; rules and digest are the same.
            wait_seconds: ask the service to wait that long for the result (``Prefer: wait``).
            is_atomic: all transcripts or none.
        """
        content = _body(package, is_raw=is_raw, is_atomic=is_atomic)
        if wait_seconds:
            content["headers"]["Prefer"] = f"wait={wait_seconds}"
        patience = self._session.patience
        for attempt in range(patience.attempts):
            try:
                response = await self._session.request(
                    "POST", f"{API}/packages", is_repeatable=False, **content
                )
            except DoubtfulOutcomeError:
                if attempt + 1 == patience.attempts:
                    raise
                known = await self._known(package)
                if known is not None:
                    return known
                await patience.pause(attempt)
            else:
                body = response.json()
                return _sent(body, result=body.get("result"), was_recovered=False)
        raise AssertionError("the last attempt returns or raises")

    async def validate(self, package: Package) -> dict[str, Any]:
        """Ask for the judgement a package would have; nothing is stored and nothing is signed."""
        content = _body(package, is_raw=True, is_atomic=False)
        return await self._json("POST", "/validations", **content)

    async def package(self, package_id: str, *, outcome: str | None = None) -> dict[str, Any]:
        """Read a package's state, counts and items; ``outcome`` filters the items."""
        params = {"outcome": outcome} if outcome else {}
        return await self._json("GET", f"/packages/{package_id}", params=params)

    async def wait_for_result(self, package_id: str, *, seconds: float) -> dict[str, Any]:
        """Read a package until it is answered or the time is over; gives what was read last."""
        waited = 0.0
        while True:
            body = await self.package(package_id)
            if body["status"] == ANSWERED or waited >= seconds:
                return body
            pause = min(_POLL_SECONDS, seconds - waited)
            await self._session.patience.sleep(pause)
            waited += pause

    async def packages(
        self, *, since: datetime | None = None, status: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Walk through the packages sent, oldest first."""
        params: dict[str, str] = {}
        if since is not None:
            params["since"] = since.isoformat()
        if status is not None:
            params["status"] = status
        async for item in self._pages("/packages", params):
            yield item

    async def payload(self, package_id: str) -> bytes:
        """Fetch the gzip bytes as the service received them."""
        response = await self._session.request(
            "GET", f"{API}/packages/{package_id}/payload", is_repeatable=True
        )
        return response.content

    async def digest(self, sha256: str) -> dict[str, Any]:
        """Ask what is known of a package's digest or a transcript's content digest."""
        return await self._json("GET", f"/digests/{sha256}")

    async def record(self, record_id: str) -> dict[str, Any]:
        """Read a record's metadata, status, events and signatures."""
        return await self._json("GET", f"/records/{record_id}")

    async def record_xml(self, record_id: str) -> bytes:
        """Fetch the signed XML of a record exactly as it was verified."""
        response = await self._session.request("GET", f"{API}/records/{record_id}/xml", is_repeatable=True)
        return response.content

    async def record_receipt(self, record_id: str) -> str:
        """Fetch the receipt with which a record was accepted, as a compact JWS."""
        response = await self._session.request(
            "GET", f"{API}/records/{record_id}/receipt", is_repeatable=True
        )
        return _token(response)

    async def student_records(self, student_id: str) -> AsyncIterator[dict[str, Any]]:
        """Walk through one pupil's years, by pupil code or identity number, oldest first."""
        async for item in self._pages(f"/students/{student_id}/records", {}):
            yield item

    async def register_certificate(
        self, *, school_code: str, role: str, certificate: x509.Certificate, key: PrivateKey
    ) -> dict[str, Any]:
        """Register a seal or a head's certificate, proving possession of its key; it then awaits approval.

        Raises:
            SigningError: the key is not the certificate's.
        """
        check_pair(key, certificate)
        challenge = await self._json("POST", "/certificates/challenges", json={"school_code": school_code})
        proof = possession_proof(key, challenge_id=challenge["challenge_id"], nonce=challenge["nonce"])
        pem = certificate.public_bytes(Encoding.PEM).decode()
        body = {"school_code": school_code, "role": role, "certificate": pem, "proof": proof}
        return await self._json("POST", "/certificates", is_repeatable=False, json=body)

    async def certificates(self, *, status: str | None = None) -> AsyncIterator[dict[str, Any]]:
        """Walk through the certificates of the client's schools."""
        async for item in self._pages("/certificates", {"status": status} if status else {}):
            yield item

    async def request_recall(
        self, record_ids: Sequence[str], *, reason_code: str, reason: str
    ) -> dict[str, Any]:
        """Ask the managing authority to recall records (thu hồi); nothing changes until it decides."""
        body = {"record_ids": list(record_ids), "reason_code": reason_code, "reason": reason}
        return await self._json("POST", "/recalls", is_repeatable=False, json=body)

    async def recall(self, recall_id: str) -> dict[str, Any]:
        """Read a recall request."""
        return await self._json("GET", f"/recalls/{recall_id}")

    async def withdraw_recall(self, recall_id: str) -> dict[str, Any]:
        """Take a recall request back before it is decided."""
        return await self._json("POST", f"/recalls/{recall_id}/withdraw", is_repeatable=False)

    async def limits(self) -> dict[str, Any]:
        """Read the limits in force."""
        return await self._json("GET", "/limits", is_public=True)

    async def service_jwks(self) -> dict[str, Any]:
        """Fetch the keys that receipts verify against; keep them beside the receipts."""
        response = await self._session.request(
            "GET", "/.well-known/jwks.json", is_repeatable=True, is_public=True
        )
        body: dict[str, Any] = response.json()
        return body

    async def _known(self, package: Package) -> Sent | None:
        """Say what the service knows of a package whose answer was lost; None: it never arrived."""
        answer = await self.digest(package.digest)
        for place in answer.get("places", []):
            if place.get("package_id") == package.package_id.replace("-", "").lower():
                body = await self.package(package.package_id)
                return _sent(body, result=body if body["status"] == ANSWERED else None, was_recovered=True)
        return None

    async def _json(
        self, method: str, path: str, *, is_repeatable: bool = True, is_public: bool = False, **content: Any
    ) -> dict[str, Any]:
        response = await self._session.request(
            method, f"{API}{path}", is_repeatable=is_repeatable, is_public=is_public, **content
        )
        body: dict[str, Any] = response.json()
        return body

    async def _pages(self, path: str, params: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            page = await self._json("GET", path, params={**params, **({"cursor": cursor} if cursor else {})})
            for item in page["items"]:
                yield item
            cursor = page.get("next_cursor")
            if not cursor:
                return


def _body(package: Package, *, is_raw: bool, is_atomic: bool) -> dict[str, Any]:
    atomic = {"atomic": "true"} if is_atomic else {}
    if is_raw:
        return {
            "content": package.gzipped,
            "params": {**package.outer_fields, **atomic},
            "headers": {"Content-Type": "application/gzip"},
        }
    return {
        "content": package.as_json(is_atomic=is_atomic),
        "headers": {"Content-Type": "application/json"},
    }


def _sent(body: dict[str, Any], *, result: dict[str, Any] | None, was_recovered: bool) -> Sent:
    return Sent(
        package_id=body["package_id"],
        sha256=body["sha256"],
        status=body["status"],
        acknowledgement=body["acknowledgement"],
        result=result,
        was_recovered=was_recovered,
    )


def _token(response: httpx.Response) -> str:
    """Take a compact JWS from an answer that is one, or a JSON document that carries one."""
    if response.headers.get("content-type", "").startswith("application/json"):
        body = response.json()
        return str(body["receipt"] if isinstance(body, dict) else body)
    return response.text.strip()
