"""What a recall does to the ledger: one more event a record, and the pupil's places are free again."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.actors import Actor
from app.errors import DomainError
from app.records.custody import append_events
from app.records.entry import ManagedRecord
from app.records.places import free_places
from app.records.status import RecordEventKind


async def recall_records(
    connection: AsyncConnection,
    records: Sequence[ManagedRecord],
    *,
    facts: Mapping[UUID, Mapping[str, str]],
    at: datetime,
    actor: Actor,
) -> None:
    """Recall standing records; their bytes stay, provable for ever, and their codes are never used again.

    Refuses with QH-020 where one no longer stands under the same manager: somebody was first.
    """
    if not await free_places(connection, records):
        raise DomainError("QH-020", state="standing")
    await append_events(connection, records, RecordEventKind.RECALLED, facts=facts, at=at, actor=actor)
