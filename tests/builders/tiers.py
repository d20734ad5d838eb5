"""Two instances of the service: a province's (the world) and the ministry's, each with its own database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import jobs
from app.actors import Role, System
from app.api.deps import ServiceState
from app.api.tokens import TokenKind, TokenSubject, issue_token
from app.client.session import Patience
from app.db import transaction
from app.deadlines.calendar import end_of_day
from app.forwarding.ministry import Ministry, Upstream
from app.forwarding.provinces import add_keys
from app.forwarding.requesting import ForwardingView, forwarding_of, request_forwarding
from app.forwarding.sending import Forwarder, forward_due
from app.ingest.receipts import ISSUER
from app.main import create_app, handles, open_service
from app.organisations.accounts import AccountDraft, create_account
from app.organisations.clients import create_client
from app.organisations.kinds import OrganisationKind
from app.organisations.tables import account, client
from app.organisations.tree import OrganisationDraft, create_organisation
from app.settings import Settings
from app.snapshots.reading import SnapshotView, list_snapshots
from app.snapshots.scopes import Scope, SnapshotKind
from app.snapshots.sealing import Outcome, Sealer, seal
from app.verify.certificates.anchors import AnchorKind, add_anchor
from app.verify.chain import OwnerClass
from tests.builders.clock import MovableClock
from tests.builders.world import LEASE, World, officer_password_hash

CONFIRMED_CUT_OFF: Final = end_of_day(date(2026, 7, 10))
FINAL_CUT_OFF: Final = end_of_day(date(2026, 8, 25))
MINUTE: Final = timedelta(minutes=1)
PROVINCES: Final = ("66", "37")


async def found_nation(connection: AsyncConnection, world: World, *, trusts: bool = True) -> dict[str, str]:
    """Found the ministry's tree: two departments, an officer, a client of each; gives the secrets."""
    now, actor = world.clock(), System()

    async def organise(kind: str, code: str, parent: str | None) -> None:
        draft = OrganisationDraft(
            kind=OrganisationKind(kind), code=code, name=code, parent_code=parent, valid_from=date(2025, 7, 1)
        )
        await create_organisation(connection, draft, now=now, actor=actor)

    await organise("ministry", "BGDDT", None)
    secrets = {}
    for code in PROVINCES:
        await organise("department", code, "BGDDT")
        _, secrets[code] = await create_client(
            connection, name=f"Sở {code}", client_id=f"so-{code}", department_code=code, now=now, actor=actor
        )
    await create_account(
        connection,
        AccountDraft(
            username="bogddt", full_name="Cán bộ Bộ", role=Role.MINISTRY_OFFICER, organisation_code="BGDDT",
            password_hash=officer_password_hash(),
        ),
        now=now, actor=actor,
    )  # fmt: skip
    await add_keys(connection, "66", world.service.keys.public(), now=now, actor=actor)
    if trusts:
        await trust(connection, world)
    return secrets


async def trust(connection: AsyncConnection, world: World) -> None:
    """List the authorities of the world's certificates."""
    for authority in world.province.authorities:
        kinds = (AnchorKind.ANCHOR, AnchorKind.INTERMEDIATE)
        for certificate, kind in zip(authority.anchors, kinds, strict=True):
            await add_anchor(
                connection, certificate, owner_class=OwnerClass(authority.owner_class), kind=kind,
                now=world.clock(), actor=System(),
            )  # fmt: skip


