"""A province's keys, as the ministry takes them down: public ones on P-256, never silently another."""

from typing import Any

import pytest

from app.keys import open_key_ring
from tests.builders.tiers import Nation

ADDRESS = "/api/v1/provinces/37/keys"


async def take_down(nation: Nation, *keys: Any) -> Any:
    return await nation.http.post(ADDRESS, json={"keys": list(keys)}, headers=nation.as_("bogddt"))


async def test_a_provinces_jwks_is_taken_down_and_a_key_withdrawn(nation: Nation, tmp_path: Any) -> None:
    first, second = (
        dict[str, Any](open_key_ring(tmp_path / name, nation.clock()).public()[0]) for name in ("a", "b")
    )
    second["kid"] = "second"
    assert (await take_down(nation, first)).status_code == 200
    assert [key["kid"] for key in (await take_down(nation, first, second)).json()["items"]] == sorted(
        [first["kid"], "second"]
    )
    gone = await nation.http.delete(f"{ADDRESS}/second", headers=nation.as_("bogddt"))
    assert gone.status_code == 204
    listed = (await nation.http.get(ADDRESS, headers=nation.as_("bogddt"))).json()["items"]
    assert {key["kid"]: key["withdrawn_at"] is not None for key in listed} == {
        first["kid"]: False,
        "second": True,
    }
    again = await nation.http.delete(f"{ADDRESS}/second", headers=nation.as_("bogddt"))
    assert again.json()["code"] == "QH-005"
    other = await take_down(nation, {**second, "kid": first["kid"]})
    assert (other.status_code, other.json()["code"]) == (409, "QH-125")


@pytest.mark.parametrize(
    "change",
    [{"d": "AAAA"}, {"crv": "P-384"}, {"kid": ""}, {"kid": "có dấu"}, {"x": "AAAA"}, {"kty": "RSA"}],
)
async def test_anything_but_a_public_key_is_refused(
    nation: Nation, tmp_path: Any, change: dict[str, str]
) -> None:
    good = dict(open_key_ring(tmp_path / "a", nation.clock()).public()[0])
    answer = await take_down(nation, {**good, **change})
    assert (answer.status_code, answer.json()["code"]) == (422, "QH-124")


async def test_only_a_department_has_keys(nation: Nation) -> None:
    for code in ("BGDDT", "99"):
        answer = await nation.http.get(f"/api/v1/provinces/{code}/keys", headers=nation.as_("bogddt"))
        assert answer.json()["code"] == "QH-005"
