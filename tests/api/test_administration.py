"""Organisations, accounts, clients and the trust list over HTTP, and the log of it all."""

from datetime import timedelta
from typing import Any

import pytest

from tests.api.conftest import Api, refusal
from tests.builders.enrolment import enrol, pem
from tests.builders.pki import infrastructure
from tests.builders.province import CONTINUING, OTHER_PRIMARY, PASSWORD, PRIMARY, UPPER

ADMINISTERED = ("organisations", "accounts", "clients", "trust-anchors", "audit")
SCHOOL = {
    "kind": "school",
    "code": "66A0000299",
    "name": "Trường mới",
    "parent_code": "24133",
    "levels": ["02"],
}


async def ok(
    api: Api, method: str, path: str, status: int = 200, caller: str = "quantri", **more: Any
) -> Any:
    answer = await api.call(caller, method, f"/api/v1/{path}", **more)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize("room", ADMINISTERED)
async def test_administration_is_for_administrators(api: Api, room: str) -> None:
    path = f"/api/v1/{room}"
    welcome = {"quantri"} | {"trust-anchors": {"bogddt"}, "audit": {"thanhtra66", "thanhtrabo"}}.get(
        room, set()
    )
    for caller in ("quantri", "bogddt", "so66", "tanlap", "thanhtra66", "thanhtrabo", "vendor"):
        answer = await api.call(caller, "GET", path)
        if caller in welcome:
            assert answer.status_code == 200
        else:
            assert refusal(answer) == (403, "QH-003")
    assert refusal(await api.http.get(path)) == (401, "QH-001")


async def test_an_organisation_is_created_changed_and_found(api: Api) -> None:
    made = await ok(api, "POST", "organisations", 201, json=SCHOOL)
    assert (made["managed_by"], made["province_code"], made["valid_from"]) == ("24133", "66", "2026-05-29")
    await ok(api, "PATCH", "organisations/66A0000299", json={"name": "Trường TH mới"})
    moved = await ok(
        api,
        "POST",
        "organisations/66A0000299/management",
        json={"managed_by": "24154", "valid_from": "2026-06-01"},
    )
    assert moved["managed_by"] == "24154"
    shown = await ok(api, "GET", "organisations/66A0000299")
    assert (shown["name"], shown["managed_by"]) == ("Trường TH mới", "24133")
    first = await ok(api, "GET", "organisations?kind=school&province_code=66&limit=4")
    rest = await ok(api, "GET", f"organisations?kind=school&province_code=66&cursor={first['next_cursor']}")
    codes = [row["code"] for row in first["items"] + rest["items"]]
    assert codes == sorted([PRIMARY, "66A0000301", OTHER_PRIMARY, UPPER, CONTINUING, "66A0000299"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (SCHOOL | {"code": PRIMARY}, 409, "QH-041"),
        (SCHOOL | {"levels": ["09"]}, 422, "QH-044"),
        (SCHOOL | {"parent_code": "13669", "managed_by": "24133"}, 422, "QH-043"),
        (SCHOOL | {"name": "a\u0000b"}, 422, "DD-901"),
        (SCHOOL | {"id": 1}, 422, "DD-901"),
        (SCHOOL | {"code": "a\u0000b"}, 422, "DD-901"),
    ],
)
async def test_an_organisation_that_does_not_fit_is_refused(
    api: Api, body: dict[str, object], status: int, code: str
) -> None:
    answer = await api.call("quantri", "POST", "/api/v1/organisations", json=body)
    assert refusal(answer) == (status, code)


async def test_communes_are_imported_as_csv(api: Api) -> None:
    path = "/api/v1/organisations/import?kind=communes"
    good = "Mã tỉnh,Mã xã,Tên xã\n66,24175,Xã Hòa Phú\n".encode()
    wrong = good + "66,1,Sai mã\n".encode()
    refused = await api.call("quantri", "POST", path, content=wrong)
    assert refusal(refused) == (422, "QH-059")
    assert [(row["line"], row["code"]) for row in refused.json()["errors"]] == [(3, "QH-040")]
    assert (await api.call("quantri", "POST", path, content=good)).json() == {
        "created": 1,
        "renamed": 0,
        "unchanged": 0,
    }
    assert refusal(await api.call("tanlap", "POST", path, content=good)) == (403, "QH-003")


