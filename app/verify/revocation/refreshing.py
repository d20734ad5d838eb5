"""Periodic work: fetching the authorities' lists, and asking their responders where that is switched on.

Only approved certificates and the trust list say where to fetch from, besides what the operator names: an
address in a document that just came in is never called.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Final
from uuid import UUID

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.clock import Clock
from app.db import transaction
from app.errors import DomainError
from app.offload import Offload
from app.verify.certificates.anchors import trust_list
from app.verify.certificates.standing import CertificateState
from app.verify.certificates.tables import certificate, trust_anchor
from app.verify.chain import TrustList, build_path, fingerprint_of
from app.verify.policy import AcceptancePolicy
from app.verify.revocation.answer import EvidenceKind
from app.verify.revocation.crl import list_addresses
from app.verify.revocation.fetching import MAX_ADDRESS_CHARACTERS, FetchRules, fetch
from app.verify.revocation.known import KnownRevocations
from app.verify.revocation.ocsp import ocsp_answer, ocsp_request, responder_addresses
from app.verify.revocation.shelf import Shelf, take_crl, take_response
from app.verify.revocation.tables import ocsp_response, revocation_source

# The kind of job, and its name on the schedule.
FETCH_REVOCATION: Final = "fetch revocations"
BATCH: Final = 1000
# More is no trust list any more, and a responder is not to be asked about a whole country in one run.
MAX_LISTS: Final = 1000
MAX_QUESTIONS: Final = 2000
MAX_RESPONSE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresher:
    """What fetching needs, made once by the composition root.

    Attributes:
        addresses: lists to fetch besides those that certificates name.
        asks_responders: whether OCSP is used.
    """

    engine: AsyncEngine
    clock: Clock
    offload: Offload
    acceptance: AcceptancePolicy
    rules: FetchRules
    shelf: Shelf
    addresses: tuple[str, ...] = ()
    asks_responders: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask a responder."""

    certificate: x509.Certificate
    issuer: x509.Certificate
    address: str


async def refresh(refresher: Refresher) -> Mapping[str, int]:
    """Fetch every list once, and ask what is not known; an address that fails stops no other.

    Gives how many lists and answers were new, and how many addresses failed.
    """
    fetched = [await _fetch_list(refresher, address) for address in await _addresses(refresher)]
    asked = []
    if refresher.asks_responders:
        questions = await _questions(refresher)
        async with transaction(refresher.engine) as connection:
            known = await refresher.shelf.known(connection)
        asked = [await _ask_responder(refresher, question, known) for question in questions]
    return {
        "lists": fetched.count(True),
        "answers": asked.count(True),
        "failed": fetched.count(None) + asked.count(None),
    }


async def _fetch_list(refresher: Refresher, address: str) -> bool | None:
    """Fetch a list; says whether it is a new one, None where it failed."""
    try:
        content = await fetch(address, refresher.rules)
        async with transaction(refresher.engine) as connection:
            taken = await take_crl(
                connection,
                content,
                source=address,
                now=refresher.clock(),
                acceptance=refresher.acceptance,
                offload=refresher.offload,
            )
            await _note(connection, address, EvidenceKind.CRL, refresher.clock())
    except DomainError as error:
        await _note_failure(refresher, address, EvidenceKind.CRL, error)
        return None
    return taken.is_new


async def _ask_responder(refresher: Refresher, question: Question, known: KnownRevocations) -> bool | None:
    """Ask about one certificate; says whether the answer tells anything new, None where it failed."""
    rules = replace(refresher.rules, max_bytes=MAX_RESPONSE_BYTES)
    asked = ocsp_request(question.certificate, question.issuer)
    try:
        content = await fetch(question.address, rules, question=asked)
        answer = ocsp_answer(
            content,
            question.certificate,
            question.issuer,
            refresher.acceptance,
            refresher.clock(),
            known=known,
        )
        async with transaction(refresher.engine) as connection:
            is_new = await take_response(
                connection, question.certificate, answer, content, source=question.address
            )
            await _note(connection, question.address, EvidenceKind.OCSP, refresher.clock())
    except DomainError as error:
        await _note_failure(refresher, question.address, EvidenceKind.OCSP, error)
        return None
    return is_new


