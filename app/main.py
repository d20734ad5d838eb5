"""The composition root: settings become an engine, keys, a judge's bench, an application and a worker."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import timedelta
from functools import partial
from typing import Final

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from app import schedule
from app.api import (
    accounts,
    archives,
    arrivals,
    audit_log,
    calendar,
    certificates,
    clients,
    contents,
    copies,
    enrolments,
    explanations,
    extensions,
    forwarding,
    forwarding_reports,
    health,
    impact,
    lookup,
    lookup_page,
    organisations,
    packages,
    policies,
    problems,
    provinces,
    public,
    recalls,
    reconciliation,
    records,
    reports,
    revocation,
    sessions,
    snapshots,
    transfers,
    trust_anchors,
)
from app.api.auth import Authenticator
from app.api.deps import ServiceState
from app.api.description import DescribedApplication
from app.api.edge import Edge, EdgeLimits
from app.api.measures import new_measures
from app.api.oidc import OpenIdProvider
from app.api.rate_limits import Calls, RateLimits, address_key, call_rates
from app.clock import Clock, system_clock
from app.db import open_engine, transaction
from app.forwarding.closing import CLOSE_ARRIVAL, Closer, close_arrival
from app.forwarding.ministry import Upstream
from app.forwarding.requesting import FORWARD_SNAPSHOTS
from app.forwarding.sending import Forwarder, forward_due
from app.ingest.admission import Admission
from app.ingest.limits import Limits
from app.ingest.package import JUDGE_PACKAGE
from app.ingest.process import Bench, judge_package
from app.ingest.receipts import ISSUER
from app.ingest.settling import settle_held, settle_revocation
from app.jobs import SETTLE_HELD, SETTLE_REVOCATION
from app.keys import open_key_ring, publish
from app.offload import Offload
from app.recalls.escalation import prompt_overdue
from app.recalls.superseding import supersede_requests
from app.settings import Settings
from app.snapshots.overrides import is_left_out
from app.snapshots.sealing import Sealer, seal_due
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.fetching import FetchRules
from app.verify.revocation.refreshing import FETCH_REVOCATION, Refresher, refresh
from app.verify.revocation.shelf import Shelf
from app.verify.signer_policy import SIGNER_RULES
from app.worker import Handle, Worker

ROUTERS: Final = (
    public.router,
    health.router,
    sessions.router,
    organisations.router,
    accounts.router,
    clients.router,
    trust_anchors.router,
    revocation.router,
    certificates.router,
    impact.router,
    packages.router,
    records.router,
    contents.router,
    lookup.router,
    lookup_page.router,
    calendar.router,
    extensions.router,
    enrolments.router,
    reports.router,
    reconciliation.router,
    archives.router,
    snapshots.router,
    forwarding.router,
    arrivals.router,
    provinces.router,
    forwarding_reports.router,
    copies.router,
    recalls.router,
    explanations.router,
    transfers.router,
    policies.router,
    audit_log.router,
)
# Periodic work and how often it is done. The ministry's instance takes snapshots and seals none.
SEAL_SNAPSHOTS: Final = "seal snapshots"
PROMPT_RECALLS: Final = "prompt recalls"
PERIODIC: Final[Mapping[str, Mapping[str, timedelta]]] = {
    "province": {
        SEAL_SNAPSHOTS: timedelta(minutes=1),
        PROMPT_RECALLS: timedelta(hours=1),
        FETCH_REVOCATION: timedelta(hours=1),
        FORWARD_SNAPSHOTS: timedelta(minutes=1),
    },
    "ministry": {FETCH_REVOCATION: timedelta(hours=1)},
}
VERSION: Final = "0.1.0"
DESCRIPTION: Final = (
    "Cơ sở dữ liệu học bạ số: tiếp nhận học bạ đã ký số từ phần mềm của nhà trường. / "
    "The receiving side of Vietnam's digital school transcripts."
)


@asynccontextmanager
async def open_service(
    settings: Settings, database_url: str, *, clock: Clock = system_clock
) -> AsyncIterator[ServiceState]:
    """Make the service's parts on a database whose schema is in place; close them at the end.

    Another clock than the system's also moves the database's time, but only in a declared sandbox.

    Requests and judging have threads of their own, so that a large package never keeps the door waiting.
    """
    engine = open_engine(
        database_url,
        pool_size=settings.database_pool,
        sandbox_clock=None if clock is system_clock else clock,
    )
    keys = open_key_ring(settings.keys, clock())
    door, bench = Offload(2), Offload(settings.worker_threads)
    shelf = Shelf(bench)
    try:
        async with transaction(engine) as connection:
            await publish(connection, keys)
            await schedule.plan(connection, PERIODIC[settings.tier])
        yield ServiceState(
            settings=settings,
            engine=engine,
            clock=clock,
            keys=keys,
            offload=door,
            admission=Admission(engine, clock, capacity=settings.max_queue_bytes),
            bench=Bench(
                engine=engine,
                clock=clock,
                keys=keys,
                offload=bench,
                limits=_limits(settings),
                acceptance=ACCEPTANCE,
                rules=SIGNER_RULES,
                shelf=shelf,
                on_replaced=supersede_requests,
                is_left_out=is_left_out,
            ),
            authenticator=Authenticator(
                engine=engine, keys=keys, clock=clock, issuer=ISSUER, oidc=_provider(settings)
            ),
            refresher=_refresher(settings, engine, clock, bench, shelf),
            measures=new_measures(),
            rates=RateLimits(call_rates(settings.rate_multiplier), processes=settings.api_processes),
        )
    finally:
        door.close()
        bench.close()
        await engine.dispose()


def _limits(settings: Settings) -> Limits:
    return Limits(
        body_bytes=settings.max_body_bytes,
        unpacked_bytes=settings.max_unpacked_bytes,
        transcripts=settings.max_transcripts,
        transcript_bytes=settings.max_transcript_bytes,
    )


def _refresher(
    settings: Settings, engine: AsyncEngine, clock: Clock, offload: Offload, shelf: Shelf
) -> Refresher:
    return Refresher(
        engine=engine,
        clock=clock,
        offload=offload,
        acceptance=ACCEPTANCE,
        rules=_fetch_rules(settings),
        shelf=shelf,
        addresses=tuple(settings.crl_addresses.replace(",", " ").split()),
        asks_responders=settings.ocsp,
    )


def _fetch_rules(settings: Settings) -> FetchRules:
    return FetchRules(
        max_bytes=settings.max_crl_bytes,
        seconds=settings.revocation_seconds,
        may_be_private=settings.revocation_private_addresses,
    )


def _provider(settings: Settings) -> OpenIdProvider | None:
    if settings.oidc_issuer is None or settings.oidc_audience is None:
        return None
    return OpenIdProvider(issuer=settings.oidc_issuer, audience=settings.oidc_audience)


def create_app(service: ServiceState) -> FastAPI:
    """Make the HTTP application over the service's parts."""
    app = DescribedApplication(
        routers=ROUTERS,
        address=service.settings.address,
        title="CSDL học bạ số",
        version=VERSION,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    problems.install(app)
    app.add_middleware(
        Edge,
        limits=_edge_limits(service.settings),
        measures=service.measures,
        count=lambda address: service.rates.take(Calls.ANONYMOUS, address_key(address), service.clock()),
    )
    return app


def _edge_limits(settings: Settings) -> EdgeLimits:
    return EdgeLimits(
        package_bytes=settings.max_body_bytes,
        body_bytes=settings.max_request_bytes,
        head_bytes=settings.max_head_bytes,
        body_seconds=settings.body_seconds,
        requests=settings.max_requests,
        bodies_bytes=settings.max_bodies_bytes,
    )


def handles(service: ServiceState) -> Mapping[str, Handle]:
    """Say who does each kind of job."""
    bench = service.bench
    sealer = Sealer(engine=bench.engine, clock=bench.clock, keys=bench.keys, offload=bench.offload)
    closer = Closer(engine=bench.engine, clock=bench.clock, keys=bench.keys, offload=bench.offload)
    return {
        JUDGE_PACKAGE: partial(judge_package, bench),
        SETTLE_HELD: partial(settle_held, bench),
        SETTLE_REVOCATION: partial(settle_revocation, bench),
        SEAL_SNAPSHOTS: partial(schedule.run, bench.engine, partial(seal_due, sealer)),
        PROMPT_RECALLS: partial(schedule.run, bench.engine, partial(_prompt_recalls, bench)),
        FETCH_REVOCATION: partial(schedule.run, bench.engine, partial(refresh, service.refresher)),
        FORWARD_SNAPSHOTS: partial(schedule.run, bench.engine, partial(forward_due, _forwarder(service))),
        CLOSE_ARRIVAL: partial(close_arrival, closer),
    }


def _forwarder(service: ServiceState) -> Forwarder:
    settings, bench = service.settings, service.bench
    secret = settings.upstream_client_secret
    upstream = None
    if settings.upstream_url is not None and settings.upstream_client_id is not None and secret is not None:
        upstream = Upstream(
            url=settings.upstream_url,
            client_id=settings.upstream_client_id,
            client_secret=secret.get_secret_value(),
        )
    return Forwarder(
        engine=bench.engine,
        clock=bench.clock,
        keys=bench.keys,
        offload=bench.offload,
        upstream=upstream,
        is_automatic=settings.upstream_automatic,
        transcripts=settings.upstream_transcripts,
    )


async def _prompt_recalls(bench: Bench) -> Mapping[str, int]:
    return asdict(await prompt_overdue(bench.engine))


def create_worker(service: ServiceState) -> Worker:
    """Make a worker over the service's parts."""
    settings = service.settings
    return Worker(service.engine, handles(service), lease=settings.lease, batch=settings.worker_batch)
