"""Every route against every caller: who may, who may not; what is not theirs is as if it did not exist."""

import json
import tomllib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
from fastapi.routing import APIRoute

from app.actors import Purpose, Role, System
from app.api.deps import Public
from app.api.tokens import TokenKind, TokenSubject
from app.client.packaging import NAMESPACE, Package
from app.db import transaction
from app.demo import authority as demo_authority
from app.demo.province import School
from app.demo.transcripts import compose_school, sign_composed
from app.organisations.accounts import AccountDraft, create_account
from app.organisations.clients import create_client
from app.organisations.kinds import OrganisationKind
from app.organisations.tree import OrganisationDraft, create_organisation
from app.postgres import EmbeddedPostgres
from app.postgres.databases import create_database, drop_database
from app.snapshots.scopes import Scope, SnapshotKind
from app.snapshots.sealing import Outcome, Sealer, seal
from app.verify.certificates.anchors import AnchorKind, add_anchor
from app.verify.chain import OwnerClass
from tests.builders.routes import guards, routes
from tests.builders.world import SIGNED, World, officer_password_hash, running_world

TABLE: Final = tomllib.loads((Path(__file__).parent / "access.toml").read_text("utf-8"))
ENTRIES: Final[Mapping[str, Mapping[str, Any]]] = TABLE["routes"]
UNKNOWN_ID: Final = "0190163d8694739b8a00000000000000"

# What is no secret of ours, and so the same whoever asks.
SAME: Final = ("version", "existing_code", "position", "number", "kid")

# Callers of another province, where nothing of ours may be seen.
STRANGERS: Final = {
    "rival": Role.SCHOOL_SOFTWARE,
    "so-37": Role.PROVINCE_SYSTEM,
    "xa.hoalu": Role.COMMUNE_OFFICER,
    "so.ninhbinh": Role.DEPARTMENT_OFFICER,
    "thanhtra.ninhbinh": Role.INSPECTOR,
    "tuyensinh.ninhbinh": Role.SECTOR_SYSTEM,
}


def who_may(entry: Mapping[str, Any]) -> frozenset[str]:
    who = entry["who"]
    return frozenset(TABLE["groups"].get(who, [who]) if isinstance(who, str) else who)


@pytest.mark.parametrize(("name", "route"), list(routes()), ids=[name for name, _ in routes()])
def test_every_route_has_one_guard_and_it_is_the_one_the_table_says(name: str, route: APIRoute) -> None:
    found = list(guards(route.dependant))
    assert len(found) == 1, f"{name}: needs exactly one guard: requires(...) or PUBLIC (app/api/deps.py)"
    guard = found[0]
    asked = {"public"} if isinstance(guard, Public) else {role.value for role in guard.roles}
    assert name in ENTRIES, (
        f'add a line to tests/api/access.toml: "{name}" = {{ who = {sorted(asked)}, own = [200] }}'
    )
    assert asked == who_may(ENTRIES[name])


def test_the_table_speaks_of_nothing_that_does_not_exist() -> None:
    assert set(ENTRIES) - {name for name, _ in routes()} == set()


@dataclass(frozen=True)
class Nation:
    """A province with a life of its own, a stranger's province beside it, and the ids of what is ours."""

    world: World
    callers: Mapping[Role, str]
    ids: Mapping[str, str]

    async def call(self, name: str, caller: str | None, ids: Mapping[str, str]) -> httpx.Response:
        """Call a route of the table with these ids."""
        entry, world = ENTRIES[name], self.world
        method, path = name.split(" ")
        world.clock.advance(timedelta(seconds=1))
        body = _filled(entry["body"], ids) if "body" in entry else None
        return await world.http.request(
            method,
            path.format_map(ids),
            params=entry.get("query"),
            json=body,
            headers={} if caller is None else world.as_(caller),
        )


