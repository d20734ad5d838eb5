"""The routes of the service with their guards, for tests that walk them all."""

from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.api.deps import Public, Requires
from app.main import ROUTERS


def routes() -> Iterator[tuple[str, APIRoute]]:
    """Give each route under its name: method and path."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute), f"{route} is no declared route"
            for method in sorted(route.methods or ()):
                yield f"{method} {route.path}", route


def described_routes() -> Iterator[tuple[str, APIRoute]]:
    """Give the routes that programs call; the others are pages for people, with tests of their own."""
    return ((name, route) for name, route in routes() if route.include_in_schema)


def guards(dependant: Dependant) -> Iterator[Public | Requires]:
    """Give every guard that stands before a route."""
    for inner in dependant.dependencies:
        if isinstance(inner.call, Public | Requires):
            yield inner.call
        yield from guards(inner)
