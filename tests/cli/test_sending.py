"""How the sending commands find the service, show answers and end."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.cli.answers import exit_code_of, keep_receipts, show_answer
from app.cli.sending import connection
from app.client.errors import SenderError

FINDING: dict[str, Any] = {
    "code": "NV-012",
    "severity": "error",
    "message_vi": "Điểm cả năm không khớp",
    "message_en": "The yearly mark does not agree",
    "xpath": "/GoiHocBa/HocBa[2]/NoiDung",
    "line": 214,
    "value": "9.9",
    "hint": "Sửa điểm rồi ký lại.",
    "who": "school",
}
BODY: dict[str, Any] = {
    "package_id": "1" * 32,
    "status": "answered",
    "acknowledgement": "a.a.a",
    "total": 2,
    "accepted": 1,
    "rejected": 1,
    "held": 0,
    "findings": [],
    "items": [
        {"position": 1, "record_id": "2" * 32, "outcome": "accepted", "findings": [], "receipt": "b.b.b"},
        {"position": 2, "record_id": None, "outcome": "rejected", "findings": [FINDING], "receipt": "c.c.c"},
    ],
}


@pytest.fixture
def credentials(tmp_path: Path) -> Path:
    path = tmp_path / "credentials.json"
    clients = [
        {"client_id": "one", "client_secret": "s1", "schools": ["A"]},
        {"client_id": "two", "client_secret": "s2", "schools": ["B", "C"]},
    ]
    path.write_text(json.dumps({"base_url": "http://127.0.0.1:1", "clients": clients}))
    return path


def settle(path: Path | None, school: str | None = None, **given: str) -> tuple[str, str, str]:
    options: dict[str, str | None] = {"base_url": None, "client_id": None, "client_secret": None, **given}
    found = connection(**options, credentials=path, school_code=school)
    return found.base_url, found.client_id, found.client_secret


def test_the_client_that_acts_for_the_school_is_taken(credentials: Path) -> None:
    assert settle(credentials, "C") == ("http://127.0.0.1:1", "two", "s2")
    assert settle(credentials) == ("http://127.0.0.1:1", "one", "s1")


def test_options_win_over_the_file(credentials: Path) -> None:
    assert settle(credentials, "C", base_url="http://x") == ("http://x", "two", "s2")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(SenderError) as caught:
        settle(None, base_url="http://x", client_id="one")
    assert caught.value.en.startswith("--client-secret missing")


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"clients": []}')
    with pytest.raises(SenderError) as caught:
        settle(tmp_path / "c.json")
    assert "no valid credentials.json" in caught.value.en


def test_every_finding_is_shown_with_place_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer(BODY)
    shown = capsys.readouterr().out
    for part in (
        "2 học bạ: 1 được nhận, 1 bị từ chối",
        "[NV-012] lỗi, dòng 214",
        "/GoiHocBa/HocBa[2]/NoiDung = 9.9",
    ):
        assert part in shown
    assert "→ Sửa điểm rồi ký lại. (nhà trường)" in shown
    assert "2" * 32 not in shown


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (BODY, 1),
        ({"rejected": 0, "findings": []}, 0),
        ({"rejected": 0, "findings": [{**FINDING, "severity": "warning"}]}, 0),
        ({"rejected": 0, "findings": [FINDING]}, 1),
    ],
)
def test_refusals_show_in_the_exit_code(body: dict[str, Any], code: int) -> None:
    assert exit_code_of(body) == code


def test_receipts_are_kept_as_files(tmp_path: Path) -> None:
    assert keep_receipts(tmp_path / "kept", BODY) == 3
    names = sorted(path.name for path in (tmp_path / "kept").iterdir())
    package_id = "1" * 32
    assert names == [f"{package_id}.{part}.jws" for part in ("0001", "0002", "acknowledgement")]
    assert (tmp_path / "kept" / names[1]).read_text() == "c.c.c\n"


def test_a_package_that_is_none_is_refused_before_anything_is_sent(credentials: Path, tmp_path: Path) -> None:
    (tmp_path / "p.xml").write_text("<a/>")
    arguments = ["send", str(tmp_path / "p.xml"), "--credentials", str(credentials), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 5
    assert "GoiHocBa" in json.loads(result.output)["error"]
