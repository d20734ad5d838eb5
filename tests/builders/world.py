"""The running service with the demo province in it: real database, real judging, HTTP through ASGI."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from lxml import etree
from sqlalchemy.ext.asyncio import AsyncConnection

from app import jobs
from app.actors import Role, System
from app.api.deps import ServiceState
from app.api.tokens import TokenKind, TokenSubject, issue_token
from app.client.keys import PrivateKey
from app.client.packaging import Header, Package, build_package, pack
from app.client.possession import possession_proof
from app.db import transaction
from app.demo.authority import Credential
from app.demo.province import Province, School, build_province
from app.demo.transcripts import compose_school, sign_composed
from app.ingest.receipts import ISSUER
from app.main import create_app, handles, open_service
from app.organisations.accounts import AccountDraft, create_account
from app.organisations.clients import create_client
from app.organisations.kinds import OrganisationKind
from app.organisations.passwords import hash_password
from app.organisations.tree import OrganisationDraft, create_organisation
from app.settings import Settings
from app.verify.certificates.anchors import AnchorKind, add_anchor
from app.verify.chain import OwnerClass
from tests.builders.clock import MovableClock

SIGNED: Final = datetime(2026, 6, 8, 2, 0, tzinfo=UTC)
NOW: Final = datetime(2026, 6, 9, 2, 0, tzinfo=UTC)
LEASE: Final = timedelta(seconds=20)


@cache
def demo_province(pupils: int = 3) -> Province:
    """The demo's cast with its keys, made once a session: making keys is slow."""
    return build_province(at=SIGNED, school_year="2025-2026", pupils_per_school=pupils)


@cache
def officer_password_hash() -> str:
    """One hash for all officers, made once."""
    return hash_password("mật khẩu rất dài 1")


@dataclass(kw_only=True)
class World:
    """Everything a story needs; ``clients`` and ``officers`` are tokens by name."""

    service: ServiceState
    app: FastAPI
    http: httpx.AsyncClient
    clock: MovableClock
    province: Province
    accounts: dict[str, TokenSubject] = field(default_factory=dict)

    def school(self, level: str) -> School:
        """The approved school of a level."""
        return next(s for s in self.province.schools if s.level == level and s.seal_status == "approved")

    def with_seal(self, status: str) -> School:
        """A school whose seal stands so in the cast."""
        return next(s for s in self.province.schools if s.seal_status == status)

    def as_(self, name: str) -> dict[str, str]:
        """The headers of a caller: an officer's username, a client's id, or a school code (its client)."""
        if name not in self.accounts:
            name = next(s.client_id for s in self.province.software if name in s.schools)
        token = issue_token(
            self.service.keys,
            self.accounts[name],
            issuer=ISSUER,
            now=self.clock(),
            lifetime=timedelta(hours=1),
        )
        return {"Authorization": f"Bearer {token}"}

    def authority_of(self, school: School) -> str:
        """The officer who decides for a school."""
        return next(o.username for o in self.province.officers if o.organisation == school.managed_by)

    async def register(
        self, school: School, role: str, credential: Credential, *, renews: str | None = None
    ) -> str:
        """Register a certificate with proof of possession; gives its id."""
        caller = self.as_(school.code)
        asked = await self.http.post(
            "/api/v1/certificates/challenges", json={"school_code": school.code}, headers=caller
        )
        challenge = asked.json()
        key: PrivateKey = credential.key
        answer = await self.http.post(
            "/api/v1/certificates",
            json={
                "school_code": school.code,
                "role": role,
                "renews": renews,
                "certificate": credential.certificate_pem.decode(),
                "proof": possession_proof(
                    key, challenge_id=challenge["challenge_id"], nonce=challenge["nonce"]
                ),
            },
            headers=caller,
        )
        assert answer.status_code == 201, answer.text
        registered: str = answer.json()["certificate_id"]
        return registered

    async def approve(self, school: School, certificate_id: str) -> None:
        """Approve by the competent officer."""
        answer = await self.http.post(
            f"/api/v1/certificates/{certificate_id}/approve",
            json={},
            headers=self.as_(self.authority_of(school)),
        )
        assert answer.status_code == 200, answer.text

    async def enrol(self, *schools: School) -> None:
        """Register seal and head of schools, and approve both."""
        for school in schools:
            for role, credential in (("NHA_TRUONG", school.seal), ("THU_TRUONG", school.head.credential)):
                await self.approve(school, await self.register(school, role, credential))

    def signed(self, school: School, *, seed: int = 66, signed_at: datetime = SIGNED) -> list[etree._Element]:
        """Signed transcripts of all pupils of a school; another seed gives other look-up codes and marks."""
        composed = compose_school(self.province, school, signed_at=signed_at, seed=seed)
        return [sign_composed(item, signed_at=signed_at) for item in composed]

    def package(
        self, school: School, transcripts: Sequence[etree._Element] | None = None, *, id_: UUID | None = None
    ) -> Package:
        """A package of a school, ready for the wire, under a fresh id."""
        chosen = list(transcripts) if transcripts is not None else self.signed(school)
        header = Header(
            package_id=id_ or uuid4(),
            school_code=school.code,
            school_year=self.province.school_year,
            created_at=self.clock(),
            software_name="Sổ điểm thử nghiệm",
            software_version="2.1",
        )
        return pack(build_package(chosen, header))

    async def post(self, package: Package, *, atomic: bool = False, **headers: str) -> httpx.Response:
        """Send a package as its school's client."""
        query = {**package.outer_fields, **({"atomic": "true"} if atomic else {})}
        return await self.http.post(
            "/api/v1/packages",
            params=query,
            content=package.gzipped,
            headers={
                "Content-Type": "application/gzip",
                **self.as_(package.school_code),
                **headers,
            },
        )

    async def work(self) -> int:
        """Do every job that is ready, one after another; gives how many."""
        done = 0
        doers = handles(self.service)
        while True:
            async with transaction(self.service.engine) as connection:
                claimed = await jobs.claim(connection, worker="test", lease=LEASE, limit=1)
            if not claimed:
                return done
            await doers[claimed[0].kind](claimed[0], "test")
            done += 1

    async def read(self, package_id: str, *, caller: str | None = None, **query: str) -> dict[str, Any]:
        """Read a package's answer as its sender, or as somebody else."""
        name = caller or next(iter(self.accounts))
        answer = await self.http.get(f"/api/v1/packages/{package_id}", params=query, headers=self.as_(name))
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def send(self, school: School, package: Package, *, atomic: bool = False) -> dict[str, Any]:
        """Send, judge, and read the answer."""
        answer = await self.post(package, atomic=atomic)
        assert answer.status_code == 202, answer.text
        await self.work()
        return await self.read(package.package_id, caller=school.code)


