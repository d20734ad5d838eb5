"""A province with a ledger of its own, and everything that sealing needs, at a moment that a test moves."""

import gzip
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import transaction
from app.deadlines.calendar import end_of_day
from app.ingest.intake import Submission, receive
from app.ingest.tables import package_progress
from app.records import Entry, append, hold_places
from app.snapshots.manifest import Line
from app.snapshots.reading import find_snapshot, manifest_pages
from app.snapshots.scopes import Scope, SnapshotKind
from app.snapshots.sealing import Sealer
from app.snapshots.tables import snapshot
from tests.builders.clock import MovableClock
from tests.builders.ledger import entry
from tests.builders.province import PRIMARY, Province

SCHOOL_CUT_OFF = end_of_day(date(2026, 6, 30))
SECOND = timedelta(seconds=1)


def scope(kind: SnapshotKind = SnapshotKind.SCHOOL_CONFIRMED, school_year: int = 2025) -> Scope:
    return Scope(province="66", school_year=school_year, kind=kind)


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The province's ledger and its sealer."""

    engine: AsyncEngine
    owner_url: str
    clock: MovableClock
    province: Province
    sealer: Sealer
    pupils: list[int] = field(default_factory=list)

    def entry(self, school: str = PRIMARY, **given: Any) -> Entry:
        """A transcript of a pupil nobody else has."""
        self.pupils.append(1)
        pupil = f"0662150{len(self.pupils):05}"
        is_late = given.pop("is_late", False)
        is_digitised = given.pop("is_digitised", False)
        made = entry(self.province.ids[school], **{"pupil": pupil, "received_at": self.clock(), **given})
        facts = replace(made.facts, is_digitised=is_digitised)
        return replace(made, facts=facts, is_late=is_late)

    async def record(self, *entries: Entry) -> None:
        """Append entries that clash with nothing."""
        async with transaction(self.engine) as connection:
            assert await hold_places(connection, entries)
            await append(connection, entries, now=self.clock())

    async def receive(self, connection: AsyncConnection, school: str = PRIMARY) -> UUID:
        """Take a package in charge; it is not judged."""
        submission = Submission(
            package_id=uuid4(), school_id=self.province.ids[school], school_code=school, school_year=2025,
            schema_version="1.0", payload=gzip.compress(b"<GoiHocBa/>"), is_atomic=False,
        )  # fmt: skip
        await receive(
            connection, submission, submitter=self.province.clients["vendor"], keys=self.sealer.keys,
            now=self.clock(),
        )  # fmt: skip
        return submission.package_id

    async def answer(self, package_id: UUID) -> None:
        """Answer a package, whatever was in it."""
        for state in ("processing", "answered"):
            async with transaction(self.engine) as connection:
                values = {"state": state, "answered_at": self.clock() if state == "answered" else None}
                await connection.execute(
                    update(package_progress)
                    .where(package_progress.c.package_id == package_id)
                    .values(**values)
                )

    async def answered_package(self) -> None:
        """Receive a package and answer it: without any, a school year is not sealed."""
        async with transaction(self.engine) as connection:
            package_id = await self.receive(connection)
        await self.answer(package_id)

    async def sealed(self, sealed_scope: Scope | None = None) -> Row[Any]:
        """The row of a snapshot that must be there."""
        wanted = sealed_scope or scope()
        async with transaction(self.engine) as connection:
            return (
                await connection.execute(
                    select(snapshot).where(
                        snapshot.c.kind == wanted.kind, snapshot.c.school_year == wanted.school_year
                    )
                )
            ).one()

    async def lines(self, sealed_scope: Scope | None = None) -> list[Line]:
        """All lines of a snapshot."""
        row = await self.sealed(sealed_scope)
        return [line async for page in manifest_pages(self.engine, row.id) for line in page]

    async def view(self, sealed_scope: Scope | None = None) -> Any:
        """A snapshot as it is read."""
        row = await self.sealed(sealed_scope)
        async with transaction(self.engine) as connection:
            return await find_snapshot(connection, row.id, None)