async def test_an_account_is_created_disabled_and_given_a_password(api: Api) -> None:
    body = {
        "username": "moi",
        "full_name": "Cán bộ mới",
        "role": "commune_officer",
        "organisation": "24133",
        "password": "một mật khẩu đủ dài",
    }
    made = await ok(api, "POST", "accounts", 201, json=body)
    assert "password" not in str(made).lower()
    changed = {"password": "một mật khẩu khác hẳn"}
    await ok(api, "PATCH", f"accounts/{made['account_id']}", json=changed)
    for password, status in ((body["password"], 401), (changed["password"], 200)):
        answer = await api.http.post("/api/v1/sessions", json={"username": "moi", "password": password})
        assert answer.status_code == status
    await ok(api, "PATCH", f"accounts/{made['account_id']}", json={"is_active": False})
    cases = [
        (body, 409, "QH-050"),
        (body | {"username": "Hai"}, 422, "QH-051"),
        (body | {"username": "hai", "password": "ngắn"}, 422, "QH-052"),
        (body | {"username": "hai", "role": "administrator"}, 422, "QH-053"),
        (body | {"username": "hai", "password": None}, 422, "QH-054"),
        (body | {"username": "hai", "organisation": "99999"}, 422, "QH-057"),
        (body | {"username": "hai", "is_active": True}, 422, "DD-901"),
    ]
    for case, status, code in cases:
        assert refusal(await api.call("quantri", "POST", "/api/v1/accounts", json=case)) == (status, code)
    own = api.province.officers["quantri"].id
    last = await api.call("quantri", "PATCH", f"/api/v1/accounts/{own}", json={"is_active": False})
    assert refusal(last) == (409, "QH-055")
    unknown = await api.call("quantri", "PATCH", f"/api/v1/accounts/{'0' * 32}", json={"is_active": False})
    assert refusal(unknown) == (404, "QH-005")
    escalated = await api.call("quantri", "PATCH", f"/api/v1/accounts/{own}", json={"role": "inspector"})
    assert refusal(escalated) == (422, "DD-901")