@dataclass(kw_only=True)
class Nation:
    """The ministry's instance, and the province's beside it."""

    world: World
    service: ServiceState
    http: httpx.AsyncClient
    clock: MovableClock
    secrets: dict[str, str]
    accounts: dict[str, TokenSubject] = field(default_factory=dict)
    transport: httpx.AsyncBaseTransport

    def as_(self, name: str) -> dict[str, str]:
        """The headers of a caller at the ministry: ``bogddt``, or ``so-66``."""
        token = issue_token(
            self.service.keys, self.accounts[name], issuer=ISSUER, now=self.clock(),
            lifetime=timedelta(hours=1),
        )  # fmt: skip
        return {"Authorization": f"Bearer {token}"}

    def upstream(self, province: str = "66") -> Upstream:
        """The ministry as a province's instance is configured to call it."""
        return Upstream(
            url="http://bo.test", client_id=f"so-{province}", client_secret=self.secrets[province]
        )

    def forwarder(self, province: str = "66", **given: Any) -> Forwarder:
        """What the province's worker forwards with; between looks at the answer the ministry works."""
        service = self.world.service

        async def rest(_: float) -> None:
            await self.work()

        return Forwarder(
            **{
                "engine": service.engine, "clock": service.clock, "keys": service.keys,
                "offload": service.bench.offload, "upstream": self.upstream(province), "transcripts": 2,
                "patience": Patience(sleep=rest), "transport": self.transport, **given,
            }
        )  # fmt: skip

    async def work(self) -> None:
        """Do every job of the ministry that is ready."""
        doers = handles(self.service)
        while True:
            async with transaction(self.service.engine) as connection:
                claimed = await jobs.claim(connection, worker="test", lease=LEASE, limit=1)
            if not claimed:
                return
            await doers[claimed[0].kind](claimed[0], "test")

    async def forward(self, **given: Any) -> ForwardingView:
        """Let the province forward what is sealed; gives how the one forwarding stands."""
        await forward_due(self.forwarder(**given))
        return await self.forwarding()

    async def forwarding(self, found: SnapshotView | None = None) -> ForwardingView:
        """How the province's forwarding of a snapshot (the latest) stands."""
        wanted = found or (await sealed_snapshots(self.world))[-1]
        async with transaction(self.world.service.engine) as connection:
            return await forwarding_of(connection, wanted.id)

    def ministry(self, province: str = "66") -> Ministry:
        """A session of a province's client, for sending by hand."""
        return Ministry(self.upstream(province), Patience(attempts=1), self.transport)


@asynccontextmanager
async def running_ministry(
    world: World, database_url: str, folder: Path, *, trusts: bool = True
) -> AsyncIterator[Nation]:
    """Open the ministry's instance on a database of its own, at the world's time."""
    settings = Settings(tier="ministry", data_dir=folder, database_pool=5)
    async with open_service(settings, database_url, clock=world.clock) as service:
        async with transaction(service.engine) as connection:
            secrets = await found_nation(connection, world, trusts=trusts)
            accounts = await _subjects(connection)
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://bo.test") as http:
            yield Nation(
                world=world, service=service, http=http, clock=world.clock, secrets=secrets,
                accounts=accounts, transport=transport,
            )  # fmt: skip


async def _subjects(connection: AsyncConnection) -> dict[str, TokenSubject]:
    officers = await connection.execute(select(account.c.id, account.c.username))
    found = {row.username: TokenSubject(kind=TokenKind.OFFICER, id=row.id) for row in officers}
    clients = await connection.execute(select(client.c.id, client.c.client_id))
    return found | {row.client_id: TokenSubject(kind=TokenKind.CLIENT, id=row.id) for row in clients}


async def seal_upstream(world: World, kind: SnapshotKind = SnapshotKind.UPSTREAM_CONFIRMED) -> SnapshotView:
    """Let the cut-off pass and seal the department's snapshot."""
    cut_off = FINAL_CUT_OFF if kind is SnapshotKind.UPSTREAM_FINAL else CONFIRMED_CUT_OFF
    world.clock.now = cut_off + MINUTE
    bench = world.service.bench
    sealer = Sealer(engine=bench.engine, clock=bench.clock, keys=bench.keys, offload=bench.offload)
    assert await seal(sealer, Scope(province="66", school_year=2025, kind=kind)) is Outcome.SEALED
    return (await sealed_snapshots(world))[-1]


async def sealed_snapshots(world: World) -> list[SnapshotView]:
    """The snapshots that the province owes the ministry, oldest first."""
    async with transaction(world.service.engine) as connection:
        found = await list_snapshots(connection, "66", limit=10)
    return [view for view in found if view.scope.kind is not SnapshotKind.SCHOOL_CONFIRMED]


async def count(engine: AsyncEngine, table: Table) -> int:
    """How many rows a table holds."""
    async with transaction(engine) as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def begin_again(nation: Nation, found: SnapshotView) -> None:
    """Ask for a further round, as the department's officer does."""
    async with transaction(nation.world.service.engine) as connection:
        await request_forwarding(connection, found, is_again=True, now=nation.clock(), actor=System())
