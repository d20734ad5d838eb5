"""The trust list (danh sách tin cậy): authorities' certificates as administered data, and its version."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.audit import AuditTag, record_act
from app.db import Prepared
from app.errors import DomainError
from app.ids import uuid7
from app.verify.certificates.tables import trust_anchor
from app.verify.chain import OwnerClass, TrustAnchor, TrustList, fingerprint_of
from app.verify.path_walk import is_authority


class AnchorKind(StrEnum):
    """What a listed certificate is for."""

    ANCHOR = "anchor"  # paths end here
    INTERMEDIATE = "intermediate"  # only helps to build paths; believed nothing by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCertificate:
    """One row of the trust list; ``withdrawn_at`` is set when it no longer counts."""

    id: UUID
    fingerprint: str
    der: bytes
    subject: str
    owner_class: OwnerClass
    kind: AnchorKind
    added_at: datetime
    withdrawn_at: datetime | None


async def trust_list(connection: AsyncConnection) -> TrustList:
    """Give the trust list in force; the same object as long as it stays the same, so that it keys caches."""
    rows = await _IN_FORCE.rows(connection)
    return _assemble(tuple((row["der"], row["owner_class"], row["kind"]) for row in rows))


_IN_FORCE: Final = Prepared(
    select(trust_anchor.c.der, trust_anchor.c.owner_class, trust_anchor.c.kind)
    .where(trust_anchor.c.withdrawn_at.is_(None))
    .order_by(trust_anchor.c.fingerprint)
)


@lru_cache(maxsize=4)
def _assemble(rows: tuple[tuple[bytes, str, str], ...]) -> TrustList:
    """Make the list; its version is a digest of what is in it, so equal lists have equal versions."""
    content = hashlib.sha256()
    for der, owner_class, kind in rows:
        content.update(hashlib.sha256(der).digest() + f"{owner_class}/{kind};".encode())
    read = [(x509.load_der_x509_certificate(der), owner, kind) for der, owner, kind in rows]
    return TrustList(
        version=content.hexdigest()[:16],
        anchors=tuple(
            TrustAnchor(certificate=found, owner_class=OwnerClass(owner))
            for found, owner, kind in read
            if kind == AnchorKind.ANCHOR
        ),
        intermediates=tuple(found for found, _, kind in read if kind == AnchorKind.INTERMEDIATE),
    )


async def add_anchor(
    connection: AsyncConnection,
    certificate: x509.Certificate,
    *,
    owner_class: OwnerClass,
    kind: AnchorKind,
    now: datetime,
    actor: Actor,
) -> ListedCertificate:
    """List an authority's certificate; QH-031 where it is no authority's, QH-032 where it is listed.

    One that was withdrawn may be listed again: the row then counts anew from now.
    """
    if not is_authority(certificate):
        raise DomainError("QH-031")
    fresh = {"owner_class": owner_class, "kind": kind, "added_at": now, "withdrawn_at": None}
    statement = insert(trust_anchor).values(
        id=uuid7(now),
        fingerprint=fingerprint_of(certificate),
        der=certificate.public_bytes(Encoding.DER),
        subject=certificate.subject.rfc4514_string(),
        **fresh,
    )
    statement = statement.on_conflict_do_update(
        index_elements=[trust_anchor.c.fingerprint],
        set_=fresh,
        where=trust_anchor.c.withdrawn_at.is_not(None),
    )
    row = (await connection.execute(statement.returning(trust_anchor))).one_or_none()
    if row is None:
        raise DomainError("QH-032")
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ANCHOR_ADDED,
        subject=row.id.hex,
        facts={"fingerprint": row.fingerprint, "owner_class": owner_class, "kind": kind},
    )
    return _listed(row)


async def withdraw_anchor(
    connection: AsyncConnection, anchor_id: UUID, *, now: datetime, actor: Actor
) -> ListedCertificate:
    """Take a certificate off the trust list; QH-005 where it is not on it."""
    row = (
        await connection.execute(
            update(trust_anchor)
            .where(trust_anchor.c.id == anchor_id, trust_anchor.c.withdrawn_at.is_(None))
            .values(withdrawn_at=now)
            .returning(trust_anchor)
        )
    ).one_or_none()
    if row is None:
        raise DomainError("QH-005")
    await record_act(
        connection,
        now=now,
        actor=actor,
        tag=AuditTag.ANCHOR_WITHDRAWN,
        subject=anchor_id.hex,
        facts={"fingerprint": row.fingerprint},
    )
    return _listed(row)


async def list_anchors(
    connection: AsyncConnection, *, after: UUID | None = None, limit: int
) -> Sequence[ListedCertificate]:
    """Give all listed certificates, withdrawn ones too, in the order they were first listed."""
    statement = select(trust_anchor).order_by(trust_anchor.c.id).limit(limit)
    if after is not None:
        statement = statement.where(trust_anchor.c.id > after)
    return [_listed(row) for row in await connection.execute(statement)]


def _listed(row: Row[tuple[object, ...]]) -> ListedCertificate:
    return ListedCertificate(
        id=row.id,
        fingerprint=row.fingerprint,
        der=row.der,
        subject=row.subject,
        owner_class=OwnerClass(row.owner_class),
        kind=AnchorKind(row.kind),
        added_at=row.added_at,
        withdrawn_at=row.withdrawn_at,
    )