async def test_a_client_is_created_authorised_and_cut_off(api: Api) -> None:
    made = await ok(api, "POST", "clients", 201, json={"name": "Phần mềm B", "schools": [PRIMARY]})
    grant = {"grant_type": "client_credentials"}
    pair = (made["client_id"], made["client_secret"])
    token = (await api.http.post("/oauth2/token", data=grant, auth=pair)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    async def may_act_for(school: str) -> bool:
        answer = await api.http.post(
            "/api/v1/certificates/challenges", json={"school_code": school}, headers=headers
        )
        assert answer.status_code == 201 or refusal(answer) == (403, "QH-004")
        return answer.status_code == 201

    assert (await may_act_for(PRIMARY), await may_act_for(UPPER)) == (True, False)
    api.clock.advance(timedelta(seconds=1))
    allowed = await ok(api, "PUT", f"clients/{made['id']}/schools/{UPPER}")
    assert allowed["schools"] == [PRIMARY, UPPER]
    assert await may_act_for(UPPER)
    cut = await ok(api, "DELETE", f"clients/{made['id']}/schools/{PRIMARY}")
    assert cut["schools"] == [UPPER]
    assert not await may_act_for(PRIMARY)
    renewed = await ok(api, "POST", f"clients/{made['id']}/secret")
    assert renewed["client_secret"] != made["client_secret"]
    old = await api.http.post("/oauth2/token", data=grant, auth=pair)
    assert old.json()["error"] == "invalid_client"
    listed = await ok(api, "GET", "clients")
    assert "secret" not in str(listed)
    await ok(api, "PATCH", f"clients/{made['id']}", json={"is_active": False})
    nobody = "0" * 32
    for method, path in (
        ("PATCH", f"clients/{nobody}"),
        ("POST", f"clients/{nobody}/secret"),
        ("PUT", f"clients/{nobody}/schools/{PRIMARY}"),
        ("DELETE", f"clients/{nobody}/schools/{PRIMARY}"),
    ):
        body = {"is_active": True} if method == "PATCH" else None
        assert refusal(await api.call("quantri", method, f"/api/v1/{path}", json=body)) == (404, "QH-005")
    school = await api.call("quantri", "PUT", f"/api/v1/clients/{made['id']}/schools/24133")
    assert refusal(school) == (422, "QH-057")


async def test_the_trust_list_is_kept_by_administrator_and_ministry(api: Api) -> None:
    people = infrastructure()
    body = {"certificate": pem(people.root.certificate), "owner_class": "public_sector"}
    made = await ok(api, "POST", "trust-anchors", 201, caller="bogddt", json=body)
    assert (made["fingerprint"], made["kind"]) == (people.root.fingerprint, "anchor")
    path = "/api/v1/trust-anchors"
    cases = [
        (body, 409, "QH-032"),
        (body | {"certificate": pem(people.seal.certificate)}, 422, "QH-031"),
        (body | {"certificate": "x"}, 422, "QH-025"),
        (body | {"owner_class": "mine"}, 422, "DD-901"),
    ]
    for case, status, code in cases:
        assert refusal(await api.call("quantri", "POST", path, json=case)) == (status, code)
    withdrawn = await ok(api, "DELETE", f"trust-anchors/{made['anchor_id']}")
    assert withdrawn["withdrawn_at"] is not None
    again = await api.call("quantri", "DELETE", f"{path}/{made['anchor_id']}")
    assert refusal(again) == (404, "QH-005")
    (listed,) = (await ok(api, "GET", "trust-anchors"))["items"]
    assert listed["withdrawn_at"] is not None


async def test_the_log_is_read_within_scope_and_says_so(api: Api) -> None:
    people = infrastructure()
    await enrol(api.http, await api.token("vendor"), people.seal, PRIMARY)
    await enrol(api.http, await api.token("rival"), people.head, OTHER_PRIMARY, "THU_TRUONG")
    administrator = await api.token("quantri")
    api.clock.advance(timedelta(seconds=1))
    assert await api.token("quantri") == administrator
    await ok(api, "GET", "audit?limit=1")
    api.clock.advance(timedelta(seconds=1))
    whole = (await ok(api, "GET", "audit?limit=500"))["items"]
    tags = [row["tag"] for row in whole]
    assert tags.count("certificate:registered") == 2
    assert "organisation:created" in tags
    assert {row["school_code"] for row in whole} >= {PRIMARY, OTHER_PRIMARY, None}
    province = (await ok(api, "GET", "audit?limit=500", caller="thanhtra66"))["items"]
    assert {row["school_code"] for row in province} == {
        PRIMARY,
        OTHER_PRIMARY,
        UPPER,
        CONTINUING,
        "66A0000301",
    }
    country = (await ok(api, "GET", "audit?limit=500", caller="thanhtrabo"))["items"]
    assert {"37A0000201", None} <= {row["school_code"] for row in country}
    assert [row["tag"] for row in (await ok(api, "GET", "audit?limit=500"))["items"]].count("audit:read") == 4
    since = whole[-1]["at"].replace("+", "%2B")
    later = (await ok(api, "GET", f"audit?since={since}"))["items"]
    assert later[0]["event_id"] == whole[-1]["event_id"]
    first = await ok(api, "GET", "audit?limit=3")
    second = await ok(api, "GET", f"audit?limit=3&cursor={first['next_cursor']}")
    assert [row["event_id"] for row in first["items"] + second["items"]] == [
        row["event_id"] for row in whole[:6]
    ]
    assert PASSWORD not in str(whole)
    assert api.province.secrets["vendor"] not in str(whole)


@pytest.mark.parametrize("since", ["yesterday", "2026-05-29T00:00:00", "0001-01-01T00:00:00%2B14:00"])
async def test_a_moment_needs_its_offset_and_a_real_year(api: Api, since: str) -> None:
    answer = await api.call("quantri", "GET", f"/api/v1/audit?since={since}")
    assert refusal(answer) == (422, "DD-901")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "W10",  # []
        "WyJhIiwiYiJd",  # ["a","b"]
        "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwiMCJd",
        "WyJcdTAwMDAiXQ",  # ["\u0000"]
        "WyJcdWQ4MDAiXQ",  # ["\ud800"]
    ],
)
async def test_a_cursor_that_is_not_ours_is_refused(api: Api, cursor: str) -> None:
    for room in ADMINISTERED:
        answer = await api.call("quantri", "GET", f"/api/v1/{room}?cursor={cursor}")
        if answer.status_code != 200:
            assert refusal(answer)[1] in {"DD-903", "QH-005"}
