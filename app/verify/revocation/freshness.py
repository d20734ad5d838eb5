"""How fresh the revocation data is, for an operator: every list at hand, every address, every gap."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from app.verify.certificates.possession import key_fingerprint, read_certificate
from app.verify.certificates.tables import trust_anchor
from app.verify.revocation.answer import EvidenceKind
from app.verify.revocation.tables import crl, ocsp_response, revocation_source


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCrl:
    """The newest list of an issuer's key and scope."""

    issuer: str
    issuer_key: str
    scope: str
    number: str | None
    this_update: datetime
    next_update: datetime
    sha256: str
    source: str
    fetched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """How the last try at an address went; ``code`` none: well."""

    address: str
    kind: EvidenceKind
    tried_at: datetime
    succeeded_at: datetime | None
    code: str | None
    facts: Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """What there is, and what there is not.

    Attributes:
        silent: trusted authorities of which no list was ever taken in.
        responses: how many answers of responders are current.
    """

    lists: Sequence[ListedCrl]
    sources: Sequence[Source]
    silent: Sequence[str]
    responses: int


async def freshness(connection: AsyncConnection, now: datetime) -> Freshness:
    """Tell how fresh the revocation data is at a moment (aware)."""
    columns = [crl.c[name] for name in ListedCrl.__dataclass_fields__]
    newest = await connection.execute(
        select(*columns)
        .ext(distinct_on(crl.c.issuer_key, crl.c.scope))
        .order_by(crl.c.issuer_key, crl.c.scope, crl.c.this_update.desc(), crl.c.id.desc())
    )
    tried = await connection.execute(select(revocation_source).order_by(revocation_source.c.address))
    current = select(func.count(ocsp_response.c.fingerprint.distinct())).where(
        ocsp_response.c.next_update > now
    )
    return Freshness(
        lists=[ListedCrl(**row._mapping) for row in newest],  # noqa: SLF001 - SQLAlchemy's documented way to a mapping
        sources=[Source(**{**row._mapping, "kind": EvidenceKind(row.kind)}) for row in tried],  # noqa: SLF001 - as above
        silent=await _silent(connection),
        responses=(await connection.execute(current)).scalar_one(),
    )


async def _silent(connection: AsyncConnection) -> Sequence[str]:
    """Give the trusted authorities of whose key there is no list."""
    keys = set((await connection.execute(select(crl.c.issuer_key).distinct())).scalars())
    listed = await connection.execute(
        select(trust_anchor.c.subject, trust_anchor.c.der)
        .where(trust_anchor.c.withdrawn_at.is_(None))
        .order_by(trust_anchor.c.subject, trust_anchor.c.fingerprint)
    )
    return [row.subject for row in listed if key_fingerprint(read_certificate(row.der)) not in keys]
