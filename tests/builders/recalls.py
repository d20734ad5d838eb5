"""Asking for recalls and deciding them over HTTP, in the words of a story."""

from datetime import datetime
from typing import Any, Final

from tests.api.conftest import Api
from tests.builders.callers import tokens_for_all
from tests.builders.ledger import issue
from tests.builders.province import PRIMARY

RECALLS: Final = "/api/v1/recalls"


async def record(api: Api, school: str = PRIMARY, **rest: Any) -> str:
    return (await issue(api.service.engine, api.province.ids[school], **rest)).hex


async def ask(api: Api, *record_ids: str, caller: str = "vendor", **changes: Any) -> Any:
    body = {"record_ids": list(record_ids), "reason_code": "WRONG_RESULTS", "reason": "Nhập nhầm điểm"}
    return await api.call(caller, "POST", RECALLS, json=body | changes)


async def asked(api: Api, *record_ids: str, caller: str = "vendor") -> str:
    answer = await ask(api, *record_ids, caller=caller)
    assert answer.status_code == 201, answer.text
    recall_id: str = answer.json()["recall_id"]
    return recall_id


async def decide(api: Api, recall_id: str, action: str, caller: str = "tanlap", **body: Any) -> Any:
    return await api.call(caller, "POST", f"{RECALLS}/{recall_id}/{action}", json=body)


async def policy(api: Api, key: str, value: Any, caller: str = "so66") -> None:
    body = {"key": key, "value": value, "reason": "Theo văn bản của Sở", "province": "66"}
    answer = await api.call(caller, "POST", "/api/v1/policies", json=body)
    assert answer.status_code == 201, answer.text


def at(api: Api, moment: datetime) -> None:
    """Move to a moment; everybody signs in again."""
    api.clock.now = moment
    api.tokens.update(tokens_for_all(api.service, api.province))


async def status(api: Api, record_id: str, caller: str = "vendor") -> str:
    answer = await api.call(caller, "GET", f"/api/v1/records/{record_id}")
    assert answer.status_code == 200, answer.text
    shown: str = answer.json()["status"]
    return shown
