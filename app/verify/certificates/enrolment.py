"""Registration (đăng ký chứng thư số): a school hands in a certificate and proves that the key is its own."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.audit import AuditTag, record_act
from app.errors import DomainError
from app.formats.profile import SignerRole
from app.ids import uuid7
from app.organisations.kinds import Organisation
from app.organisations.scope import school_for
from app.organisations.tree import legal_date
from app.verify.certificates.possession import Proof, check_possession, key_fingerprint
from app.verify.certificates.standing import CERTIFICATE_LIFECYCLE, CertificateState
from app.verify.certificates.tables import certificate as certificate_table
from app.verify.certificates.tables import certificate_event, possession_challenge
from app.verify.chain import fingerprint_of

CHALLENGE_LASTS: Final = timedelta(minutes=10)
REGISTERED_ROLES: Final = frozenset({SignerRole.SCHOOL, SignerRole.HEAD})


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A nonce to be signed once, before it expires."""

    id: UUID
    nonce: str
    expires_at: datetime


async def open_challenge(
    connection: AsyncConnection, school_code: str, *, now: datetime, actor: Actor
) -> Challenge:
    """Give a nonce for a registration of this school, for ten minutes; QH-004 for another's school."""
    school = await school_for(connection, actor, school_code, legal_date(now))
    challenge = Challenge(id=uuid7(now), nonce=secrets.token_urlsafe(32), expires_at=now + CHALLENGE_LASTS)
    await connection.execute(
        insert(possession_challenge).values(
            id=challenge.id,
            school_id=school.id,
            nonce=challenge.nonce,
            expires_at=challenge.expires_at,
        )
    )
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.CERTIFICATE_CHALLENGED,
        subject=challenge.id.hex,
        school_id=school.id,
    )
    return challenge


async def register(
    connection: AsyncConnection,
    *,
    school_code: str,
    role: SignerRole,
    certificate: x509.Certificate,
    challenge_id: UUID,
    proof: Proof,
    renews: UUID | None = None,
    now: datetime,
    actor: Actor,
) -> UUID:
    """Register a certificate for a school's seal or head; it awaits the managing authority's decision.

    Refuses with QH-004 a school that the caller may not act for, QH-026 a challenge that cannot be used,
    QH-027 or QH-028 a proof that does not hold, QH-033 a renewal of something else, QH-029 a certificate
    that stands registered for this school and role. Weak or untrusted certificates are registered too:
    the checks are shown to the officer, and no signature by one is ever accepted.

    Args:
        connection: open in a transaction.
        school_code: the school's.
        role: NHA_TRUONG or THU_TRUONG; teachers' certificates are not registered.
        certificate: as ``read_certificate`` gave it.
        challenge_id: of the challenge whose nonce was signed.
        proof: the signature over the nonce.
        renews: the registration that this one follows, if any.
        now: aware.
        actor: the client that acts for the school.
    """
    if role not in REGISTERED_ROLES:
        raise RuntimeError(f"{role} is not registered")
    school = await school_for(connection, actor, school_code, legal_date(now))
    nonce = await _use_challenge(connection, challenge_id, school, now)
    check_possession(certificate, proof, nonce)
    if renews is not None:
        await _check_renewal(connection, renews, school, role)
    registered = await _insert(
        connection, certificate, school, role=role, renews=renews, now=now, actor=actor
    )
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.CERTIFICATE_REGISTERED,
        subject=registered.hex,
        school_id=school.id,
        facts={"role": role, "fingerprint": fingerprint_of(certificate)},
    )
    return registered


async def _use_challenge(
    connection: AsyncConnection, challenge_id: UUID, school: Organisation, now: datetime
) -> str:
    """Mark the challenge used and give its nonce; a refusal later in the request undoes the mark."""
    row = (
        await connection.execute(
            update(possession_challenge)
            .where(
                possession_challenge.c.id == challenge_id,
                possession_challenge.c.school_id == school.id,
                possession_challenge.c.used_at.is_(None),
                possession_challenge.c.expires_at > now,
            )
            .values(used_at=func.now())
            .returning(possession_challenge.c.nonce)
        )
    ).one_or_none()
    if row is None:
        raise DomainError("QH-026")
    return str(row.nonce)


async def _check_renewal(
    connection: AsyncConnection, renews: UUID, school: Organisation, role: SignerRole
) -> None:
    statement = select(certificate_table.c.id).where(
        certificate_table.c.id == renews,
        certificate_table.c.school_id == school.id,
        certificate_table.c.role == role,
    )
    if (await connection.execute(statement)).one_or_none() is None:
        raise DomainError("QH-033")


async def _insert(
    connection: AsyncConnection,
    certificate: x509.Certificate,
    school: Organisation,
    *,
    role: SignerRole,
    renews: UUID | None,
    now: datetime,
    actor: Actor,
) -> UUID:
    """Insert the row and its first event; a unique index decides between two at once."""
    certificate_id = uuid7(now)
    inserted = await connection.execute(
        insert_or(certificate_table)
        .values(
            id=certificate_id,
            school_id=school.id,
            role=role,
            fingerprint=fingerprint_of(certificate),
            key_fingerprint=key_fingerprint(certificate),
            der=certificate.public_bytes(Encoding.DER),
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            serial_number=f"{certificate.serial_number:x}",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            renews=renews,
            registered_by=actor.id,
            state=CERTIFICATE_LIFECYCLE.initial,
        )
        .on_conflict_do_nothing()
    )
    if inserted.rowcount != 1:
        raise DomainError("QH-029")
    await connection.execute(
        insert(certificate_event).values(
            id=uuid7(now),
            certificate_id=certificate_id,
            target=CertificateState.PENDING,
            at=now,
            actor_kind=actor.kind,
            actor_id=actor.id,
        )
    )
    return certificate_id
