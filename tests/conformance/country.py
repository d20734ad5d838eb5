"""The small country that the kit's cases are about, founded in a running service as PROTOCOL.md asks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Role, System
from app.api.tokens import TokenKind, TokenSubject, issue_token
from app.db import transaction
from app.ingest.receipts import ISSUER
from app.main import create_app, open_service
from app.organisations.accounts import AccountDraft, create_account
from app.organisations.clients import create_client
from app.organisations.kinds import OrganisationKind
from app.organisations.passwords import hash_password
from app.organisations.tree import OrganisationDraft, create_organisation
from app.settings import Settings
from app.verify.certificates.anchors import AnchorKind, add_anchor
from app.verify.chain import OwnerClass
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.shelf import take_crl
from tests.builders.clock import MovableClock
from tests.builders.enrolment import enrol
from tests.conformance.case import TIME
from tests.conformance.keys import FOLDER, holder

SCHOOL: Final = "66THCS001"
OTHER_SCHOOL: Final = "66THCS002"
PRIVATE_SCHOOL: Final = "66THCS003"
CITY_SCHOOL: Final = "79THCS001"
SCHOOLS: Final = (SCHOOL, OTHER_SCHOOL, PRIVATE_SCHOOL, CITY_SCHOOL)
CLIENT: Final = "conformance-kit"
_BEFORE_SIGNING: Final = "2026-05-01T00:00:00+07:00"
_ORGANISATIONS: Final = (
    ("ministry", "BGDDT", None),
    ("department", "66", "BGDDT"),
    ("department", "79", "BGDDT"),
    ("commune", "24133", "66"),
    ("commune", "26734", "79"),
    ("school", SCHOOL, "24133"),
    ("school", OTHER_SCHOOL, "24133"),
    ("school", PRIVATE_SCHOOL, "24133"),
    ("school", CITY_SCHOOL, "26734"),
)
_TRUSTED: Final = (
    ("root", AnchorKind.ANCHOR, OwnerClass.PUBLIC_SECTOR),
    ("authority", AnchorKind.INTERMEDIATE, OwnerClass.PUBLIC_SECTOR),
    ("public_root", AnchorKind.ANCHOR, OwnerClass.LICENSED_PUBLIC),
)
# Holder, school, role, and what its authority decided.
REGISTERED: Final = (
    *((name, SCHOOL, "NHA_TRUONG", "approved") for name in (
        "seal", "seal_sha1", "seal_p384", "seal_p521", "seal_expired", "seal_future",
        "seal_encipherment", "seal_lapsed_authority", "seal_too_deep", "seal_self_signed", "seal_licensed",
        "seal_first_version", "seal_no_authority", "seal_web_server",
        "seal_listed_revoked", "seal_listed_held", "seal_below_revoked",
    )),
    ("seal_pending", SCHOOL, "NHA_TRUONG", "pending"),
    ("seal_rejected", SCHOOL, "NHA_TRUONG", "rejected"),
    ("seal_suspended", SCHOOL, "NHA_TRUONG", "suspended"),
    ("seal_revoked", SCHOOL, "NHA_TRUONG", "revoked"),
    ("head", SCHOOL, "THU_TRUONG", "approved"),
    ("seal_elsewhere", OTHER_SCHOOL, "NHA_TRUONG", "approved"),
    ("seal_licensed", PRIVATE_SCHOOL, "NHA_TRUONG", "approved"),
    ("seal", CITY_SCHOOL, "NHA_TRUONG", "approved"),
    ("head", CITY_SCHOOL, "THU_TRUONG", "approved"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Country:
    """A service with everything in it that the cases need, and the kit's client signed in."""

    http: httpx.AsyncClient
    clock: MovableClock
    credentials: dict[str, str]


