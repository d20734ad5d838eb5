"""The audit log (nhật ký): who did or looked at what, written in the transaction of the act itself."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Column, DateTime, Index, Integer, Table, Text, Uuid, insert
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.db import Prepared, database_now, metadata
from app.ids import uuid7

audit_event = Table(
    "audit_event",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=database_now()),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("tag", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("school_id", Integer),
    Column("request_id", Text),
    Column("facts", JSONB, nullable=False),
    Index("ix_audit_event_at", "at", "id"),
    Index("ix_audit_event_school_id", "school_id", "at"),
    Index("ix_audit_event_subject", "subject", "at", "id"),
)

_RECORD: Final = Prepared(
    insert(audit_event),
    "id", "actor_kind", "actor_id", "tag", "subject", "school_id", "request_id", "facts",
)  # fmt: skip


class AuditTag(StrEnum):
    """What can happen: the closed list, as ``noun:past-verb``."""

    TOKEN_ISSUED = "token:issued"  # noqa: S105 - a tag, no secret
    TOKEN_REFUSED = "token:refused"  # noqa: S105 - a tag, no secret
    ORGANISATION_CREATED = "organisation:created"
    ORGANISATION_CHANGED = "organisation:changed"
    ACCOUNT_CREATED = "account:created"
    ACCOUNT_CHANGED = "account:changed"
    CLIENT_CREATED = "client:created"
    CLIENT_CHANGED = "client:changed"
    ANCHOR_ADDED = "anchor:added"
    ANCHOR_WITHDRAWN = "anchor:withdrawn"
    CRL_IMPORTED = "crl:imported"
    CERTIFICATE_CHALLENGED = "certificate:challenged"
    CERTIFICATE_REGISTERED = "certificate:registered"
    CERTIFICATE_DECIDED = "certificate:decided"
    CERTIFICATE_READ = "certificate:read"
    PACKAGE_RECEIVED = "package:received"
    PACKAGE_REFUSED = "package:refused"
    PACKAGE_ANSWERED = "package:answered"
    PACKAGE_READ = "package:read"
    PACKAGE_VALIDATED = "package:validated"
    RECORD_READ = "record:read"
    RECORD_LOOKED_UP = "record:looked-up"
    LOOKUP_REFUSED = "lookup:refused"
    PUPIL_READ = "pupil:read"
    POLICY_CHOSEN = "policy:chosen"
    RECALL_REQUESTED = "recall:requested"
    RECALL_DECIDED = "recall:decided"
    RECALL_WITHDRAWN = "recall:withdrawn"
    RECALL_SUPERSEDED = "recall:superseded"
    RECALL_READ = "recall:read"
    RECALL_REMINDED = "recall:reminded"
    RECALL_ESCALATED = "recall:escalated"
    TRANSFER_RELEASED = "transfer:released"
    TRANSFER_DECIDED = "transfer:decided"
    TRANSFER_READ = "transfer:read"
    EXPLANATION_GIVEN = "explanation:given"
    EXPLANATION_DECIDED = "explanation:decided"
    CALENDAR_CHANGED = "calendar:changed"
    EXTENSION_REQUESTED = "extension:requested"
    EXTENSION_DECIDED = "extension:decided"
    EXEMPTION_REGISTERED = "exemption:registered"
    EXEMPTION_WITHDRAWN = "exemption:withdrawn"
    SNAPSHOT_SEALED = "snapshot:sealed"
    SNAPSHOT_READ = "snapshot:read"
    SNAPSHOT_OVERRIDDEN = "snapshot:overridden"
    FORWARDING_REQUESTED = "forwarding:requested"
    FORWARDING_READ = "forwarding:read"
    ARRIVAL_OPENED = "arrival:opened"
    ARRIVAL_ANSWERED = "arrival:answered"
    PROVINCE_KEYS_ADDED = "province-keys:added"
    PROVINCE_KEY_WITHDRAWN = "province-key:withdrawn"
    ENROLMENT_RECEIVED = "enrolment:received"
    ENROLMENT_READ = "enrolment:read"
    REPORT_READ = "report:read"
    ARCHIVE_READ = "archive:read"
    KEY_ROTATED = "key:rotated"
    AUDIT_READ = "audit:read"


async def record_act(
    connection: AsyncConnection,
    *,
    now: datetime,
    actor: Actor,
    tag: AuditTag,
    subject: str,
    school_id: int | None = None,
    request_id: str | None = None,
    facts: Mapping[str, str | int | bool | None] | None = None,
) -> None:
    """Append one event in the caller's transaction; facts hold no personal data of a pupil.

    The stored time is the database's; ``now`` only orders the id.
    """
    await _RECORD.count(
        connection,
        id=uuid7(now),
        actor_kind=actor.kind,
        actor_id=actor.id,
        tag=tag,
        subject=subject,
        school_id=school_id,
        request_id=request_id or actor.request_id,
        facts=dict(facts or {}),
    )
