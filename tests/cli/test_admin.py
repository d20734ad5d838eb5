"""What an operator sets up on the machine."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from typer.testing import CliRunner, Result

from app.cli.admin import commands
from tests.builders.pki import infrastructure
from tests.builders.revocation import Revoked, make_crl


@pytest.fixture
def run(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HOCBA_DATABASE_URL", database_url)
    monkeypatch.setenv("HOCBA_DATA_DIR", str(tmp_path))

    def invoke(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(commands, [*arguments, "--json"], input=stdin)

    return invoke


def body(result: Result, exit_code: int = 0) -> Any:
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def administrator(run: Any, stdin: str = "một mật khẩu đủ dài\n") -> Result:
    result: Result = run("create-administrator", "--username", "quantri", "--password-stdin", stdin=stdin)
    return result


def test_the_first_administrator_is_created_once(run: Any) -> None:
    assert body(administrator(run, "ngắn\n"), 4)["code"] == "QH-052"
    assert body(administrator(run))["organisation"] == "BGDDT"
    assert body(administrator(run), 4)["code"] == "QH-058"
    assert body(run("accounts", "list")) == [
        {"username": "quantri", "role": "administrator", "organisation": "BGDDT"}
    ]


def test_a_province_is_set_up_from_nothing(run: Any, tmp_path: Path) -> None:
    administrator(run)
    provinces, communes = tmp_path / "tinh.csv", tmp_path / "xa.csv"
    provinces.write_text("\ufeffMã tỉnh;Tên tỉnh\n66;Đắk Lắk\n", "utf-8")
    communes.write_text("ma_tinh,ma_xa,ten_xa\n66,24133,Phường Tân Lập\n99,1,Sai\n", "utf-8")
    assert body(run("organisations", "import", "provinces", str(provinces)))["created"] == 1
    wrong = body(run("organisations", "import", "communes", str(communes)), 1)
    assert [(row["line"], row["code"]) for row in wrong["errors"]] == [(3, "QH-040")]
    communes.write_text("ma_tinh,ma_xa,ten_xa\n66,24133,Phường Tân Lập\n", "utf-8")
    assert body(run("organisations", "import", "communes", str(communes)))["created"] == 1
    school = ["--kind", "school", "--code", "66A0000201", "--name", "TH Tân Lập", "--parent", "24133"]
    assert body(run("organisations", "add", *school, "--level", "02"))["code"] == "66A0000201"
    assert body(run("organisations", "add", *school, "--level", "02"), 4)["code"] == "QH-041"
    officer = ["--username", "canbo", "--organisation", "24133", "--full-name", "Cán bộ", "--password-stdin"]
    made = run("accounts", "add", *officer, "--role", "commune_officer", stdin="một mật khẩu đủ dài\n")
    assert body(made)["role"] == "commune_officer"
    client = body(run("clients", "add", "--name", "Phần mềm A", "--school", "66A0000201"))
    assert client["schools"] == ["66A0000201"]
    assert len(client["client_secret"]) >= 43
    shown = run("clients", "list").stdout
    assert client["client_id"] in shown
    assert client["client_secret"] not in shown
    assert [row["code"] for row in body(run("organisations", "list"))] == [
        "24133",
        "66",
        "66A0000201",
        "BGDDT",
    ]


def test_trust_anchors_are_listed(run: Any, tmp_path: Path) -> None:
    people, file = infrastructure(), tmp_path / "root.pem"
    file.write_bytes(people.root.certificate.public_bytes(serialization.Encoding.PEM))
    add = ["trust-anchors", "add", str(file), "--owner-class", "public_sector"]
    assert body(run(*add))["fingerprint"] == people.root.fingerprint
    assert body(run(*add), 4)["code"] == "QH-032"
    file.write_bytes(people.seal.certificate.public_bytes(serialization.Encoding.DER))
    assert body(run(*add), 4)["code"] == "QH-031"
    file.write_bytes(b"x")
    assert body(run(*add), 4)["code"] == "QH-025"
    assert [row["fingerprint"] for row in body(run("trust-anchors", "list"))] == [people.root.fingerprint]


def test_a_revocation_list_is_imported_once(run: Any, tmp_path: Path) -> None:
    people = infrastructure()
    root, file = tmp_path / "root.pem", tmp_path / "ca.crl"
    root.write_bytes(people.root.certificate.public_bytes(serialization.Encoding.PEM))
    published = datetime(2026, 1, 1, tzinfo=UTC)
    entry = {77: Revoked(at=published)}
    file.write_bytes(
        make_crl((people.root.certificate, people.root.key), this_update=published, revoked=entry)
    )
    assert body(run("crls", "import", str(file)), 4)["code"] == "KS-071"
    body(run("trust-anchors", "add", str(root), "--owner-class", "public_sector"))
    first = body(run("crls", "import", str(file)))
    assert (first["is_new"], first["revoked"]) == (True, 1)
    assert body(run("crls", "import", str(file)))["is_new"] is False
    file.write_bytes(b"<html>")
    assert body(run("crls", "import", str(file)), 4)["code"] == "KS-070"


def test_a_file_that_is_too_large_is_no_list(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOCBA_MAX_CRL_BYTES", "2000")
    file = tmp_path / "ca.crl"
    file.write_bytes(b"x" * 2001)
    assert body(run("crls", "import", str(file)), 4)["code"] == "KS-087"
