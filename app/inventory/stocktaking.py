"""The stocktaking itself: page by page through packages, records, receipts and snapshots, noted in a tally.

It reads as the service does, changes nothing and holds one page in memory at a time. It may run beside the
service: what it goes through is only ever added to.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import transaction
from app.ids import hex32
from app.ingest.receipts import TYPE as RECEIPT_TYPE
from app.ingest.receipts import ReceiptKind
from app.ingest.tables import package, receipt
from app.inventory.flaws import Flaw, FlawKind, Tally
from app.inventory.snapshots import snapshot_flaws
from app.inventory.verification import PublicKeys, package_flaws, record_flaws
from app.keys import published
from app.offload import Offload
from app.records import RecordView, ledger_page, read_xml, signatures_of
from app.records.packing import DamagedRecordError
from app.records.tables import record, record_claim
from app.snapshots.reading import list_snapshots

PAGE: Final = 100
PACKAGES: Final = 20  # each may be as large as a request
SNAPSHOTS: Final = 5
DONE: Final = "done"

# Tells how far it is, after every page.
Progress = Callable[[Tally], None]
# Goes through one page; gives how many it saw, the differences, and the last key, None at the end.
Page = Callable[[Sequence[str]], Awaitable[tuple[int, Sequence[Flaw], Sequence[str] | None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stocktaking:
    """Goes through a database.

    Attributes:
        keys: public keys to trust instead of those in the database (JWKs).
    """

    engine: AsyncEngine
    offload: Offload
    keys: Sequence[Mapping[str, Any]] | None = None

    async def run(self, tally: Tally | None = None, progress: Progress = lambda _: None) -> Tally:
        """Go through everything, or on from where a tally stands; gives the tally of all of it."""
        async with transaction(self.engine) as connection:
            jwks = self.keys if self.keys is not None else await published(connection)
        public = PublicKeys(jwks)
        stages: dict[str, Page] = {
            "packages": self._packages,
            "records": self._records,
            "receipts": lambda after: self._receipts(after, public),
            "snapshots": lambda after: self._snapshots(after, public),
        }
        names = [*stages, DONE]
        tally = tally or Tally(stage=names[0])
        for name in names[names.index(tally.stage) : -1]:
            while tally.stage == name:
                seen, flaws, last = await stages[name](tally.after)
                tally.seen[name] += seen
                tally.note(flaws)
                tally.after = list(last or ())
                if last is None:
                    tally.stage = names[names.index(name) + 1]
                progress(tally)
        return tally

    async def _packages(self, after: Sequence[str]) -> tuple[int, Sequence[Flaw], Sequence[str] | None]:
        key = (package.c.school_id, package.c.package_id)
        columns = (*key, package.c.payload, package.c.sha256)
        rows = await self._read(_paged(select(*columns), key, _key(after), PACKAGES))
        flaws = [
            flaw
            for row in rows
            for flaw in await self.offload.run(package_flaws, row.package_id, row.payload, row.sha256)
        ]
        return len(rows), flaws, _last(rows, "school_id", "package_id", page=PACKAGES)

    async def _records(self, after: Sequence[str]) -> tuple[int, Sequence[Flaw], Sequence[str] | None]:
        flaws: list[Flaw] = []
        async with transaction(self.engine) as connection:
            views = await ledger_page(connection, after=_record_key(after), limit=PAGE)
            flaws += await _unbound(connection, views)
            for view in views:
                try:
                    xml = await read_xml(connection, view)
                except DamagedRecordError:
                    flaws.append(Flaw(kind=FlawKind.RECORD_BYTES, subject=hex32(view.record_id)))
                    continue
                judged = await signatures_of(connection, view)
                flaws += await self.offload.run(record_flaws, view, xml, judged)
        if len(views) < PAGE:
            return len(views), flaws, None
        last = views[-1]
        return len(views), flaws, (str(last.school_id), str(last.school_year), last.record_id.hex)

    async def _receipts(
        self, after: Sequence[str], public: PublicKeys
    ) -> tuple[int, Sequence[Flaw], Sequence[str] | None]:
        key = (receipt.c.school_id, receipt.c.package_id, receipt.c.position, receipt.c.round)
        statement = (
            select(
                *key,
                receipt.c.kind,
                receipt.c.record_id,
                receipt.c.jws,
                package.c.sha256,
                record.c.content_sha256,
            )
            .outerjoin(package, _same(receipt, package, "school_id", "package_id"))
            .outerjoin(record, _same(receipt, record, "school_id", "record_id"))
        )
        rows = await self._read(_paged(statement, key, _receipt_key(after), PAGE))
        flaws = await self.offload.run(_receipt_flaws, rows, public)
        return len(rows), flaws, _last(rows, "school_id", "package_id", "position", "round", page=PAGE)

    async def _snapshots(
        self, after: Sequence[str], public: PublicKeys
    ) -> tuple[int, Sequence[Flaw], Sequence[str] | None]:
        last = UUID(after[0]) if after else None
        async with transaction(self.engine) as connection:
            found = await list_snapshots(connection, None, after=last, limit=SNAPSHOTS)
        flaws = [
            flaw for view in found for flaw in await snapshot_flaws(self.engine, self.offload, view, public)
        ]
        return len(found), flaws, (found[-1].id.hex,) if len(found) == SNAPSHOTS else None

    async def _read(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        async with transaction(self.engine) as connection:
            return list(await connection.execute(statement))


async def _unbound(connection: AsyncConnection, views: Sequence[RecordView]) -> list[Flaw]:
    """Say which records lack what was written with them: the claim of their code, the receipt."""
    ids = [view.record_id for view in views]
    claims = await connection.execute(select(record_claim).where(record_claim.c.record_id.in_(ids)))
    claimed = {row.record_id: (row.school_id, row.content_sha256) for row in claims}
    accepted = await connection.execute(
        select(receipt.c.record_id).where(
            receipt.c.school_id.in_({view.school_id for view in views}),
            receipt.c.record_id.in_(ids),
            receipt.c.kind == ReceiptKind.ACCEPTANCE,
        )
    )
    receipted = set(accepted.scalars())
    flaws = []
    for view in views:
        if claimed.get(view.record_id) != (view.school_id, view.content_sha256):
            flaws.append(Flaw(kind=FlawKind.RECORD_UNCLAIMED, subject=hex32(view.record_id)))
        if view.record_id not in receipted:
            flaws.append(Flaw(kind=FlawKind.RECORD_UNRECEIPTED, subject=hex32(view.record_id)))
    return flaws


def _receipt_flaws(rows: Sequence[Row[Any]], public: PublicKeys) -> list[Flaw]:
    """An acknowledgement speaks of the package's bytes, an acceptance of the record's content."""
    flaws = []
    for row in rows:
        subject = f"{hex32(row.package_id)}/{row.position}"
        claims = public.claims(row.jws, RECEIPT_TYPE)
        if claims is None:
            flaws.append(Flaw(kind=FlawKind.RECEIPT_SIGNATURE, subject=subject))
            continue
        name, digest = (
            ("sha256", row.sha256)
            if row.kind == ReceiptKind.ACKNOWLEDGEMENT
            else ("content_sha256", row.content_sha256)
        )
        is_bound = row.kind == ReceiptKind.REFUSAL or (
            digest is not None and claims.get(name) == digest.hex()
        )
        if claims.get("kind") != row.kind or not is_bound:
            flaws.append(Flaw(kind=FlawKind.RECEIPT_CLAIMS, subject=subject))
    return flaws


def _same(one: Any, other: Any, *names: str) -> ColumnElement[bool]:
    return and_(*(one.c[name] == other.c[name] for name in names))


def _paged(
    statement: Select[Any], key: Sequence[ColumnElement[Any]], after: Sequence[object] | None, limit: int
) -> Select[Any]:
    """Let a query go on behind a key."""
    if after is not None:
        statement = statement.where(tuple_(*key) > tuple_(*after))
    return statement.order_by(*key).limit(limit)


def _key(after: Sequence[str]) -> Sequence[object] | None:
    return (int(after[0]), UUID(after[1])) if after else None


def _record_key(after: Sequence[str]) -> tuple[int, int, UUID] | None:
    return (int(after[0]), int(after[1]), UUID(after[2])) if after else None


def _receipt_key(after: Sequence[str]) -> Sequence[object] | None:
    return (int(after[0]), UUID(after[1]), int(after[2]), int(after[3])) if after else None


def _last(rows: Sequence[Row[Any]], *names: str, page: int) -> Sequence[str] | None:
    return [str(getattr(rows[-1], name)) for name in names] if len(rows) == page else None
