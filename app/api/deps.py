"""What FastAPI injects: the service's parts, one transaction a request, and who is calling."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.actors import Actor, Anonymous, Officer, Role, Submitter
from app.api.auth import Authenticator
from app.api.measures import Measures
from app.clock import Clock
from app.db import transaction
from app.errors import DomainError
from app.ingest.process import Bench
from app.keys import KeyRing
from app.offload import Offload
from app.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """The parts of the running service, made once by the composition root."""

    settings: Settings
    engine: AsyncEngine
    clock: Clock
    keys: KeyRing
    offload: Offload
    bench: Bench
    authenticator: Authenticator
    measures: Measures


def service_state(request: Request) -> ServiceState:
    """Give the running service's parts."""
    state: ServiceState = request.app.state.service
    return state


Service = Annotated[ServiceState, Depends(service_state)]


async def unit_of_work(service: Service) -> AsyncIterator[AsyncConnection]:
    """Give one transaction for the request: committed before the reply leaves, undone by any exception."""
    async with transaction(service.engine) as connection:
        yield connection


# scope="function" is what commits before the response starts; the default would commit after it has left.
Connection = Annotated[AsyncConnection, Depends(unit_of_work, scope="function")]


def public() -> None:
    """Mark a route that anybody may call; a test refuses routes with no mark at all."""


PUBLIC = Depends(public)


class Requires:
    """A route's guard: who may call it. QH-001 for nobody in particular, QH-003 for the wrong role."""

    def __init__(self, *roles: Role) -> None:
        self.roles = frozenset(roles)

    async def __call__(self, request: Request, service: Service) -> Submitter | Officer:
        """Say who calls, or refuse."""
        actor: Actor = await service.authenticator.authenticate(
            request.headers.get("authorization"), request.state.request_id
        )
        if isinstance(actor, Anonymous) or not isinstance(actor, Submitter | Officer):
            raise DomainError("QH-001")
        if actor.role not in self.roles:
            raise DomainError("QH-003", role=actor.role)
        return actor


def requires(*roles: Role) -> Callable[[Request, Service], Awaitable[Submitter | Officer]]:
    """Name the roles that may call a route."""
    return Requires(*roles)


School = Annotated[Submitter, Depends(requires(Role.SCHOOL_SOFTWARE))]

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
