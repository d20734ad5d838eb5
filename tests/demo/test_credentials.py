"""What an outside client finds on disk is complete, readable, and works together."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.client.keys import check_pair, load_certificate, load_private_key
from app.client.packaging import NAMESPACE, pack, parse, transcripts_of
from app.client.signing import DS
from app.demo.credentials import Login, draw_logins, write_credentials, write_files
from app.demo.province import Province, build_province
from app.demo.transcripts import Share, compose_school

AT = datetime(2026, 5, 28, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def province() -> Province:
    return build_province(at=AT, pupils_per_school=6)


@pytest.fixture(scope="module")
def data_dir(province: Province, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    files = write_files(folder, province, signed_at=AT)
    write_credentials(
        folder,
        province,
        files,
        base_url="http://127.0.0.1:8000",
        administrator=Login(name="quantri", secret="s"),
        officers=draw_logins([item.username for item in province.officers]),
        clients=draw_logins([item.client_id for item in province.software]),
    )
    return folder


@pytest.fixture(scope="module")
def content(data_dir: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((data_dir / "credentials.json").read_bytes())
    return loaded


def test_the_file_has_the_published_shape(content: dict[str, Any], province: Province) -> None:
    assert set(content) == {
        "base_url", "trust_anchors", "service_jwks", "administrator", "officers", "clients", "schools",
        "samples",
    }  # fmt: skip
    assert content["service_jwks"] == "http://127.0.0.1:8000/.well-known/jwks.json"
    assert content["administrator"] == {"username": "quantri", "password": "s"}
    assert set(content["officers"][0]) == {"username", "password", "role", "organisation"}
    assert set(content["clients"][0]) == {"client_id", "client_secret", "schools"}
    school = content["schools"][0]
    assert set(school) == {"code", "name", "level", "managed_by", "seal", "head", "teachers"}
    assert set(school["seal"]) == {"certificate", "key", "status"}
    assert set(school["head"]) == set(school["teachers"][0]) == {"name", "id_number", "certificate", "key"}
    assert {item["seal"]["status"] for item in content["schools"]} == {"approved", "pending", "none"}
    assert len({item["password"] for item in content["officers"]}) == len(province.officers)


def test_every_pair_of_files_belongs_together(content: dict[str, Any]) -> None:
    pairs = [
        pair
        for school in content["schools"]
        for pair in (school["seal"], school["head"], *school["teachers"])
    ]
    for pair in pairs:
        key = load_private_key(Path(pair["key"]).read_bytes())
        check_pair(key, load_certificate(Path(pair["certificate"]).read_bytes()))
    assert len(pairs) > 40


def test_anchors_are_certificates_of_authorities(content: dict[str, Any]) -> None:
    assert len(content["trust_anchors"]) == 4
    for path in content["trust_anchors"]:
        assert "CA" in load_certificate(Path(path).read_bytes()).subject.rfc4514_string()


def test_secrets_are_readable_by_the_owner_alone(data_dir: Path) -> None:
    private = [*data_dir.rglob("*.key"), data_dir / "credentials.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert not list(data_dir.rglob("*.unfinished"))


def test_samples_are_of_pupils_the_demo_does_not_send(content: dict[str, Any], province: Province) -> None:
    sent = {
        item.record_id.hex
        for school in province.schools
        for item in compose_school(province, school, signed_at=AT, share=Share.SENT)
    }
    seen: set[str] = set()
    package_ids = set()
    for kind, has_signatures in (("unsigned", False), ("packages", True)):
        assert len(content["samples"][kind]) == len(province.schools)
        for path in content["samples"][kind]:
            material = Path(path).read_bytes()
            package_ids.add(pack(material).package_id)
            for transcript in transcripts_of(parse(material)):
                code = transcript.findtext(f"{{{NAMESPACE}}}NoiDung/{{{NAMESPACE}}}MaTraCuu") or ""
                assert code not in sent | seen
                seen.add(code)
                assert bool(transcript.findall(f".//{{{DS}}}Signature")) is has_signatures
    assert len(seen) == 4 * len(province.schools)
    assert len(package_ids) == 2 * len(province.schools)


def test_writing_again_replaces(data_dir: Path, province: Province, content: dict[str, Any]) -> None:
    before = Path(content["samples"]["unsigned"][0]).read_bytes()
    write_files(data_dir, province, signed_at=AT)
    assert Path(content["samples"]["unsigned"][0]).read_bytes() == before
