"""Afterwards: the ledgers are held against what the service has, and the service against the ledgers."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.client.errors import ProofError
from app.client.receipts import Receipt, check_package, check_transcript, read_receipt
from app.db import open_engine
from app.ingest.tables import item, package, package_event, receipt
from app.inventory import Stocktaking
from app.jobs import job
from app.offload import Offload
from app.recalls.tables import recall
from app.records import RecordStatus
from app.records.status import RecordEventKind
from app.records.tables import active_pupil_code, active_record, record, record_event
from app.snapshots.tables import snapshot
from bench.soak.ledger import Entry, Ledger

ACCEPTED: Final = "accepted"
APPROVED: Final = "approved"


@dataclass(kw_only=True)
class Reckoning:
    """What was found; ``wrongs`` is empty where the service kept its promises.

    Attributes:
        counts: packages, transcripts, receipts and so on, as they were held against each other.
    """

    ledger: Ledger
    http: httpx.AsyncClient
    headers: Mapping[str, str]
    counts: Counter[str] = field(default_factory=Counter)
    wrongs: list[str] = field(default_factory=list)
    _accepted: dict[str, str] = field(default_factory=dict)
    _jwks: Mapping[str, Any] = field(default_factory=dict)

    async def hold_entries(self) -> None:
        """Ask the service, as the clients, for everything that it acknowledged."""
        self._jwks = (await self.http.get("/.well-known/jwks.json")).json()
        for entry in self.ledger.entries.values():
            self.counts["packages acknowledged"] += 1
            self.counts["packages sent again"] += entry.sends > 1
            self.counts["sends"] += entry.sends
            try:
                await self._hold(entry)
            except ProofError as error:
                self._wrong(entry, error.en)
            except httpx.HTTPStatusError as error:
                self._wrong(entry, f"{error.request.url.path}: {error.response.status_code}: lost")

    async def hold_recalls(self) -> None:
        """Ask what became of every recall that was decided, and of its record."""
        for record_id, (recall_id, outcome) in self.ledger.recalls.items():
            self.counts[f"recalls {outcome}"] += 1
            told = (await self._get(f"/recalls/{recall_id}")).json()
            held = (told["status"], [item["record_id"] for item in told["items"]])
            if held != (outcome, [record_id.hex]):
                self.wrongs.append(f"recall {recall_id}: {held}, not {outcome}")
            status = (await self._get(f"/records/{record_id.hex}")).json()["status"]
            if (status == RecordStatus.RECALLED) != (outcome == APPROVED):
                self.wrongs.append(f"record {record_id.hex}: {status}, its recall {outcome}")

    def _wrong(self, entry: Entry, what: str) -> None:
        self.wrongs.append(f"package {entry.cargo.package.package_id}: {what}")

    async def _get(self, path: str) -> httpx.Response:
        answer = await self.http.get(f"/api/v1{path}", headers=self.headers)
        return answer.raise_for_status()

    async def _hold(self, entry: Entry) -> None:
        sent = entry.cargo.package
        if len(entry.acknowledgements) != 1:
            self._wrong(entry, f"{len(entry.acknowledgements)} different acknowledgements")
        for token in entry.acknowledgements:
            check_package(read_receipt(token, self._jwks), sent.gzipped)
        payload = (await self._get(f"/packages/{sent.package_id}/payload")).content
        if hashlib.sha256(payload).hexdigest() != sent.digest:
            self._wrong(entry, "the stored bytes are others")
        reply = (await self._get(f"/packages/{sent.package_id}")).json()
        if entry.reply is None or list(_essence(reply)) != list(_essence(entry.reply)):
            self._wrong(entry, "the answer is not the one that was given")
        positions = [answer["position"] for answer in reply["items"]]
        if positions != list(range(1, len(entry.cargo.record_ids) + 1)) or reply["total"] != len(positions):
            self._wrong(entry, f"not every transcript is answered: {positions}")
        for answer in reply["items"]:
            await self._hold_item(entry, answer)

    async def _hold_item(self, entry: Entry, answer: Mapping[str, Any]) -> None:
        """An acceptance has a receipt of the stored bytes; a refusal has one too, and its reasons."""
        position, outcome = answer["position"], answer["outcome"]
        record_id = entry.cargo.record_ids[position - 1].hex
        self.counts[f"transcripts {outcome}"] += 1
        signed = read_receipt(answer["receipt"] or "", self._jwks)
        stated = (signed.claims["outcome"], signed.claims["record_id"] or record_id)
        if stated != (outcome, record_id):
            self._wrong(entry, f"{position}: the receipt says something else than the answer")
        if (outcome == ACCEPTED) == (position in entry.cargo.tampered):
            self._wrong(entry, f"{position}: {outcome}, codes {signed.claims['codes']}")
        elif outcome == ACCEPTED:
            await self._hold_record(entry, record_id, signed, is_repeat=answer["already_recorded"])
        elif not answer["findings"]:
            self._wrong(entry, f"{position}: refused without a reason")

    async def _hold_record(self, entry: Entry, record_id: str, signed: Receipt, *, is_repeat: bool) -> None:
        if not is_repeat and self._accepted.setdefault(record_id, entry.cargo.package.package_id) != (
            entry.cargo.package.package_id
        ):
            self._wrong(entry, f"{record_id} was newly recorded twice")
        xml = (await self._get(f"/records/{record_id}/xml")).content
        check_transcript(signed, xml)
        if not is_repeat and signed.claims["xml_sha256"] != hashlib.sha256(xml).hexdigest():
            self._wrong(entry, f"{record_id}: other bytes than the receipt names")
        self.counts["records read back"] += 1

    async def hold_database(self, url: str) -> None:
        """Count in the database what must be there exactly as often as the ledgers say."""
        entries = self.ledger.entries.values()
        transcripts = sum(len(entry.cargo.record_ids) for entry in entries)
        recalled = sum(1 for _, outcome in self.ledger.recalls.values() if outcome == APPROVED)
        expected = {
            "packages": len(entries),
            "acknowledgements": len(entries),
            "answers": len(entries),
            "items": transcripts,
            "receipts": transcripts,
            "records": len(self._accepted),
            "record ids": len(self._accepted),
            "active records": len(self._accepted) - recalled,
            "active pupil codes": len(self._accepted) - recalled,
            "recalls": len(self.ledger.recalls),
            "recalls of a record": recalled,
            "jobs given up": 0,
            "judging jobs left": 0,
        }
        engine = open_engine(url, pool_size=1)
        async with engine.connect() as connection:
            found = {name: await _one(connection, query) for name, query in _COUNTED.items()}
            ids = set((await connection.execute(select(record.c.record_id))).scalars())
            sealed = (await connection.execute(_SNAPSHOTS)).all()
        await engine.dispose()
        self.wrongs += [
            f"{found[name]} {name} in the database, {number} in the ledgers"
            for name, number in expected.items()
            if found[name] != number
        ]
        self.wrongs += [f"{row.kind} was sealed {row.times} times" for row in sealed if row.times != 1]
        if ids != {UUID(one) for one in self._accepted}:
            self.wrongs.append("the records are others than the accepted ones")
        self.counts["snapshots"] = len(sealed)

    async def take_stock(self, url: str) -> None:
        """Verify everything stored once more, by its digests, signatures and roots."""
        engine, offload = open_engine(url, pool_size=2), Offload(2)
        try:
            tally = await Stocktaking(engine=engine, offload=offload).run()
        finally:
            offload.close()
            await engine.dispose()
        self.counts.update({f"{name} taken stock of": number for name, number in tally.seen.items()})
        self.wrongs += [f"{flaw.kind}: {flaw.subject}" for flaw in tally.flaws]


def _essence(reply: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    for answer in reply["items"]:
        yield answer["position"], answer["outcome"], answer["receipt"], answer["already_recorded"]


async def _one(connection: AsyncConnection, query: Select[int]) -> int:
    return int((await connection.execute(query)).scalar_one())


_COUNTED: Final[Mapping[str, Select[int]]] = {
    "packages": select(func.count()).select_from(package),
    "acknowledgements": select(func.count()).where(receipt.c.kind == "acknowledgement"),
    "answers": select(func.count()).where(package_event.c.target == "answered"),
    "items": select(func.count()).select_from(item),
    "receipts": select(func.count()).where(receipt.c.kind != "acknowledgement"),
    "records": select(func.count()).select_from(record),
    "record ids": select(func.count(record.c.record_id.distinct())),
    "active records": select(func.count()).select_from(active_record),
    "active pupil codes": select(func.count()).select_from(active_pupil_code),
    "recalls": select(func.count()).select_from(recall),
    "recalls of a record": select(func.count()).where(record_event.c.kind == RecordEventKind.RECALLED),
    "jobs given up": select(func.count()).where(job.c.dead_at.is_not(None)),
    "judging jobs left": select(func.count()).where(job.c.ref.is_not(None)),
}
_SNAPSHOTS: Final = select(
    snapshot.c.province_code, snapshot.c.school_year, snapshot.c.kind, func.count().label("times")
).group_by(text("1, 2, 3"))
