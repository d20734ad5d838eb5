"""Certificates over HTTP: schools register, the competent authority decides."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Officer, Role
from app.api.certificate_bodies import (
    CertificateDetail,
    CertificateOut,
    ChallengeIn,
    ChallengeOut,
    DecisionOut,
    DecisionsIn,
    DecisionsOut,
    ProblemOut,
    ProofIn,
    ReasonIn,
    RegistrationIn,
    RevocationIn,
    SuspensionIn,
)
from app.api.deps import Connection, Reader, School, Service, requires
from app.api.paging import Cursor, Limit, Page, id_after
from app.api.texts import SchoolCode, identified
from app.audit import AuditTag, record_act
from app.errors import DomainError
from app.formats.profile import SignerRole
from app.ids import hex32
from app.organisations.scope import require_in_scope
from app.organisations.tree import legal_date
from app.verify.certificates.anchors import trust_list
from app.verify.certificates.checks import Check, check_certificate
from app.verify.certificates.decisions import Action, Decision, decide
from app.verify.certificates.enrolment import open_challenge, register
from app.verify.certificates.possession import Proof, read_certificate
from app.verify.certificates.registry import (
    Registration,
    find_registration,
    history,
    list_registrations,
    same_key_elsewhere,
)
from app.verify.certificates.standing import CertificateState
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.check import check_revocation
from app.verify.revocation.shelf import Shelf
from app.verify.signer_policy import SIGNER_RULES

router = APIRouter(prefix="/api/v1/certificates", tags=["certificates"])

Decider = Annotated[Officer, Depends(requires(Role.COMMUNE_OFFICER, Role.DEPARTMENT_OFFICER))]
CertificateId = Annotated[str, Path(max_length=40, description="certificate_id, 32 hoặc 36 ký tự")]


@router.post(
    "/challenges",
    status_code=201,
    summary="Lấy chuỗi để chứng minh sở hữu khoá / Get a nonce to prove possession of a key",
)
async def challenge(
    asked: ChallengeIn, actor: School, connection: Connection, service: Service
) -> ChallengeOut:
    """Give a nonce, good once and for ten minutes; sign the ASCII ``hocba-possession:`` followed by it."""
    opened = await open_challenge(connection, asked.school_code, now=service.clock(), actor=actor)
    return ChallengeOut(challenge_id=hex32(opened.id), nonce=opened.nonce, expires_at=opened.expires_at)


@router.post(
    "",
    status_code=201,
    summary="Đăng ký chứng thư số của trường / Register a school's certificate",
)
async def enrol(
    asked: RegistrationIn, actor: School, connection: Connection, service: Service
) -> CertificateOut:
    """Register a seal (NHA_TRUONG) or a head's certificate (THU_TRUONG); it then awaits the authority."""
    proof = Proof(algorithm=asked.proof.algorithm, signature=_signature(asked.proof))
    certificate_id = await register(
        connection,
        school_code=asked.school_code,
        role=SignerRole(asked.role),
        certificate=read_certificate(_content(asked.certificate)),
        challenge_id=identified(asked.proof.challenge_id),
        proof=proof,
        renews=None if asked.renews is None else identified(asked.renews),
        now=service.clock(),
        actor=actor,
    )
    return CertificateOut.of(await _stored(connection, certificate_id))


