"""The OpenAPI description says what the routes do; schemathesis tries whether it is true."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import TypeAdapter
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.actors import Role, System
from app.api.deps import Requires
from app.api.description import EXAMPLES
from app.api.enrolments import RollIn
from app.api.package_bodies import PackageIn
from app.cli.running import Part, running_service
from app.db import transaction
from app.enrolment.roll import read_roll
from app.main import create_app
from app.organisations.clients import create_client
from app.organisations.passwords import hash_password
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.settings import Settings
from tests.api.conftest import Api, HandedClock
from tests.builders.province import NOW, PASSWORD, build_province
from tests.builders.routes import described_routes, guards

ROUTES: Final = dict(described_routes())
EXAMPLES_EACH: Final = 6
CALLERS: Final[Mapping[Role, str]] = {
    Role.ADMINISTRATOR: "quantri",
    Role.SCHOOL_SOFTWARE: "vendor",
    Role.DEPARTMENT_OFFICER: "so66",
    Role.COMMUNE_OFFICER: "tanlap",
    Role.INSPECTOR: "thanhtra66",
    Role.PROVINCE_SYSTEM: "so-66",
}


@schemathesis.serializer("application/gzip")
def octets(context: Any, value: Any) -> bytes:
    """Send what was made up as it is: seldom a gzip, and answered all the same."""
    return value if isinstance(value, bytes) else str(value).encode()


def described(api: Api) -> dict[str, Any]:
    return create_app(api.service).openapi()


async def test_it_is_openapi_3_1_and_served_as_it_is(api: Api) -> None:
    served = (await api.http.get("/openapi.json")).json()
    assert served == json.loads(json.dumps(described(api)))
    assert served["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(served).validate()


async def test_there_are_no_routes_but_the_declared_ones(api: Api) -> None:
    paths = described(api)["paths"]
    found = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    assert found == set(ROUTES)


async def test_every_operation_says_what_it_does_in_both_languages(api: Api) -> None:
    for path, operations in described(api)["paths"].items():
        for method, operation in operations.items():
            vietnamese, slash, english = operation["summary"].partition(" / ")
            assert (vietnamese and slash and english) != "", f"{method} {path}: summary='… / …'"
            assert operation["description"], f"{method} {path}"
            assert {"4XX", "5XX"} <= set(operation["responses"])


async def test_every_guarded_operation_says_who_may_call_it(api: Api) -> None:
    document = described(api)
    for name, route in ROUTES.items():
        method, path = name.split(" ")
        guard = next(guards(route.dependant))
        operation = document["paths"][path][method.lower()]
        roles = sorted(guard.roles) if isinstance(guard, Requires) else None
        assert operation.get("x-roles") == roles
        assert ("security" in operation) is (roles is not None)


JSON_BODIES: Final = [
    name
    for name, route in ROUTES.items()
    if (route.body_field is not None and "oauth2" not in name) or name.endswith(("/packages", "/validations"))
    if not name.startswith("GET")
]


@pytest.mark.parametrize("name", JSON_BODIES)
async def test_every_json_body_has_a_real_example(api: Api, name: str) -> None:
    assert name in EXAMPLES, f'add to app/api/examples-1.toml: "{name}" = {{ … }}'
    field = ROUTES[name].body_field
    model: Any = PackageIn if field is None else field.field_info.annotation
    TypeAdapter(model).validate_python(EXAMPLES[name])
    method, path = name.split(" ")
    content = described(api)["paths"][path][method.lower()]["requestBody"]["content"]
    assert content["application/json"]["example"] == EXAMPLES[name]


def test_every_reference_leads_somewhere(api: Api) -> None:
    document = described(api)

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            for value in node.values():
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    found = set(references(document))
    assert found
    for reference in found:
        at: Any = document
        for step in reference.removeprefix("#/").split("/"):
            assert step in at, reference
            at = at[step]


async def test_both_forms_of_a_roll_have_an_example_that_is_one(api: Api) -> None:
    content = described(api)["paths"]["/api/v1/enrolments"]["post"]["requestBody"]["content"]
    RollIn.model_validate(content["application/json"]["example"])
    read = read_roll(content["text/csv"]["example"].encode(), "6624305501")
    assert (read.findings, list(read.schools)) == ((), ["6624305501"])


def test_no_example_is_for_nothing() -> None:
    assert set(EXAMPLES) - set(JSON_BODIES) == set()


@dataclass(frozen=True)
class Running:
    """The real server, with its description and a token of every caller."""

    address: str
    schema: Any
    tokens: Mapping[str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def running(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    await create_database(postgres.dsn("postgres"), "described", template=template_database)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    found = Settings(
        data_dir=tmp_path_factory.mktemp("described"), port=port, rate_multiplier=1000, database_pool=3
    )
    async with running_service(found, postgres.sqlalchemy_url("described"), Part.API) as service:
        async with transaction(service.engine) as connection:
            province = await build_province(connection, hash_password(PASSWORD))
            _, province.secrets["so-66"] = await create_client(
                connection, name="so-66", client_id="so-66", department_code="66", now=NOW, actor=System()
            )
        async with httpx.AsyncClient(base_url=found.address) as http:
            api = Api(http, service, province, HandedClock())
            tokens = {caller: await api.token(caller) for caller in CALLERS.values()}
        document = json.loads(json.dumps(create_app(service).openapi()))
        yield Running(found.address, schemathesis.openapi.from_dict(document), tokens)
    await drop_database(postgres.dsn("postgres"), "described")


def caller_of(name: str) -> str:
    guard = next(guards(ROUTES[name].dependant))
    return next(
        caller for role, caller in CALLERS.items() if not isinstance(guard, Requires) or role in guard.roles
    )


@pytest.mark.parametrize("name", list(ROUTES))
async def test_whatever_the_description_allows_is_answered_as_it_says(running: Running, name: str) -> None:
    """No fault of ours, and every answer of the status, type and form that is written."""
    method, path = name.split(" ")
    operation = running.schema[path][method]
    headers = {"Authorization": f"Bearer {running.tokens[caller_of(name)]}"}

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES_EACH,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def tried(case: Any) -> None:
        answer = case.call(base_url=running.address, headers=headers, timeout=20)
        case.validate_response(
            answer,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    # The server shares this loop: schemathesis asks from a thread of its own.
    await asyncio.to_thread(tried)
