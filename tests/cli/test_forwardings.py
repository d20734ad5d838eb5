"""What an operator sees of forwarding, and how the ministry's takes a department's keys down."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app as cli
from app.clock import system_clock
from app.keys import open_key_ring


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HOCBA_DATABASE_URL", database_url)
    monkeypatch.setenv("HOCBA_DATA_DIR", str(tmp_path))

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(cli, ["admin", *arguments], input=stdin)

    return invoke


def body(result: Result, exit_code: int = 0) -> Any:
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_the_ministry_is_set_up_as_the_page_on_operation_says(run: Any, tmp_path: Path) -> None:
    stdin = "một mật khẩu đủ dài\n"
    assert (
        run("create-administrator", "--username", "quantri", "--password-stdin", stdin=stdin).exit_code == 0
    )
    department = ["--kind", "department", "--code", "66", "--name", "Sở GDĐT Đắk Lắk", "--parent", "BGDDT"]
    assert run("organisations", "add", *department).exit_code == 0
    client = body(
        run("clients", "add", "--name", "Sở", "--client-id", "so-66", "--department", "66", "--json")
    )
    assert client["client_secret"]
    keys = open_key_ring(tmp_path / "so", system_clock()).public()
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": keys}), "utf-8")
    taken = body(run("province-keys", "add", "66", str(jwks), "--json"))
    assert taken == {"province": "66", "kids": [keys[0]["kid"]]}
    assert str(keys[0]["kid"]) in run("province-keys", "add", "66", str(jwks)).stdout
    for wrong in ("[]", "{", '{"keys": [5]}', '{"keys": []}'):
        jwks.write_text(wrong, "utf-8")
        assert body(run("province-keys", "add", "66", str(jwks), "--json"), 4)["code"] == "QH-124"


def test_without_forwardings_there_is_nothing_to_list(run: Any) -> None:
    assert body(run("forwardings", "list", "--json")) == []
