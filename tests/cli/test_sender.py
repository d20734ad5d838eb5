"""The sender's commands, run as a vendor would: sign, pack, verify what the service signed."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from lxml import etree
from typer.testing import CliRunner

from app.cli import app
from app.client.packaging import NAMESPACE, open_package, parse, transcripts_of
from app.client.signing import DS
from app.demo.province import Province, build_province
from app.demo.transcripts import compose_school, package_of

AT = datetime(2026, 5, 28, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def province() -> Province:
    return build_province(at=AT, pupils_per_school=5)


@pytest.fixture
def folder(province: Province, tmp_path: Path) -> Path:
    """An unsigned package, and the seal and a teacher's pair, as files."""
    school = province.schools[1]
    composed = compose_school(province, school, signed_at=AT)
    (tmp_path / "unsigned.xml").write_bytes(
        package_of(province, school, [item.element for item in composed], created_at=AT)
    )
    for index, item in enumerate(composed):
        (tmp_path / f"hocba-{index}.xml").write_bytes(etree.tostring(item.element))
    for name, credential in (("seal", school.seal), ("teacher", school.teachers[0].credential)):
        (tmp_path / f"{name}.pem").write_bytes(credential.certificate_pem)
        (tmp_path / f"{name}.key").write_bytes(credential.key_pem)
    return tmp_path


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(item) for item in arguments], catch_exceptions=False)
    return result.exit_code, result.output


def run_json(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code, output = run(*arguments, "--json")
    return code, json.loads(output)


def signed(folder: Path, *extra: str) -> Path:
    output = folder / "signed.xml"
    code, _ = run(
        "sign", folder / "unsigned.xml", "--key", folder / "seal.key", "--certificate", folder / "seal.pem",
        "--role", "NHA_TRUONG", "--at", "2026-05-28T09:00:00", "-o", output, *extra,
    )  # fmt: skip
    assert code == 0
    return output


def test_sign_then_pack(folder: Path) -> None:
    xml = signed(folder)
    root = parse(xml.read_bytes())
    assert len(transcripts_of(root)) == len(list(root.iter(f"{{{DS}}}Signature"))) == 5
    times = {item.text for item in root.iter("{http://uri.etsi.org/01903/v1.3.2#}SigningTime")}
    assert times == {"2026-05-28T09:00:00+07:00"}
    code, told = run_json("pack", xml, "-o", folder / "p.xml.gz")
    assert code == 0
    assert open_package((folder / "p.xml.gz").read_bytes()).digest == told["sha256"]
    code, told_again = run_json("pack", xml, "-o", folder / "p.json")
    assert (code, told_again["sha256"]) == (0, told["sha256"])


def test_a_teacher_signs_their_subjects(folder: Path) -> None:
    output = folder / "signed.xml"
    code, told = run_json(
        "sign", folder / "hocba-0.xml", "--key", folder / "teacher.key", "--certificate",
        folder / "teacher.pem", "--role", "GVBM", "--subject", "19", "--subject", "26", "-o", output,
    )  # fmt: skip
    assert (code, told["signed"]) == (0, 1)
    uris = [item.get("URI", "") for item in parse(output.read_bytes()).iter(f"{{{DS}}}Reference")]
    assert [uri.rpartition("-")[2] for uri in uris] == ["19", "26", "signed"]


def test_single_transcripts_are_packed_together(folder: Path) -> None:
    files = [folder / f"hocba-{index}.xml" for index in range(3)]
    package_id = "11111111-2222-4333-8444-555555555555"
    code, told = run_json("pack", *files, "-o", folder / "p.xml", "--package-id", package_id)
    assert code == 0
    assert told["package_id"] == package_id.replace("-", "")
    root = parse((folder / "p.xml").read_bytes())
    assert root.findtext(f"{{{NAMESPACE}}}ThongTinChung/{{{NAMESPACE}}}SoLuong") == "3"


def test_a_foreign_key_ends_with_a_message(folder: Path) -> None:
    code, output = run(
        "sign", folder / "unsigned.xml", "--key", folder / "teacher.key", "--certificate",
        folder / "seal.pem", "--role", "NHA_TRUONG", "-o", folder / "x.xml",
    )  # fmt: skip
    assert code == 5
    assert "không thuộc cùng một cặp" in output
    assert not (folder / "x.xml").exists()


def test_a_missing_file_ends_with_a_message(folder: Path) -> None:
    code, told = run_json("pack", folder / "none.xml", "-o", folder / "p.json")
    assert code == 5
    assert "none.xml" in told["error"]


def test_an_unknown_form_is_refused(folder: Path) -> None:
    code, told = run_json("pack", folder / "unsigned.xml", "-o", folder / "p.zip")
    assert code == 5
    assert ".xml.gz" in told["error_en"]


def test_two_schools_in_one_package_are_refused(folder: Path) -> None:
    other = folder / "other.xml"
    first = (folder / "hocba-0.xml").read_text(encoding="utf-8")
    other.write_text(first.replace("6624305501", "6624305999"), encoding="utf-8")
    code, told = run_json("pack", folder / "hocba-1.xml", other, "-o", folder / "p.json")
    assert code == 5
    assert "one school" in told["error_en"]


@pytest.fixture
def receipt(folder: Path) -> Path:
    key = ECKey.generate_key("P-256", {"kid": "k1"})
    (folder / "jwks.json").write_text(json.dumps({"keys": [{**key.as_dict(private=False), "kid": "k1"}]}))
    digest = open_package((folder / "unsigned.xml").read_bytes()).digest
    claims = json.dumps({"kind": "acknowledgement", "sha256": digest}).encode()
    header = {"alg": "ES256", "kid": "k1", "typ": "hocba-receipt"}
    (folder / "ack.jws").write_text(jws.serialize_compact(header, claims, key, algorithms=["ES256"]))
    return folder / "ack.jws"


def test_a_receipt_is_verified_offline(folder: Path, receipt: Path) -> None:
    code, told = run_json(
        "verify-receipt", receipt, "--jwks", folder / "jwks.json", "--package", folder / "unsigned.xml"
    )
    assert (code, told["is_valid"], told["claims"]["kind"]) == (0, True, "acknowledgement")
    code, output = run("verify-receipt", receipt, "--jwks", folder / "jwks.json")
    assert code == 0
    assert "Biên nhận hợp lệ" in output


def test_a_receipt_of_another_package_does_not_hold(folder: Path, receipt: Path) -> None:
    code, told = run_json(
        "verify-receipt", receipt, "--jwks", folder / "jwks.json", "--package", signed(folder)
    )
    assert (code, told["is_valid"]) == (1, False)
    code, output = run("verify-receipt", folder / "jwks.json", "--jwks", folder / "jwks.json")
    assert code == 1
    assert "không có chữ ký hợp lệ" in output


def test_a_jwks_that_is_none_ends_with_a_message(folder: Path, receipt: Path) -> None:
    code, told = run_json("verify-receipt", receipt, "--jwks", folder / "seal.pem")
    assert code == 5
    assert "seal.pem" in told["error"]
