"""The OpenAPI description: what the routes do not say one by one is said for all of them here.

Every operation gets its refusals (RFC 9457), who may call it, and a real example of its request.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.api.deps import Requires
from app.api.problems import MEDIA_TYPE
from app.findings.catalogue import Responsible

EXAMPLES: Final[Mapping[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "examples-1.toml").read_text("utf-8")
)

# Where a schema stands that others refer to.
COMPONENT: Final = "#/components/schemas/{model}"

_TEXT: Final = {"type": "string"}
PROBLEM: Final[Mapping[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "Từ chối, vì sao, phải làm gì, ai làm / a refusal: why, what to do, who must (RFC 9457)",
    "required": [
        "type", "status", "code", "title", "title_en", "detail", "detail_en", "hint", "hint_en", "who",
        "reference", "facts",
    ],
    "properties": {
        "type": _TEXT,
        "status": {"type": "integer"},
        "code": {"type": "string", "pattern": "^(DD|MA|TR|KS|QH|TH|NV|HT)-[0-9]{3}$"},
        "title": _TEXT,
        "title_en": _TEXT,
        "detail": _TEXT,
        "detail_en": _TEXT,
        "hint": _TEXT,
        "hint_en": _TEXT,
        "who": {"enum": [who.value for who in Responsible]},
        "reference": {"type": ["string", "null"]},
        "facts": {"type": "object"},
        "errors": {
            "type": "array",
            "items": {"type": "object", "properties": {"where": _TEXT, "why": _TEXT, "why_en": _TEXT}},
        },
    },
}  # fmt: skip
_COUNT: Final = {"schema": {"type": "integer", "minimum": 0}}
HEADERS: Final[Mapping[str, Any]] = {
    "RateLimit-Limit": {"description": "Hạn mức / so many at once", **_COUNT},
    "RateLimit-Remaining": {"description": "Còn lại / left", **_COUNT},
    "RateLimit-Reset": {"description": "Giây tới khi đầy lại / seconds until full again", **_COUNT},
}
_REFUSALS: Final = {
    "4XX": "Từ chối: xem code / refused: see code",
    "5XX": "Lỗi của dịch vụ, gửi lại sau / our fault: send again later",
}


def _security(address: str) -> Mapping[str, Any]:
    credentials = {"tokenUrl": f"{address}/oauth2/token", "scopes": {}}
    return {
        "client": {"type": "oauth2", "flows": {"clientCredentials": credentials}},
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    }


class DescribedApplication(FastAPI):
    """An application made of routers, whose description is whole; ``address`` is the one that clients use."""

    def __init__(self, *, routers: Sequence[APIRouter], address: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._address = address
        self._routers = routers
        for router in routers:
            self.include_router(router)

    def openapi(self) -> dict[str, Any]:
        """Give the OpenAPI 3.1 document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            components = document.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = PROBLEM
            components["securitySchemes"] = _security(self._address)
            for router in self._routers:
                for route in router.routes:
                    assert isinstance(route, APIRoute)
                    if not route.include_in_schema:  # a page for people
                        continue
                    for method in route.methods or ():
                        operation = document["paths"][route.path][method.lower()]
                        components["schemas"].update(_inner_schemas(operation))
                        _describe(f"{method} {route.path}", route, operation)
        assert self.openapi_schema is not None
        return self.openapi_schema


def _inner_schemas(operation: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give the schemas that a body described by hand refers to (``COMPONENT``) and carries itself."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        yield from content["schema"].get("$defs", {}).items()


def _describe(name: str, route: APIRoute, operation: dict[str, Any]) -> None:
    refusal = {"schema": {"$ref": "#/components/schemas/Problem"}}
    responses = operation["responses"]
    responses.pop("422", None)
    for status, text in _REFUSALS.items():
        responses[status] = {"description": text, "content": {MEDIA_TYPE: refusal}}
    for answer in responses.values():
        answer["headers"] = HEADERS
    roles = sorted(role for guard in _guards(route.dependant) for role in guard.roles)
    if roles:
        operation["security"] = [{"bearer": []}, {"client": []}]
        operation["x-roles"] = roles
    if name in EXAMPLES:
        for content in operation["requestBody"]["content"].values():
            if content["schema"].get("format") != "binary":
                content["example"] = EXAMPLES[name]


def _guards(dependant: Dependant) -> Iterator[Requires]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Requires):
            yield inner.call
        yield from _guards(inner)