@asynccontextmanager
async def running_country(database_url: str, folder: Path) -> AsyncIterator[Country]:
    """Open a service on a fresh database and found the country in it."""
    clock = MovableClock(datetime.fromisoformat(TIME))
    settings = Settings(data_dir=folder, database_pool=5)
    async with open_service(settings, database_url, clock=clock) as service:
        transport = httpx.ASGITransport(create_app(service))
        async with httpx.AsyncClient(transport=transport, base_url="http://hocba.test") as http:
            async with transaction(service.engine) as connection:
                subjects, secret = await _found(connection, clock())
                for name in ("root", "authority"):
                    content = (FOLDER / f"{name}.crl").read_bytes()
                    await take_crl(
                        connection, content, source="pki",
                        now=clock(), acceptance=ACCEPTANCE, offload=service.offload,
                    )  # fmt: skip
            tokens = {
                name: issue_token(
                    service.keys, subject, issuer=ISSUER, now=clock(), lifetime=timedelta(days=400)
                )
                for name, subject in subjects.items()
            }
            await _enrol(http, tokens)
            http.headers["Authorization"] = f"Bearer {tokens[CLIENT]}"
            credentials = {"client_id": CLIENT, "client_secret": secret}
            yield Country(http=http, clock=clock, credentials=credentials)


async def _found(connection: AsyncConnection, now: datetime) -> tuple[dict[str, TokenSubject], str]:
    """Make organisations, the officers of both communes, the client with its secret, and the trust list."""
    actor = System()
    subjects: dict[str, TokenSubject] = {}
    for kind, code, parent in _ORGANISATIONS:
        is_school = kind == "school"
        draft = OrganisationDraft(
            kind=OrganisationKind(kind),
            code=code,
            name=f"TEST {code}",
            parent_code=parent,
            levels=("02", "03") if is_school else (),
            is_public=code != PRIVATE_SCHOOL,
            valid_from=date(2025, 7, 1),
        )
        await create_organisation(connection, draft, now=now, actor=actor)
        if kind == "commune":
            account = await create_account(
                connection,
                AccountDraft(
                    username=f"officer-{code}", full_name=code, role=Role.COMMUNE_OFFICER,
                    organisation_code=code, password_hash=hash_password("mật khẩu rất dài 1"),
                ),
                now=now, actor=actor,
            )  # fmt: skip
            subjects[code] = TokenSubject(kind=TokenKind.OFFICER, id=account.id)
    client, secret = await create_client(
        connection, name=CLIENT, school_codes=SCHOOLS, client_id=CLIENT, now=now, actor=actor
    )
    for name, kind_of_trust, owner_class in _TRUSTED:
        await add_anchor(
            connection, holder(name).certificate, owner_class=owner_class, kind=kind_of_trust,
            now=now, actor=actor,
        )  # fmt: skip
    return {**subjects, CLIENT: TokenSubject(kind=TokenKind.CLIENT, id=client.id)}, secret


async def _enrol(http: httpx.AsyncClient, tokens: dict[str, str]) -> None:
    """Register every certificate with proof of possession, and decide on it."""
    for name, school, role, state in REGISTERED:
        registered = await enrol(http, tokens[CLIENT], holder(name), school, role)
        officer = {"Authorization": f"Bearer {tokens['26734' if school == CITY_SCHOOL else '24133']}"}
        for action in _acts(state):
            answer = await http.post(
                f"/api/v1/certificates/{registered}/{action}", json=_body(action), headers=officer
            )
            assert answer.status_code == 200, (name, answer.text)


def _acts(state: str) -> tuple[str, ...]:
    return {
        "pending": (),
        "rejected": ("reject",),
        "approved": ("approve",),
        "suspended": ("approve", "suspend"),
        "revoked": ("approve", "revoke"),
    }[state]


def _body(action: str) -> dict[str, str]:
    if action == "revoke":
        return {"reason": "TEST", "reason_code": "keyCompromise", "effective_at": _BEFORE_SIGNING}
    if action == "suspend":
        return {"reason": "TEST", "effective_at": _BEFORE_SIGNING}
    return {"reason": "TEST"} if action == "reject" else {}