async def _note_failure(refresher: Refresher, address: str, kind: EvidenceKind, error: DomainError) -> None:
    async with transaction(refresher.engine) as connection:
        await _note(connection, address, kind, refresher.clock(), error)


async def _note(
    connection: AsyncConnection,
    address: str,
    kind: EvidenceKind,
    now: datetime,
    error: DomainError | None = None,
) -> None:
    """Write down how the try went; when it last succeeded is kept over failures."""
    tried = {
        "tried_at": now,
        "code": None if error is None else error.code,
        "facts": {} if error is None else error.facts,
        **({"succeeded_at": now} if error is None else {}),
    }
    statement = upsert(revocation_source).values(address=address, kind=kind, **tried)
    await connection.execute(statement.on_conflict_do_update(index_elements=["address"], set_=tried))


async def _addresses(refresher: Refresher) -> Sequence[str]:
    """Give where lists are: what the operator names first, then what certificates name, each once."""
    named: set[str] = set()
    async for certificates in _certificates(refresher):
        named |= await refresher.offload.run(_list_addresses, certificates)
    return [*dict.fromkeys([*refresher.addresses, *sorted(named)])][:MAX_LISTS]


def _list_addresses(certificates: Iterable[bytes]) -> set[str]:
    found = {
        address for der in certificates for address in list_addresses(x509.load_der_x509_certificate(der))
    }
    return {address for address in found if _is_web(address)}


def _is_web(address: str) -> bool:
    """Lists in directories (ldap) are left aside; authorities publish them on the web as well."""
    return address.startswith(("http://", "https://")) and len(address) <= MAX_ADDRESS_CHARACTERS


async def _certificates(refresher: Refresher) -> AsyncIterator[Sequence[bytes]]:
    """Give the trust list, then the approved certificates that have not expired, some at a time."""
    async with transaction(refresher.engine) as connection:
        listed = await connection.execute(
            select(trust_anchor.c.der)
            .where(trust_anchor.c.withdrawn_at.is_(None))
            .order_by(trust_anchor.c.fingerprint)
        )
        yield list(listed.scalars())
    last: UUID | None = None
    while True:
        statement = (
            select(certificate.c.id, certificate.c.der)
            .where(
                certificate.c.state == CertificateState.APPROVED,
                certificate.c.not_after > refresher.clock(),
            )
            .order_by(certificate.c.id)
            .limit(BATCH)
        )
        if last is not None:
            statement = statement.where(certificate.c.id > last)
        async with transaction(refresher.engine) as connection:
            rows = (await connection.execute(statement)).all()
        if not rows:
            return
        yield [row.der for row in rows]
        last = rows[-1].id


async def _questions(refresher: Refresher) -> Sequence[Question]:
    """Give what no answer at hand covers any more, at most as much as one run may ask."""
    now = refresher.clock()
    async with transaction(refresher.engine) as connection:
        trust = await trust_list(connection)
        covered = await connection.execute(
            select(ocsp_response.c.fingerprint).where(ocsp_response.c.next_update > now).distinct()
        )
        known = set(covered.scalars())
    questions: dict[str, Question] = {}
    async for certificates in _certificates(refresher):
        found = await refresher.offload.run(_askable, certificates, trust, refresher.acceptance, now)
        questions |= {name: asked for name, asked in found.items() if name not in known}
        if len(questions) >= MAX_QUESTIONS:
            break
    return list(questions.values())[:MAX_QUESTIONS]


def _askable(
    certificates: Iterable[bytes], trust: TrustList, acceptance: AcceptancePolicy, now: datetime
) -> dict[str, Question]:
    """Give, by fingerprint, what can be asked about these certificates and the authorities above them."""
    found: dict[str, Question] = {}
    for der in certificates:
        path = build_path(x509.load_der_x509_certificate(der), (), trust, acceptance, now)
        for asked, issuer in pairwise(path.chain):
            addresses = [address for address in responder_addresses(asked) if _is_web(address)]
            if addresses:
                found[fingerprint_of(asked)] = Question(
                    certificate=asked, issuer=issuer, address=addresses[0]
                )
    return found
