"""What FastAPI injects: the service's parts, one transaction a request, and who is calling."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.actors import Actor, Officer, ProvinceSystem, Role, SectorSystem, Submitter
from app.api.auth import Authenticator
from app.api.measures import Measures
from app.api.rate_limits import Calls, RateLimits, address_key, with_jitter
from app.clock import Clock
from app.db import transaction
from app.errors import DomainError
from app.ingest.admission import Admission
from app.ingest.process import Bench
from app.keys import KeyRing
from app.offload import Offload
from app.settings import Settings
from app.verify.revocation.refreshing import Refresher


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """The parts of the running service, made once by the composition root."""

    settings: Settings
    engine: AsyncEngine
    clock: Clock
    keys: KeyRing
    offload: Offload
    admission: Admission
    bench: Bench
    refresher: Refresher
    authenticator: Authenticator
    measures: Measures
    rates: RateLimits


async def service_state(request: Request) -> ServiceState:
    """Give the running service's parts; async, or the framework would fetch them in a thread every time."""
    state: ServiceState = request.app.state.service
    return state


Service = Annotated[ServiceState, Depends(service_state)]


async def unit_of_work(service: Service) -> AsyncIterator[AsyncConnection]:
    """Give one transaction for the request: committed before the reply leaves, undone by any exception."""
    async with transaction(service.engine) as connection:
        yield connection


# scope="function" is what commits before the response starts; the default would commit after it has left.
Connection = Annotated[AsyncConnection, Depends(unit_of_work, scope="function")]


def address_of(request: Request) -> str:
    """Give the caller's network address as it is counted (never logged)."""
    return address_key(None if request.client is None else request.client.host)


def count_call(request: Request, service: ServiceState, calls: Calls, caller: str, *, times: int = 1) -> None:
    """Count a call against an allowance, for the answer's headers too; HT-010 where it is used up."""
    standing = service.rates.take(calls, caller, service.clock(), multiplier=times)
    request.state.standing = standing
    if not standing.is_granted:
        raise DomainError(
            "HT-010", calls=calls, limit=standing.limit, retry_after=with_jitter(standing.wait_seconds)
        )


class Public:
    """A route's guard: anybody may call it, so often from one address (HT-010)."""

    def __init__(self, calls: Calls = Calls.ANONYMOUS) -> None:
        self._calls = calls

    async def __call__(self, request: Request, service: Service) -> None:
        """Count the call; async for the same reason."""
        count_call(request, service, self._calls, address_of(request))


PUBLIC = Depends(Public())


# Whoever may be let in by a guard.
Caller = Submitter | ProvinceSystem | SectorSystem | Officer


class Requires:
    """A route's guard: who may call it, and how often.

    Refuses with QH-001 nobody in particular, QH-002 a token that does not hold, QH-003 the wrong role, HT-010
    who calls too often. Calls without a valid token are counted by address; they take nothing from those
    that have one, wherever they come from.
    """

    def __init__(self, *roles: Role, calls: Calls | None = None) -> None:
        self.roles = frozenset(roles)
        self._calls = calls

    async def __call__(self, request: Request, service: Service) -> Caller:
        """Say who calls, or refuse."""
        try:
            actor = await _caller(request, service)
        except DomainError as error:
            if error.code in {"QH-001", "QH-002"}:
                count_call(request, service, Calls.REFUSED, address_of(request))
            raise
        if isinstance(actor, Submitter | ProvinceSystem | SectorSystem):
            calls = self._calls or Calls.CLIENT
            count_call(request, service, calls, actor.id, times=actor.rate_multiplier)
        else:
            count_call(request, service, Calls.OFFICER, actor.id)
        if actor.role not in self.roles:
            raise DomainError("QH-003", role=actor.role)
        return actor


async def _caller(request: Request, service: ServiceState) -> Caller:
    actor: Actor = await service.authenticator.authenticate(
        request.headers.get("authorization"), request.state.request_id
    )
    if isinstance(actor, Submitter | ProvinceSystem | SectorSystem | Officer):
        return actor
    raise DomainError("QH-001")


def requires(*roles: Role, calls: Calls | None = None) -> Callable[[Request, Service], Awaitable[Caller]]:
    """Name the roles that may call a route, and what its calls by clients are counted as."""
    return Requires(*roles, calls=calls)


School = Annotated[Submitter, Depends(requires(Role.SCHOOL_SOFTWARE))]
# Sending packages has an allowance of its own, so that polling for answers never stops a school from sending.
Sender = Annotated[Submitter, Depends(requires(Role.SCHOOL_SOFTWARE, calls=Calls.PACKAGES))]

# Whoever may read what concerns a school in their scope; administrators run the service, they read no
# documents.
Reader = Annotated[
    Submitter | Officer,
    Depends(
        requires(
            Role.SCHOOL_SOFTWARE,
            Role.COMMUNE_OFFICER,
            Role.DEPARTMENT_OFFICER,
            Role.MINISTRY_OFFICER,
            Role.INSPECTOR,
        )
    ),
]

# Whoever may see a transcript's content, masked by role: sector systems beside the readers.
Viewer = Annotated[
    Submitter | Officer | SectorSystem,
    Depends(
        requires(
            Role.SCHOOL_SOFTWARE,
            Role.COMMUNE_OFFICER,
            Role.DEPARTMENT_OFFICER,
            Role.MINISTRY_OFFICER,
            Role.INSPECTOR,
            Role.SECTOR_SYSTEM,
        )
    ),
]