@router.get("", summary="Danh sách chứng thư số trong phạm vi / Certificates in scope")
async def listing(
    *,
    actor: Reader,
    connection: Connection,
    service: Service,
    status: Annotated[CertificateState | None, Query(description="Trạng thái / state")] = None,
    school_code: Annotated[SchoolCode | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[CertificateOut]:
    """List the schools' registrations that the caller may see, oldest first."""
    found = await list_registrations(
        connection,
        actor=actor,
        on=legal_date(service.clock()),
        state=status,
        school_code=school_code,
        after=id_after(cursor),
        limit=limit + 1,
    )
    return Page.cut(found, limit, show=CertificateOut.of, place=lambda row: row.id)


@router.get(
    "/{certificate_id}", summary="Một chứng thư số, kiểm tra và lịch sử / One, with checks and history"
)
async def one(
    certificate_id: CertificateId, actor: Reader, connection: Connection, service: Service
) -> CertificateDetail:
    """Give a registration with the automatic checks as of now and everything that was decided on it."""
    found = await find_registration(connection, identified(certificate_id))
    if found is None:
        raise DomainError("QH-005")
    now = service.clock()
    await require_in_scope(connection, actor, found.school_id, legal_date(now))
    checks = await _checks(connection, found, service.bench.shelf, now)
    lines = await history(connection, found.id)
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.CERTIFICATE_READ,
        subject=hex32(found.id),
        school_id=found.school_id,
    )
    return CertificateDetail.whole(found, checks, lines)


@router.post("/decisions", summary="Quyết định nhiều chứng thư số / Decide on many")
async def decide_many(
    asked: DecisionsIn, actor: Decider, connection: Connection, service: Service
) -> DecisionsOut:
    """Decide alike on each certificate; each stands or falls alone, the answer says which.

    They are taken in the order of their ids, so that two officers deciding at once do not block each other.
    """
    results: dict[str, DecisionOut] = {}
    for certificate_id in sorted(set(asked.certificate_ids)):
        try:
            async with connection.begin_nested():
                state = await decide(
                    connection,
                    UUID(certificate_id),
                    asked.decision(),
                    now=service.clock(),
                    officer=actor,
                )
            results[certificate_id] = DecisionOut(certificate_id=certificate_id, state=state)
        except DomainError as error:
            problem = ProblemOut.of(error.code, error.facts)
            results[certificate_id] = DecisionOut(certificate_id=certificate_id, problem=problem)
    return DecisionsOut(results=[results[asked_id] for asked_id in asked.certificate_ids])


@router.post("/{certificate_id}/approve", summary="Phê duyệt / Approve")
async def approve(
    certificate_id: CertificateId,
    actor: Decider,
    connection: Connection,
    service: Service,
    asked: ReasonIn | None = None,
) -> CertificateOut:
    """Approve a pending certificate; transcripts held for it settle by themselves."""
    decision = Decision(action=Action.APPROVE, reason=asked.reason if asked else None)
    return await _decide(connection, certificate_id, decision, service.clock(), actor)


@router.post("/{certificate_id}/reject", summary="Từ chối, có lý do / Reject, with a reason")
async def reject(
    certificate_id: CertificateId, asked: ReasonIn, actor: Decider, connection: Connection, service: Service
) -> CertificateOut:
    """Reject a pending certificate; the school reads the reason."""
    decision = Decision(action=Action.REJECT, reason=asked.reason)
    return await _decide(connection, certificate_id, decision, service.clock(), actor)


@router.post("/{certificate_id}/suspend", summary="Tạm dừng / Suspend")
async def suspend(
    certificate_id: CertificateId,
    asked: SuspensionIn,
    actor: Decider,
    connection: Connection,
    service: Service,
) -> CertificateOut:
    """Suspend an approved certificate: what it signs from ``effective_at`` (or now) on is refused."""
    decision = Decision(action=Action.SUSPEND, reason=asked.reason, effective_at=asked.effective_at)
    return await _decide(connection, certificate_id, decision, service.clock(), actor)


@router.post("/{certificate_id}/reinstate", summary="Khôi phục / Reinstate")
async def reinstate(
    certificate_id: CertificateId,
    actor: Decider,
    connection: Connection,
    service: Service,
    asked: ReasonIn | None = None,
) -> CertificateOut:
    """Lift a suspension from now on; what was signed during it stays refused."""
    decision = Decision(action=Action.REINSTATE, reason=asked.reason if asked else None)
    return await _decide(connection, certificate_id, decision, service.clock(), actor)


@router.post("/{certificate_id}/revoke", summary="Thu hồi / Revoke")
async def revoke(
    certificate_id: CertificateId,
    asked: RevocationIn,
    actor: Decider,
    connection: Connection,
    service: Service,
) -> CertificateOut:
    """Revoke for good: what was signed from ``effective_at`` (or now) on is refused."""
    decision = Decision(
        action=Action.REVOKE,
        reason=asked.reason,
        reason_code=asked.reason_code,
        effective_at=asked.effective_at,
    )
    return await _decide(connection, certificate_id, decision, service.clock(), actor)


async def _decide(
    connection: AsyncConnection, certificate_id: str, decision: Decision, now: datetime, officer: Officer
) -> CertificateOut:
    decided = identified(certificate_id)
    await decide(connection, decided, decision, now=now, officer=officer)
    return CertificateOut.of(await _stored(connection, decided))


async def _stored(connection: AsyncConnection, certificate_id: UUID) -> Registration:
    return cast("Registration", await find_registration(connection, certificate_id))


async def _checks(
    connection: AsyncConnection, found: Registration, shelf: Shelf, now: datetime
) -> Sequence[Check]:
    certificate, trust = read_certificate(found.der), await trust_list(connection)
    checks = check_certificate(
        certificate,
        role=found.role,
        trust=trust,
        acceptance=ACCEPTANCE,
        seal_owner_classes=SIGNER_RULES.seal_owner_classes[found.school_is_public],
        same_key=await same_key_elsewhere(connection, found),
        now=now,
    )
    known = await shelf.known(connection)
    revocation = check_revocation(
        certificate, role=found.role, trust=trust, acceptance=ACCEPTANCE, known=known, now=now
    )
    return (*checks, revocation)


def _content(text: str) -> bytes:
    """Give the octets of a certificate sent as PEM, or as the base64 of its DER."""
    if "-----BEGIN" in text:
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DomainError("QH-025") from error


def _signature(proof: ProofIn) -> bytes:
    try:
        return base64.b64decode(proof.signature, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DomainError("QH-027", algorithm=proof.algorithm) from error
