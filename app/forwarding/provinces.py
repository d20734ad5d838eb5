"""The keys that provinces sign with (khóa công khai của Sở), as the ministry took them down beforehand.

Nothing that a province sends says by itself by which key it is to be believed.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.audit import AuditTag, record_act
from app.db import database_now
from app.errors import DomainError
from app.forwarding.tables import province_key
from app.keys import ALGORITHM
from app.organisations.kinds import Organisation, OrganisationKind
from app.organisations.tree import find_organisation

MAX_KEYS: Final = 100
CURVE: Final = "P-256"
_KID: Final = re.compile(r"[!-~]{1,128}")
_PUBLIC: Final = ("kty", "crv", "x", "y")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvinceKey:
    """One key of a province; a withdrawn one verifies nothing any more."""

    kid: str
    public_jwk: Mapping[str, Any]
    added_at: datetime
    withdrawn_at: datetime | None


async def department(connection: AsyncConnection, code: str) -> Organisation:
    """Give a department by its code; QH-005 for what is none."""
    found = await find_organisation(connection, code)
    if found is None or found.kind is not OrganisationKind.DEPARTMENT:
        raise DomainError("QH-005")
    return found


async def keys_of(connection: AsyncConnection, province: str) -> Sequence[Mapping[str, Any]]:
    """Give the keys that count, as JWKs."""
    rows = await connection.execute(
        select(province_key.c.public_jwk)
        .where(province_key.c.province_code == province, province_key.c.withdrawn_at.is_(None))
        .order_by(province_key.c.kid)
    )
    return list(rows.scalars())


async def list_keys(connection: AsyncConnection, province: str) -> Sequence[ProvinceKey]:
    """Give all keys of a province, withdrawn ones too."""
    rows = await connection.execute(
        select(
            province_key.c.kid,
            province_key.c.public_jwk,
            province_key.c.added_at,
            province_key.c.withdrawn_at,
        )
        .where(province_key.c.province_code == province)
        .order_by(province_key.c.kid)
    )
    return [ProvinceKey(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's documented way


async def add_keys(
    connection: AsyncConnection,
    code: str,
    jwks: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    actor: Actor,
) -> Sequence[ProvinceKey]:
    """Take down the public keys of a province (the ``keys`` of its JWKS); those known already stay.

    Refuses with QH-005 what is no department, QH-124 a set that holds anything but public keys on P-256 with
    an id, QH-125 an id that stands for another key.
    """
    found = await department(connection, code)
    read = [_read(jwk) for jwk in jwks]
    if not 0 < len(read) <= MAX_KEYS:
        raise DomainError("QH-124")
    known = {key.kid: key.public_jwk for key in await list_keys(connection, found.code)}
    for jwk in read:
        if known.get(jwk["kid"], jwk) != jwk:
            raise DomainError("QH-125", kid=jwk["kid"])
    fresh = [jwk for jwk in read if jwk["kid"] not in known]
    if fresh:
        rows = [{"province_code": found.code, "kid": jwk["kid"], "public_jwk": jwk} for jwk in fresh]
        await connection.execute(insert(province_key).values(rows).on_conflict_do_nothing())
        await record_act(
            connection,
            now=now,
            actor=actor,
            tag=AuditTag.PROVINCE_KEYS_ADDED,
            subject=f"province:{found.code}",
            facts={"kids": ", ".join(str(jwk["kid"]) for jwk in fresh)[:1000]},
        )
    return await list_keys(connection, found.code)


def read_jwks(content: bytes) -> Sequence[Mapping[str, Any]]:
    """Read a file as a JWKS (RFC 7517, 5); QH-124 for what is none."""
    try:
        keys = json.loads(content)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DomainError("QH-124") from error
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise DomainError("QH-124")
    return keys


def _read(jwk: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keep of a key what is public; QH-124 for a private one, for another kind, for one without an id."""
    kid = jwk.get("kid")
    is_named = isinstance(kid, str) and _KID.fullmatch(kid) is not None
    if not is_named or "d" in jwk or (jwk.get("kty"), jwk.get("crv")) != ("EC", CURVE):
        raise DomainError("QH-124")
    try:
        public = ECKey.import_key({name: str(jwk[name]) for name in _PUBLIC}).as_dict(private=False)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise DomainError("QH-124") from error
    return {**{name: public[name] for name in _PUBLIC}, "kid": kid, "use": "sig", "alg": ALGORITHM}


async def withdraw_key(
    connection: AsyncConnection, code: str, kid: str, *, now: datetime, actor: Actor
) -> None:
    """Let a province's key count no more, because it was lost; QH-005 where there is no such key."""
    withdrawn = await connection.execute(
        update(province_key)
        .where(
            province_key.c.province_code == code,
            province_key.c.kid == kid,
            province_key.c.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=database_now())
    )
    if withdrawn.rowcount != 1:
        raise DomainError("QH-005")
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.PROVINCE_KEY_WITHDRAWN,
        subject=f"province:{code}",
        facts={"kid": kid},
    )