@asynccontextmanager
async def running_world(
    database_url: str, folder: Path, *, now: datetime = NOW, province: Province | None = None
) -> AsyncIterator[World]:
    """Open the service on a fresh database and found a province (the demo's); nothing is registered."""
    clock = MovableClock(now)
    settings = Settings(data_dir=folder, database_pool=5)
    async with open_service(settings, database_url, clock=clock) as service:
        app = create_app(service)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as http:
            cast = province or demo_province()
            world = World(service=service, app=app, http=http, clock=clock, province=cast)
            await _found(world)
            yield world


async def _trust(connection: AsyncConnection, world: World) -> None:
    for authority in world.province.authorities:
        kinds = (AnchorKind.ANCHOR, AnchorKind.INTERMEDIATE)
        for certificate, kind in zip(authority.anchors, kinds, strict=True):
            await add_anchor(
                connection, certificate, owner_class=OwnerClass(authority.owner_class), kind=kind,
                now=world.clock(), actor=System(),
            )  # fmt: skip


async def _found(world: World) -> None:
    province, now, actor = world.province, world.clock(), System()
    async with transaction(world.service.engine) as connection:

        async def organise(kind: str, code: str, name: str, parent: str | None, **rest: Any) -> None:
            draft = OrganisationDraft(
                kind=OrganisationKind(kind),
                code=code,
                name=name,
                parent_code=parent,
                valid_from=date(2025, 7, 1),
                **rest,
            )
            await create_organisation(connection, draft, now=now, actor=actor)

        await organise("ministry", "BGDDT", "Bộ Giáo dục và Đào tạo", None)
        await organise("department", province.department.code, province.department.name, "BGDDT")
        for commune in province.communes:
            await organise("commune", commune.code, commune.name, province.department.code)
        for school in province.schools:
            await organise(
                "school", school.code, school.name, school.commune.code,
                levels=(school.level,), is_public=school.is_public, managed_by=school.managed_by,
            )  # fmt: skip
        people = [(o.username, o.full_name, o.role, o.organisation) for o in province.officers]
        for username, full_name, role, code in [
            *people,
            ("quantri", "Quản trị", "administrator", "BGDDT"),
            ("bogddt", "Cán bộ Bộ", "ministry_officer", "BGDDT"),
        ]:
            account = await create_account(
                connection,
                AccountDraft(
                    username=username, full_name=full_name, role=Role(role), organisation_code=code,
                    password_hash=officer_password_hash(),
                ),
                now=now, actor=actor,
            )  # fmt: skip
            world.accounts[username] = TokenSubject(kind=TokenKind.OFFICER, id=account.id)
        for software in province.software:
            made, _ = await create_client(
                connection, name=software.client_id, school_codes=software.schools,
                client_id=software.client_id, now=now, actor=actor,
            )  # fmt: skip
            world.accounts[software.client_id] = TokenSubject(kind=TokenKind.CLIENT, id=made.id)
        await _trust(connection, world)
