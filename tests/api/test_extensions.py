"""Extensions and the paper register over HTTP: the department's acts, seen in scope."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Api, refusal
from tests.builders.province import FOREIGN, NOW, PRIMARY, SECONDARY

EXTENSIONS, EXEMPTIONS = "/api/v1/extensions", "/api/v1/exemptions"
ASKED: dict[str, object] = {
    "school_code": PRIMARY,
    "school_year": "2025-2026",
    "until": (NOW + timedelta(days=10)).isoformat(),
    "reason": "mất điện diện rộng",
}
PAPER: dict[str, object] = {
    "school_code": PRIMARY,
    "school_year": "2025-2026",
    "grade": 5,
    "class_name": "5A",
    "pupils": 31,
    "reason": "chưa có hạ tầng",
}


async def ask(api: Api, caller: str = "so66", **fields: object) -> dict[str, Any]:
    answer = await api.call(caller, "POST", EXTENSIONS, json={**ASKED, **fields})
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_second_officer_approves_and_it_lapses_by_itself(api: Api) -> None:
    asked = await ask(api)
    assert (asked["state"], asked["in_force"], asked["category"]) == ("requested", False, None)
    place = f"{EXTENSIONS}/{asked['extension_id']}"
    assert refusal(await api.call("so66", "POST", f"{place}/approve")) == (403, "QH-022")
    approved = (await api.call("so66b", "POST", f"{place}/approve")).json()
    assert (approved["state"], approved["in_force"]) == ("approved", True)
    assert approved["decided_by"] != approved["requested_by"]
    assert refusal(await api.call("so66b", "POST", f"{place}/approve")) == (409, "TH-021")
    api.clock.advance(timedelta(days=10))
    api.tokens.clear()
    listed = (await api.call("so66", "GET", EXTENSIONS)).json()["items"]
    assert [(item["state"], item["in_force"]) for item in listed] == [("approved", False)]


async def test_declining_needs_a_reason(api: Api) -> None:
    place = f"{EXTENSIONS}/{(await ask(api))['extension_id']}/decline"
    assert refusal(await api.call("so66b", "POST", place)) == (422, "QH-023")
    declined = await api.call("so66b", "POST", place, json={"reason": "không đủ căn cứ"})
    assert (declined.json()["state"], declined.json()["decision_reason"]) == ("declined", "không đủ căn cứ")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"school_code": FOREIGN}, (404, "QH-005")),
        ({"until": NOW.isoformat()}, (422, "TH-020")),
        ({"until": "2026-07-01"}, (422, "DD-901")),
        ({"category": "LATE"}, (422, "DD-901")),
        ({"school_year": "2025-2025"}, (422, "DD-901")),
        ({"reason": ""}, (422, "DD-901")),
    ],
)
async def test_what_may_be_asked(api: Api, fields: dict[str, object], expected: tuple[int, str]) -> None:
    assert refusal(await api.call("so66", "POST", EXTENSIONS, json={**ASKED, **fields})) == expected


@pytest.mark.parametrize("caller", ["tanlap", "bogddt", "thanhtra66", "quantri", "vendor"])
@pytest.mark.parametrize(("place", "body"), [(EXTENSIONS, ASKED), (EXEMPTIONS, PAPER)])
async def test_only_the_department_acts(api: Api, caller: str, place: str, body: dict[str, object]) -> None:
    assert refusal(await api.call(caller, "POST", place, json=body)) == (403, "QH-003")


async def test_another_province_s_officer_finds_nothing(api: Api) -> None:
    asked = await ask(api)
    place = f"{EXTENSIONS}/{asked['extension_id']}/approve"
    assert refusal(await api.call("so37", "POST", place)) == (404, "QH-005")
    assert refusal(await api.call("so66b", "POST", f"{EXTENSIONS}/zz/approve")) == (404, "QH-005")


async def test_extensions_are_listed_in_scope_by_pages(api: Api) -> None:
    made = [(await ask(api, school_code=code))["extension_id"] for code in (PRIMARY, SECONDARY)]
    pages, cursor = [], None
    for _ in made:
        query = "limit=1" + (f"&cursor={cursor}" if cursor else "")
        page = (await api.call("so66", "GET", f"{EXTENSIONS}?{query}")).json()
        pages += [item["extension_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert (sorted(pages), cursor) == (sorted(made), None)
    for query, expected in (
        (f"school_code={SECONDARY}", made[1:]),
        ("school_year=2024-2025", []),
        ("state=approved", []),
    ):
        items = (await api.call("vendor", "GET", f"{EXTENSIONS}?{query}")).json()["items"]
        assert [item["extension_id"] for item in items] == expected
    assert (await api.call("rival", "GET", EXTENSIONS)).json()["items"] == []


async def test_who_stays_on_paper_is_registered_and_withdrawn(api: Api) -> None:
    entered = await api.call("so66", "POST", EXEMPTIONS, json=PAPER)
    assert entered.status_code == 201, entered.text
    body = entered.json()
    assert (body["state"], body["pupils"], body["grade"], body["class_name"]) == ("registered", 31, 5, "5A")
    place = f"{EXEMPTIONS}/{body['exemption_id']}/withdraw"
    assert refusal(await api.call("so66", "POST", place, json={})) == (422, "QH-023")
    withdrawn = await api.call("so66b", "POST", place, json={"reason": "đã đủ điều kiện"})
    assert (withdrawn.json()["state"], withdrawn.json()["withdrawal_reason"]) == (
        "withdrawn",
        "đã đủ điều kiện",
    )
    assert refusal(await api.call("so66", "POST", place, json={"reason": "x"})) == (409, "TH-031")
    listed = (await api.call("vendor", "GET", f"{EXEMPTIONS}?school_code={PRIMARY}")).json()["items"]
    assert [item["state"] for item in listed] == ["withdrawn"]
    assert (await api.call("rival", "GET", EXEMPTIONS)).json()["items"] == []


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"grade": None}, (422, "TH-030")),
        ({"pupils": 0}, (422, "DD-901")),
        ({"grade": 0}, (422, "DD-901")),
        ({"school_code": FOREIGN}, (404, "QH-005")),
    ],
)
async def test_what_may_be_registered(api: Api, fields: dict[str, object], expected: tuple[int, str]) -> None:
    assert refusal(await api.call("so66", "POST", EXEMPTIONS, json={**PAPER, **fields})) == expected
