"""A school that asks for recalls, and the officer who decides on them, under the same bad conditions.

One request is open at a time, so that after a lost answer the list of open requests says what became of it.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from bench.soak.ledger import Ledger
from bench.soak.line import Line

SHARE_APPROVED: Final = 0.7
_RECALLS: Final = "/api/v1/recalls"
_OPEN_ALREADY: Final = "TR-060"
_DECIDED_ALREADY: Final = "QH-066"
_ACTIONS: Final = {"approved": "approve", "declined": "decline"}


@dataclass(kw_only=True)
class Recaller:
    """Has recorded transcripts recalled, or their recall declined, one after another."""

    ledger: Ledger
    school: Line
    officer: Line
    pace_seconds: float

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until told to stop, and for one at least; what was begun is brought to its end."""
        while not stop.is_set() or not self.ledger.recalls:
            if self.ledger.recorded:
                await self._settle(self.ledger.recorded.popleft())
            await asyncio.sleep(self.school.random.uniform(0, 2 * self.pace_seconds))

    async def _settle(self, record_id: UUID) -> None:
        recall_id = await self._request(record_id)
        outcome = "approved" if self.officer.random.random() < SHARE_APPROVED else "declined"
        await self._decide(recall_id, outcome)
        self.ledger.recalls[record_id] = (recall_id, outcome)

    async def _request(self, record_id: UUID) -> str:
        body = {
            "record_ids": [record_id.hex],
            "reason_code": "WRONG_RESULTS",
            "reason": "Nhập sai kết quả / results entered wrongly",
        }
        while True:
            answer = await self.school.ask("POST", _RECALLS, json=body, expected=[_OPEN_ALREADY])
            if answer is not None and "recall_id" in answer:
                return str(answer["recall_id"])
            if answer is not None:
                return await self._open_one(record_id)

    async def _open_one(self, record_id: UUID) -> str:
        """The request was made though no answer came: it is the only one that is open."""
        while True:
            listed = await self.school.ask("GET", _RECALLS, params={"status": "requested"})
            if listed is None:
                continue
            if len(listed["items"]) != 1:
                self.ledger.wrongs.append(f"{len(listed['items'])} open recalls for {record_id.hex}, not one")
            return str(listed["items"][-1]["recall_id"])

    async def _decide(self, recall_id: str, outcome: str) -> None:
        path = f"{_RECALLS}/{recall_id}/{_ACTIONS[outcome]}"
        body = {"reason": "Đã đối chiếu hồ sơ / held against the files"}
        answer: dict[str, Any] | None = None
        while answer is None:
            answer = await self.officer.ask("POST", path, json=body, expected=[_DECIDED_ALREADY])
        if "status" in answer and answer["status"] == outcome:
            return
        told: dict[str, Any] | None = None
        while told is None:
            told = await self.officer.ask("GET", f"{_RECALLS}/{recall_id}")
        if told["status"] != outcome:
            self.ledger.wrongs.append(f"recall {recall_id}: {told['status']} instead of {outcome}")
