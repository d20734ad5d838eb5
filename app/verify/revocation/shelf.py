"""The shelf of revocation data: what is believed is taken in, and the newest of it is at hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import Prepared
from app.errors import DomainError
from app.findings import Finding
from app.jobs import SETTLE_REVOCATION, enqueue
from app.offload import Offload
from app.verify.certificates.possession import key_fingerprint
from app.verify.certificates.tables import trust_anchor
from app.verify.chain import fingerprint_of
from app.verify.policy import AcceptancePolicy
from app.verify.revocation.answer import Evidence, EvidenceKind, RevocationAnswer, RevocationStatus
from app.verify.revocation.crl import (
    ListScope,
    RevocationList,
    crl_flaw,
    crl_scope,
    parse_crl,
    revocation_list,
)
from app.verify.revocation.known import KnownRevocations
from app.verify.revocation.tables import crl, ocsp_response

IMPORTED: Final = "import"

_LOCK: Final = func.hashtext("hocba:revocation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A list that was taken in; ``is_new`` is False where it stood on the shelf already."""

    issuer: str
    evidence: Evidence
    revoked: int
    is_new: bool


async def take_crl(
    connection: AsyncConnection,
    content: bytes,
    *,
    source: str,
    now: datetime,
    acceptance: AcceptancePolicy,
    offload: Offload,
) -> Taken:
    """Take in a list, and let what waits for revocation data be judged anew, in the caller's transaction.

    Refuses with KS-070 what is no list, KS-071 an issuer that is not on the trust list, and for every other
    reason that ``crl_flaw`` gives. The same list again changes nothing.
    """
    parsed = await offload.run(parse_crl, content)
    if isinstance(parsed, Finding):
        raise _refused(parsed)
    authorities = await _authorities(connection, parsed.issuer)
    if not authorities:
        raise DomainError("KS-071", issuer=parsed.issuer.rfc4514_string())
    issuer, flaw = await offload.run(_believed, parsed, authorities, acceptance, now)
    if flaw is not None:
        raise _refused(flaw)
    ready = await offload.run(revocation_list, parsed)
    await hold_shelf(connection, is_changing=True)
    row = insert(crl).values(
        issuer_key=key_fingerprint(issuer),
        issuer=parsed.issuer.rfc4514_string(),
        scope=_scope_text(crl_scope(parsed)),
        number=None if ready.evidence.number is None else f"{ready.evidence.number:x}",
        this_update=ready.evidence.produced_at,
        next_update=ready.evidence.next_update,
        sha256=ready.evidence.sha256,
        der=parsed.public_bytes(Encoding.DER),
        source=source,
    )
    inserted = await connection.execute(row.on_conflict_do_nothing().returning(crl.c.id))
    is_new = inserted.one_or_none() is not None
    if is_new:
        await enqueue(connection, SETTLE_REVOCATION)
    return Taken(
        issuer=parsed.issuer.rfc4514_string(),
        evidence=ready.evidence,
        revoked=len(ready.entries),
        is_new=is_new,
    )


def _refused(reason: Finding) -> DomainError:
    return DomainError(reason.code, **reason.facts)


async def _authorities(connection: AsyncConnection, name: x509.Name) -> Sequence[x509.Certificate]:
    """Give the listed certificates of this name; one that only helps to build paths signs lists too."""
    rows = await connection.execute(
        select(trust_anchor.c.der)
        .where(trust_anchor.c.withdrawn_at.is_(None), trust_anchor.c.subject == name.rfc4514_string())
        .order_by(trust_anchor.c.fingerprint)
    )
    return [x509.load_der_x509_certificate(der) for der in rows.scalars()]


def _believed(
    parsed: x509.CertificateRevocationList,
    authorities: Sequence[x509.Certificate],
    acceptance: AcceptancePolicy,
    now: datetime,
) -> tuple[x509.Certificate, Finding | None]:
    """Find the authority's key that signed the list; else tell the reason that helps most."""
    judged = [(issuer, crl_flaw(parsed, issuer, acceptance, now)) for issuer in authorities]
    return min(judged, key=lambda one: (one[1] is not None, one[1] is not None and one[1].code == "KS-072"))


def _scope_text(scope: ListScope) -> str:
    kind = "users" if scope.only_users else "authorities" if scope.only_authorities else "all"
    return " ".join([kind, *sorted(scope.addresses)])


