"""Taking a package in charge: its bytes, their digest and the moment, committed before anybody is answered.

Everything after that commit is a result to be fetched, never an error of the request.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from app import jobs
from app.actors import Submitter
from app.audit import AuditTag, record_act
from app.db import Prepared
from app.errors import DomainError
from app.ids import hex32, uuid7
from app.ingest.package import JUDGE_PACKAGE, PackageState
from app.ingest.receipts import ReceiptKind, acknowledge
from app.ingest.tables import package, package_claim, package_event, package_progress, receipt
from app.jobs import Lane
from app.keys import KeyRing


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A package as it reached the door; ``payload`` is the gzip, whichever form it travelled in."""

    package_id: UUID
    school_id: int
    school_code: str
    school_year: int
    schema_version: str
    payload: bytes
    is_atomic: bool

    @property
    def sha256(self) -> bytes:
        """The digest that the acknowledgement names."""
        return hashlib.sha256(self.payload).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """That we hold these bytes, since when, signed."""

    sha256: bytes
    received_at: datetime
    jws: str
    is_repeat: bool


def lane_of(submitter: Submitter) -> Lane:
    """Give the lane in which a client's packages wait; its share grows with the allowance it was given."""
    return Lane(name=f"client:{submitter.id}", weight=submitter.rate_multiplier)


async def receive(
    connection: AsyncConnection, submission: Submission, *, submitter: Submitter, keys: KeyRing, now: datetime
) -> Acknowledgement:
    """Store a package once, in the caller's transaction.

    The same bytes under the same id give the same acknowledgement again. Refuses with TR-010 where the id
    holds other bytes, TR-011 where it was used for another school or school year. ``received_at`` is the
    database's clock, read by the statement that stores the bytes; the acknowledgement and the commit follow.
    """
    key = {"school_id": submission.school_id, "package_id": submission.package_id}
    if await _CLAIM.count(connection, **key) == 0:
        return await _repeat(connection, submission)
    sha256 = submission.sha256
    await jobs.enqueue(
        connection,
        JUDGE_PACKAGE,
        school_id=submission.school_id,
        ref=submission.package_id,
        lane=lane_of(submitter),
        size=len(submission.payload),
    )
    await _PROGRESS.count(connection, **key, state=PackageState.RECEIVED)
    await _EVENT.count(
        connection, **key, id=uuid7(now), target=PackageState.RECEIVED, actor=f"client:{submitter.id}"
    )
    await record_act(
        connection,
        now=now,
        actor=submitter,
        tag=AuditTag.PACKAGE_RECEIVED,
        subject=f"package:{hex32(submission.package_id)}",
        school_id=submission.school_id,
        facts={"sha256": sha256.hex(), "size": len(submission.payload)},
    )
    (stored,) = await _PACKAGE.rows(
        connection,
        **key,
        school_year=submission.school_year,
        schema_version=submission.schema_version,
        sha256=sha256,
        payload=submission.payload,
        is_atomic=submission.is_atomic,
        client_id=submitter.client_id,
    )
    return await _acknowledge(connection, submission, sha256, received_at=stored["received_at"], keys=keys)


_CLAIM: Final = Prepared(upsert(package_claim).on_conflict_do_nothing(), "package_id", "school_id")
_PROGRESS: Final = Prepared(insert(package_progress), "school_id", "package_id", "state")
_EVENT: Final = Prepared(insert(package_event), "school_id", "package_id", "id", "target", "actor")
_PACKAGE: Final = Prepared(
    insert(package).returning(package.c.received_at),
    "school_id", "package_id", "school_year", "schema_version", "sha256", "payload", "is_atomic", "client_id",
)  # fmt: skip
_RECEIPT: Final = Prepared(
    insert(receipt), "school_id", "school_year", "package_id", "position", "round", "kind", "jws"
)


async def _acknowledge(
    connection: AsyncConnection,
    submission: Submission,
    sha256: bytes,
    *,
    received_at: datetime,
    keys: KeyRing,
) -> Acknowledgement:
    jws = acknowledge(
        keys,
        package_id=submission.package_id,
        school_code=submission.school_code,
        sha256=sha256,
        size=len(submission.payload),
        received_at=received_at,
    )
    await _RECEIPT.count(
        connection,
        school_id=submission.school_id,
        school_year=submission.school_year,
        package_id=submission.package_id,
        position=0,
        round=0,
        kind=ReceiptKind.ACKNOWLEDGEMENT,
        jws=jws,
    )
    return Acknowledgement(sha256=sha256, received_at=received_at, jws=jws, is_repeat=False)


async def _repeat(connection: AsyncConnection, submission: Submission) -> Acknowledgement:
    """Answer a package id that is taken: again what was answered then, or why these bytes are refused."""
    held = (
        await connection.execute(
            select(package.c.sha256, package.c.received_at, receipt.c.jws)
            .join(
                receipt,
                (receipt.c.school_id == package.c.school_id)
                & (receipt.c.school_year == package.c.school_year)
                & (receipt.c.package_id == package.c.package_id)
                & (receipt.c.position == 0)
                & (receipt.c.kind == ReceiptKind.ACKNOWLEDGEMENT),
            )
            .where(
                package.c.school_id == submission.school_id,
                package.c.school_year == submission.school_year,
                package.c.package_id == submission.package_id,
            )
        )
    ).one_or_none()
    if held is None:
        raise DomainError("TR-011", package_id=hex32(submission.package_id))
    if held.sha256 != submission.sha256:
        raise DomainError(
            "TR-010",
            package_id=hex32(submission.package_id),
            held_sha256=held.sha256.hex(),
            sent_sha256=submission.sha256.hex(),
            received_at=held.received_at.isoformat(),
        )
    return Acknowledgement(sha256=held.sha256, received_at=held.received_at, jws=held.jws, is_repeat=True)