def _filled(template: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(template, str) and template.startswith("{"):
        return ids[template.strip("{}")]
    if isinstance(template, list):
        return [_filled(part, ids) for part in template]
    if isinstance(template, dict):
        return {key: _filled(value, ids) for key, value in template.items()}
    return template


async def _found_strangers(world: World) -> None:
    now, actor = world.clock(), System()
    async with transaction(world.service.engine) as connection:
        for kind, code, parent, levels in (
            ("department", "37", "BGDDT", ()),
            ("commune", "13669", "37", ()),
            ("school", "37A0000201", "13669", ("02",)),
        ):
            draft = OrganisationDraft(
                kind=OrganisationKind(kind),
                code=code,
                name=code,
                parent_code=parent,
                valid_from=date(2025, 7, 1),
                levels=levels,
            )
            await create_organisation(connection, draft, now=now, actor=actor)
        for username, role, code in (
            ("xa.hoalu", Role.COMMUNE_OFFICER, "13669"),
            ("so.ninhbinh", Role.DEPARTMENT_OFFICER, "37"),
            ("thanhtra.ninhbinh", Role.INSPECTOR, "37"),
        ):
            account = await create_account(
                connection,
                AccountDraft(
                    username=username,
                    full_name=username,
                    role=role,
                    organisation_code=code,
                    password_hash=officer_password_hash(),
                ),
                now=now,
                actor=actor,
            )
            world.accounts[username] = TokenSubject(kind=TokenKind.OFFICER, id=account.id)
        client, _ = await create_client(
            connection, name="rival", client_id="rival", school_codes=("37A0000201",), now=now, actor=actor
        )
        for code in ("37", "66"):
            own, _ = await create_client(
                connection, name=code, client_id=f"so-{code}", department_code=code, now=now, actor=actor
            )
            world.accounts[own.client_id] = TokenSubject(kind=TokenKind.CLIENT, id=own.id)
        world.accounts["rival"] = TokenSubject(kind=TokenKind.CLIENT, id=client.id)
        for client_id, below in (("tuyensinh", "66"), ("tuyensinh.ninhbinh", "37")):
            client, _ = await create_client(
                connection, name=client_id, client_id=client_id, sector=(Purpose.ADMISSIONS, below),
                now=now, actor=actor,
            )  # fmt: skip
            world.accounts[client_id] = TokenSubject(kind=TokenKind.CLIENT, id=client.id)


async def _enrol(world: World, school_code: str) -> str:
    """Send a roll of one pupil; gives its id."""
    pupil = {"student_code": "2", "full_name": "B", "grade": 6, "class_name": "6B"}
    answer = await world.http.post(
        "/api/v1/enrolments",
        json={"school_code": school_code, "school_year": "2025-2026", "pupils": [pupil]},
        headers=world.as_(school_code),
    )
    assert answer.status_code == 201, answer.text
    enrolment_id: str = answer.json()["items"][0]["enrolment_id"]
    return enrolment_id


def _queried(world: World, school: School) -> Package:
    """A package whose first transcript is accepted with a query: chemistry in a lower secondary school."""
    composed = compose_school(world.province, school, signed_at=SIGNED, seed=66)
    next(composed[0].element.iter(f"{{{NAMESPACE}}}Ma")).text = "36"
    return world.package(school, [sign_composed(one, signed_at=SIGNED) for one in composed])


async def _list_anchor(world: World) -> str:
    """List an authority of whom nothing else here depends."""
    authority = demo_authority.found_authority(demo_authority.OwnerClass.LICENSED_PUBLIC, at=SIGNED)
    async with transaction(world.service.engine) as connection:
        listed = await add_anchor(
            connection,
            authority.root.certificate,
            owner_class=OwnerClass.LICENSED_PUBLIC,
            kind=AnchorKind.ANCHOR,
            now=world.clock(),
            actor=System(),
        )
    return listed.id.hex


async def _seal(world: World) -> str:
    """Seal what the province held at the last cut-off of the year before."""
    service = world.service
    sealer = Sealer(engine=service.engine, clock=service.clock, keys=service.keys, offload=service.offload)
    scope = Scope(province="66", school_year=2024, kind=SnapshotKind.UPSTREAM_FINAL)
    assert await seal(sealer, scope) is Outcome.SEALED
    listed = await world.http.get("/api/v1/snapshots", headers=world.as_("canbo.sogddt"))
    (snapshot,) = listed.json()["items"]
    found: str = snapshot["snapshot_id"]
    return found


async def _make(world: World, path: str, caller: str, key: str, body: Mapping[str, object]) -> str:
    made = await world.http.post(f"/api/v1/{path}", json=body, headers=world.as_(caller))
    assert made.status_code == 201, made.text
    found: str = made.json()[key]
    return found


async def _live(world: World) -> dict[str, str]:
    """Let one school register, send, ask for a recall and a transfer, be given time; gives the ids."""
    school, other = world.school("03"), world.school("04")
    await world.enrol(school)
    package = _queried(world, school)
    answer = await world.send(school, package)
    first, second = (item["record_id"] for item in answer["items"][:2])
    make = partial(_make, world)
    head = world.as_(school.code)
    record = (await world.http.get(f"/api/v1/records/{first}", headers=head)).json()
    certificates = (await world.http.get("/api/v1/certificates", headers=head)).json()["items"]
    mine = {"school_code": school.code, "school_year": "2025-2026", "reason": "Mất điện"}
    return {
        "school_code": school.code,
        "code": school.code,
        "version": "1.0",
        "existing_code": other.code,
        "package_id": package.package_id,
        "sha256": package.digest,
        "record_id": first,
        "student_id": record["student_id"],
        "enrolment_id": await _enrol(world, school.code),
        "certificate_id": certificates[0]["certificate_id"],
        "anchor_id": await _list_anchor(world),
        "unknown_id": UNKNOWN_ID,
        "snapshot_id": await _seal(world),
        "explanation_id": await make(
            f"packages/{package.package_id}/items/1/explanations", school.code, "explanation_id",
            ENTRIES["POST /api/v1/packages/{package_id}/items/{position}/explanations"]["body"],
        ),
        "position": "1",
        "number": "0",
        "kid": "none",
        "row_id": world.accounts["rival"].id.hex,
        "account_id": world.accounts["xa.hoalu"].id.hex,
        "recall_id": await make(
            "recalls", school.code, "recall_id",
            ENTRIES["POST /api/v1/recalls"]["body"] | {"record_ids": [first]},
        ),
        "transfer_id": await make(
            "transfers", school.code, "transfer_id", {"to_school_code": other.code, "record_ids": [second]}
        ),
        "extension_id": await make(
            "extensions", "canbo.sogddt", "extension_id", mine | {"until": "2026-07-15T00:00:00+07:00"}
        ),
        "exemption_id": await make("exemptions", "canbo.sogddt", "exemption_id", mine | {"pupils": 2}),
    }  # fmt: skip


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def nation(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Nation]:
    await create_database(postgres.dsn("postgres"), "nation", template=template_database)
    async with running_world(postgres.sqlalchemy_url("nation"), tmp_path_factory.mktemp("nation")) as world:
        await _found_strangers(world)
        school = world.school("03")
        callers = {
            Role.SCHOOL_SOFTWARE: school.code,
            Role.COMMUNE_OFFICER: world.authority_of(school),
            Role.DEPARTMENT_OFFICER: "canbo2.sogddt",
            Role.MINISTRY_OFFICER: "bogddt",
            Role.INSPECTOR: "thanhtra.sogddt",
            Role.ADMINISTRATOR: "quantri",
            Role.PROVINCE_SYSTEM: "so-66",
            Role.SECTOR_SYSTEM: "tuyensinh",
        }
        yield Nation(world, callers, await _live(world))
    await drop_database(postgres.dsn("postgres"), "nation")


def unknown(ids: Mapping[str, str]) -> dict[str, str]:
    """Give ids that nobody has, each in its own form."""
    forms = {
        "school_code": "66Z9999999",
        "code": "66Z9999999",
        "sha256": "0" * 64,
        "student_id": "00000000000",
    }
    return {name: forms.get(name, UNKNOWN_ID) for name in ids} | {name: ids[name] for name in SAME}


def without_ids(answer: httpx.Response, ids: Mapping[str, str]) -> str:
    """Give what an answer says, the caller's own words and the reference apart."""
    body = answer.json()
    if isinstance(body, dict):
        body.pop("reference", None)
    text = json.dumps(body, sort_keys=True)
    for value in (value for name, value in ids.items() if name not in SAME):
        text = text.replace(value, "<id>")
    return text


@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if "foreign" in entry])
async def test_what_is_not_theirs_is_as_if_it_did_not_exist(nation: Nation, name: str) -> None:
    """To the letter: whoever tries ids learns nothing from the answers."""
    expected = ENTRIES[name]["foreign"]
    for caller, role in STRANGERS.items():
        if role not in who_may(ENTRIES[name]):
            continue
        theirs = unknown(nation.ids)
        foreign = await nation.call(name, caller, nation.ids)
        nobodys = await nation.call(name, caller, theirs)
        if expected == "reference":
            assert foreign.status_code in {403, 404, 422}, (caller, foreign.text)
            assert nobodys.status_code in {403, 404, 422}, (caller, nobodys.text)
            continue
        assert (foreign.status_code, nobodys.status_code) == (expected, expected), (caller, foreign.text)
        if name.split(" ")[1] == "/api/v1/audit":
            assert nation.ids["record_id"] not in foreign.text
            continue
        assert without_ids(foreign, nation.ids) == without_ids(nobodys, theirs), caller


@pytest.mark.parametrize("name", list(ENTRIES))
async def test_every_route_is_for_its_roles_and_for_no_other(nation: Nation, name: str) -> None:
    entry = ENTRIES[name]
    who = who_may(entry)
    if "public" not in who:
        nobody = await nation.call(name, None, nation.ids)
        assert (nobody.status_code, nobody.json()["code"]) == (401, "QH-001")
    for role, caller in nation.callers.items():
        answer = await nation.call(name, caller, nation.ids)
        if who & {"public", role}:
            assert answer.status_code in entry["own"], (role, answer.status_code, answer.text[:300])
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "QH-003"), role
        assert "ratelimit-remaining" in answer.headers