async def take_response(
    connection: AsyncConnection,
    certificate: x509.Certificate,
    answer: RevocationAnswer | Finding,
    content: bytes,
    *,
    source: str,
) -> bool:
    """Take in a responder's answer as ``ocsp_answer`` has judged it; says whether it tells anything new.

    Refuses what that has refused, with its code. That a responder does not know a certificate is no news.
    """
    if isinstance(answer, Finding):
        raise _refused(answer)
    if answer.evidence is None or answer.status is RevocationStatus.UNKNOWN:
        return False
    await hold_shelf(connection, is_changing=True)
    row = insert(ocsp_response).values(
        fingerprint=fingerprint_of(certificate),
        status=answer.status,
        revoked_at=answer.revoked_at,
        reason=answer.reason.value,
        this_update=answer.evidence.produced_at,
        next_update=answer.evidence.next_update,
        sha256=answer.evidence.sha256,
        der=content,
        source=source,
    )
    inserted = await connection.execute(row.on_conflict_do_nothing().returning(ocsp_response.c.id))
    if inserted.one_or_none() is None:
        return False
    await enqueue(connection, SETTLE_REVOCATION)
    return True


async def hold_shelf(connection: AsyncConnection, *, is_changing: bool = False) -> None:
    """Let nothing come in before the caller's transaction ends; whoever brings something in waits in turn.

    So versions become visible in their order, and what is held for want of data is either seen by the job
    that new data starts, or has seen the new data itself.
    """
    lock = func.pg_advisory_xact_lock if is_changing else func.pg_advisory_xact_lock_shared
    await connection.execute(select(lock(_LOCK)))


async def shelf_version(connection: AsyncConnection) -> tuple[int, int]:
    """Give what rises with everything that comes in."""
    (row,) = await _VERSION.rows(connection)
    return row["lists"], row["responses"]


_VERSION: Final = Prepared(
    select(
        select(func.coalesce(func.max(crl.c.id), literal(0))).scalar_subquery().label("lists"),
        select(func.coalesce(func.max(ocsp_response.c.id), literal(0))).scalar_subquery().label("responses"),
    )
)


class Shelf:
    """What is known of revocations, kept at hand by one process and read anew when something has come in."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self._known = KnownRevocations()

    async def known(self, connection: AsyncConnection) -> KnownRevocations:
        """Give what is known now; the same object as long as nothing comes in."""
        version = await shelf_version(connection)
        if version != self._known.version:
            self._known = KnownRevocations(
                version=version,
                lists=await self._lists(connection),
                responses=await _responses(connection),
            )
        return self._known

    async def _lists(self, connection: AsyncConnection) -> Mapping[x509.Name, Sequence[RevocationList]]:
        at_hand = {known.evidence.sha256: known for known in self._all_lists()}
        rows = await connection.execute(
            select(crl.c.sha256)
            .ext(distinct_on(crl.c.issuer_key, crl.c.scope))
            .order_by(crl.c.issuer_key, crl.c.scope, crl.c.this_update.desc(), crl.c.id.desc())
        )
        lists: dict[x509.Name, list[RevocationList]] = {}
        for row in rows.all():
            found = at_hand.get(row.sha256)
            if found is None:
                der = await connection.execute(select(crl.c.der).where(crl.c.sha256 == row.sha256))
                found = await self._offload.run(_reread, der.scalar_one())
            lists.setdefault(found.issuer, []).append(found)
        return lists

    def _all_lists(self) -> Sequence[RevocationList]:
        return [known for lists in self._known.lists.values() for known in lists]


def _reread(der: bytes) -> RevocationList:
    return revocation_list(x509.load_der_x509_crl(der))


async def _responses(connection: AsyncConnection) -> Mapping[str, Sequence[RevocationAnswer]]:
    """Give the newest answer of each kind about each certificate."""
    rows = await connection.execute(
        select(ocsp_response)
        .ext(distinct_on(ocsp_response.c.fingerprint, ocsp_response.c.status))
        .order_by(
            ocsp_response.c.fingerprint,
            ocsp_response.c.status,
            ocsp_response.c.this_update.desc(),
            ocsp_response.c.id.desc(),
        )
    )
    responses: dict[str, list[RevocationAnswer]] = {}
    for row in rows:
        answer = RevocationAnswer(
            status=RevocationStatus(row.status),
            evidence=Evidence(
                kind=EvidenceKind.OCSP,
                sha256=row.sha256,
                number=None,
                produced_at=row.this_update,
                next_update=row.next_update,
            ),
            revoked_at=row.revoked_at,
            reason=x509.ReasonFlags(row.reason),
        )
        responses.setdefault(row.fingerprint, []).append(answer)
    return responses
