"""Every case of the kit, played against the running service; the kit itself, built anew."""

import json
from datetime import datetime
from pathlib import Path

import httpx

from tests.conformance.build import build
from tests.conformance.case import CASES
from tests.conformance.country import Country
from tests.conformance.runner import cases, differences, play, sign_in


async def test_every_case_is_answered_as_expected(country: Country) -> None:
    wrong: dict[str, list[str]] = {}
    for folder in cases():
        country.clock.now = datetime.fromisoformat(json.loads((folder / "expected.json").read_text())["time"])
        found = await play(folder, country.http)
        if found:
            wrong[folder.name] = found
    assert not wrong, json.dumps(wrong, ensure_ascii=False, indent=1)


async def test_the_player_signs_in_and_tells_a_difference(country: Country) -> None:
    (case,) = cases(["odd-xades"])
    expected = json.loads((case / "expected.json").read_text())
    country.clock.now = datetime.fromisoformat(expected["time"])
    async with httpx.AsyncClient(transport=country.http._transport, base_url="http://hocba.test") as http:
        await sign_in(http, country.credentials)
        assert await play(case, http) == []
    other = {"package": [], "items": [{"outcome": "rejected", "codes": ["KS-017"]}]}
    assert [line.partition(":")[0] for line in differences(expected, other)] == ["items"]


def test_the_kit_is_built_anew_without_a_difference(tmp_path: Path) -> None:
    build(tmp_path)
    assert _contents(tmp_path) == _contents(CASES)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
