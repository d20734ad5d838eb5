"""Policies over HTTP: who may choose what for whom, from when, and what then holds."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.audit import AuditTag, audit_event
from app.db import transaction
from tests.api.conftest import Api, refusal
from tests.builders.callers import tokens_for_all
from tests.builders.province import NOW

POLICIES = "/api/v1/policies"


@pytest.fixture(autouse=True)
def signed_in(api: Api) -> None:
    api.tokens.update(tokens_for_all(api.service, api.province))


async def choose(api: Api, caller: str, key: str, value: Any, **rest: Any) -> Any:
    body = {"key": key, "value": value, "reason": "Theo công văn của Sở", **rest}
    return await api.call(caller, "POST", POLICIES, json=body)


async def in_force(api: Api, key: str, **place: Any) -> tuple[Any, bool]:
    query = "&".join(f"{name}={value}" for name, value in place.items())
    lines = (await api.call("vendor", "GET", f"{POLICIES}?{query}")).json()["in_force"]
    line = next(row for row in lines if row["key"] == key)
    return line["value"], line["decided_by"] is not None


async def test_a_department_chooses_for_its_province_and_the_defaults_stay_elsewhere(api: Api) -> None:
    assert await in_force(api, "recall_before_lock", province="66") == ("approval", False)
    answer = await choose(api, "so66", "recall_before_lock", "self", province="66", level="02")
    assert answer.status_code == 201
    assert answer.json()["valid_from"] == answer.json()["made_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert await in_force(api, "recall_before_lock", province="66", level="02") == ("self", True)
    assert await in_force(api, "recall_before_lock", province="66", level="03") == ("approval", False)
    assert await in_force(api, "recall_before_lock", province="37", level="02") == ("approval", False)
    async with transaction(api.service.engine) as connection:
        acts = await connection.execute(
            select(audit_event.c.facts).where(audit_event.c.tag == AuditTag.POLICY_CHOSEN)
        )
        assert [row.facts for row in acts] == [
            {"province": "66", "level": "02", "school_year": None, "value": "self"}
        ]


async def test_a_choice_may_begin_later_and_be_taken_back(api: Api) -> None:
    tomorrow = NOW + timedelta(hours=20)
    await choose(api, "so66", "recall_reminder_days", 5, province="66", valid_from=tomorrow.isoformat())
    assert await in_force(api, "recall_reminder_days", province="66") == (3, False)
    api.clock.advance(timedelta(hours=20))
    api.tokens.update(tokens_for_all(api.service, api.province))
    assert await in_force(api, "recall_reminder_days", province="66") == (5, True)
    api.clock.advance(timedelta(minutes=1))
    assert (await choose(api, "so66", "recall_reminder_days", None, province="66")).status_code == 201
    assert await in_force(api, "recall_reminder_days", province="66") == (3, False)


@pytest.mark.parametrize(
    ("caller", "changes", "expected"),
    [
        ("so66", {"province": "37"}, (403, "QH-093")),
        ("so66", {}, (403, "QH-093")),
        ("tanlap", {"province": "66"}, (403, "QH-003")),
        ("vendor", {"province": "66"}, (403, "QH-003")),
        ("bogddt", {}, (403, "QH-003")),
        ("quantri", {"province": "99"}, (422, "QH-092")),
        ("quantri", {"level": "09"}, (422, "QH-092")),
        ("quantri", {"value": "perhaps"}, (422, "QH-091")),
        ("quantri", {"value": True}, (422, "QH-091")),
        ("quantri", {"valid_from": (NOW - timedelta(seconds=1)).isoformat()}, (422, "QH-094")),
        ("quantri", {"reason": " "}, (422, "QH-023")),
        ("quantri", {"key": "no_such_policy"}, (422, "DD-901")),
        ("quantri", {"school_year": 25}, (422, "DD-901")),
        ("quantri", {}, 201),
        ("quantri", {"province": "37"}, 201),
        ("so37", {"province": "37", "school_year": 2025}, 201),
    ],
)
async def test_who_may_choose_what(
    api: Api, caller: str, changes: dict[str, Any], expected: int | tuple[int, str]
) -> None:
    body = {"key": "recall_after_lock", "value": "forbidden", "reason": "Theo công văn"} | changes
    answer = await api.call(caller, "POST", POLICIES, json=body)
    if isinstance(expected, int):
        assert answer.status_code == expected, answer.text
    else:
        assert refusal(answer) == expected


async def test_every_choice_stays_readable_with_its_reason(api: Api) -> None:
    for value in ("self", "approval", None):
        await choose(api, "so66", "recall_before_lock", value, province="66")
    first = (await api.call("thanhtra66", "GET", f"{POLICIES}?limit=2&key=recall_before_lock")).json()
    cursor = first["next_cursor"]
    rest = (await api.call("thanhtra66", "GET", f"{POLICIES}?limit=2&cursor={cursor}")).json()
    rows = first["items"] + rest["items"]
    assert {row["value"] for row in rows} == {"self", "approval", None}
    assert all(row["reason"] == "Theo công văn của Sở" and row["author_kind"] == "officer" for row in rows)
    assert rest["next_cursor"] is None
    hidden = (await api.call("so37", "GET", f"{POLICIES}?province=37")).json()["items"]
    assert hidden == []
