"""Founding the demo province on a running service, over HTTP, as an administrator and the schools would."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx
from cryptography.hazmat.primitives.serialization import Encoding

from app.client.api import HocBaClient
from app.demo.credentials import Login, draw_logins
from app.demo.province import Province, School

APPROVED: Final = "approved"
DEPARTMENT_OFFICER: Final = "department_officer"
FOUNDED_ON: Final = "2025-07-01"  # the two-tier reform: communes as they are now
_TIMEOUT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """The logins that were made, by user name and by client id."""

    officers: Mapping[str, Login]
    clients: Mapping[str, Login]


class Caller:
    """Somebody signed in at the service; a refusal ends the demo, with its problem document."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Send a JSON request and give the JSON answer."""
        answer = await self._http.post(f"/api/v1{path}", json=body, headers=self._headers)
        return _checked(answer)

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """Read a JSON answer."""
        answer = await self._http.get(f"/api/v1{path}", params=query, headers=self._headers)
        return _checked(answer)


def _checked(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: {answer.text}")
    body: dict[str, Any] = answer.json()
    return body


def open_http(base_url: str) -> httpx.AsyncClient:
    """Open a plain HTTP client to the service."""
    return httpx.AsyncClient(base_url=base_url, timeout=_TIMEOUT_SECONDS)


async def sign_in(http: httpx.AsyncClient, login: Login) -> Caller:
    """Sign an officer in."""
    answer = await http.post("/api/v1/sessions", json={"username": login.name, "password": login.secret})
    return Caller(http, _checked(answer)["access_token"])


async def found_province(http: httpx.AsyncClient, administrator: Login, province: Province) -> Founded:
    """Create organisations, accounts, clients and the trust list, as the administrator."""
    caller = await sign_in(http, administrator)
    await _create_organisations(caller, province)
    officers = draw_logins([officer.username for officer in province.officers])
    for officer in province.officers:
        await caller.post(
            "/accounts",
            username=officer.username,
            full_name=officer.full_name,
            role=officer.role,
            organisation=officer.organisation,
            password=officers[officer.username].secret,
        )
    clients = {}
    for software in province.software:
        made = await caller.post(
            "/clients", name=software.client_id, client_id=software.client_id, schools=list(software.schools)
        )
        clients[software.client_id] = Login(name=made["client_id"], secret=made["client_secret"])
    for authority in province.authorities:
        for certificate, kind in zip(authority.anchors, ("anchor", "intermediate"), strict=True):
            await caller.post(
                "/trust-anchors",
                certificate=certificate.public_bytes(Encoding.PEM).decode(),
                owner_class=authority.owner_class,
                kind=kind,
            )
    return Founded(officers=officers, clients=clients)


async def _create_organisations(caller: Caller, province: Province) -> None:
    department = province.department
    bodies = [("department", department.code, department.name, "BGDDT")]
    bodies += [("commune", body.code, body.name, department.code) for body in province.communes]
    for kind, code, name, parent in bodies:
        await caller.post(
            "/organisations", kind=kind, code=code, name=name, parent_code=parent, valid_from=FOUNDED_ON
        )
    for school in province.schools:
        await caller.post(
            "/organisations",
            kind="school",
            code=school.code,
            name=school.name,
            parent_code=school.commune.code,
            managed_by=school.managed_by,
            levels=[school.level],
            is_public=school.is_public,
            valid_from=FOUNDED_ON,
        )


def client_of(base_url: str, founded: Founded, province: Province, school: School) -> HocBaClient:
    """Give the client of the software that acts for a school."""
    software = next(item for item in province.software if school.code in item.schools)
    login = founded.clients[software.client_id]
    return HocBaClient(base_url, login.name, login.secret)


async def enrol_certificates(
    http: httpx.AsyncClient, base_url: str, founded: Founded, province: Province
) -> int:
    """Register seals and heads with proof of possession, and let the competent officers approve in bulk.

    What the cast leaves pending stays pending; a school with no seal registers nothing. Gives how many were
    approved.
    """
    waiting: dict[str, list[str]] = {}
    for school in province.schools:
        if school.seal_status == "none":
            continue
        async with client_of(base_url, founded, province, school) as client:
            for role, credential in (("NHA_TRUONG", school.seal), ("THU_TRUONG", school.head.credential)):
                registered = await client.register_certificate(
                    school_code=school.code,
                    role=role,
                    certificate=credential.certificate,
                    key=credential.key,
                )
                if school.seal_status == APPROVED:
                    waiting.setdefault(school.managed_by, []).append(registered["certificate_id"])
    for authority, certificates in waiting.items():
        officer = next(item for item in province.officers if item.organisation == authority)
        caller = await sign_in(http, founded.officers[officer.username])
        await caller.post("/certificates/decisions", certificate_ids=certificates, action="approve")
    return sum(len(certificates) for certificates in waiting.values())


async def extend_deadlines(
    http: httpx.AsyncClient, founded: Founded, province: Province, *, until: datetime
) -> int:
    """Let every school in after the cut-offs of the demo's school year: one officer asks, another approves.

    The demo may be played on any day of the year, and stays within the law: late is marked late. Gives how
    many schools were granted it.
    """
    first, second = [
        await sign_in(http, founded.officers[officer.username])
        for officer in province.officers
        if (officer.role, officer.organisation) == (DEPARTMENT_OFFICER, province.department.code)
    ][:2]
    for school in province.schools:
        asked = await first.post(
            "/extensions",
            school_code=school.code,
            school_year=province.school_year,
            until=until.isoformat(),
            reason="Tỉnh mẫu được dựng sau mốc chốt / the demo may be played after the cut-off",
        )
        await second.post(f"/extensions/{asked['extension_id']}/approve")
    return len(province.schools)
