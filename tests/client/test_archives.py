"""The offline verifier of a school's archive against archives that were bent: each bend is noticed."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from app.client.archives import INDEX, check_archive
from app.client.errors import ProofError
from app.client.packaging import NAMESPACE, parse, standing_alone
from app.demo.transcripts import compose_school
from app.handover.index import Index
from app.ingest.receipts import ReceiptKind, acknowledge, answer
from app.keys import KeyRing, open_key_ring
from tests.builders.world import SIGNED, demo_province

NOW = datetime(2026, 7, 1, tzinfo=UTC)
PACKAGE = UUID(int=7)
CODE = "6624305501"

Files = dict[str, bytes]


@dataclass(frozen=True)
class Made:
    """An archive of one package with one transcript, and the keys it was signed with."""

    keys: KeyRing
    files: Files

    @cached_property
    def whole(self) -> bytes:
        """The archive as it was handed over, made once: every signature is another."""
        return self.pack(self.files, self.index())

    @property
    def jwks(self) -> Mapping[str, Any]:
        return {"keys": self.keys.public()}

    def index(self, files: Files | None = None) -> bytes:
        index = Index()
        for name, content in (self.files if files is None else files).items():
            index.add(name, content)
        return index.close(self.keys, school_code=CODE, school_year=None, begun_at=NOW)

    def write(self, folder: Path, files: Files | None = None, index: bytes | None = None) -> Path:
        """Write the files given, under an index that may be of others."""
        path = folder / "truong.zip"
        chosen = self.files if files is None else files
        path.write_bytes(self.pack(chosen, self.index() if index is None else index))
        return path

    @staticmethod
    def pack(files: Files, index: bytes) -> bytes:
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w") as archive:
            for name, content in {**files, INDEX: index}.items():
                archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
        return sink.getvalue()


def beside(receipts: list[str]) -> list[dict[str, str]]:
    return [{"jws": token} for token in receipts]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    keys = open_key_ring(tmp_path_factory.mktemp("keys"), NOW)
    province = demo_province()
    composed = compose_school(province, province.schools[1], signed_at=SIGNED)[0]
    xml, payload = standing_alone(composed.element), b"\x1f\x8bnot opened by the verifier"
    content = parse(xml).find(f"{{{NAMESPACE}}}NoiDung")
    assert content is not None
    canonical = etree.tostring(content, method="c14n", exclusive=True, with_comments=False)
    taken = acknowledge(
        keys, package_id=PACKAGE, school_code=CODE, sha256=sha256(payload).digest(), size=len(payload),
        received_at=NOW,
    )  # fmt: skip
    accepted = answer(
        keys, kind=ReceiptKind.ACCEPTANCE, package_id=PACKAGE, position=1, school_code=CODE,
        record_id=composed.record_id, content_sha256=sha256(canonical).digest(),
        xml_sha256=sha256(xml).digest(), received_at=NOW, judged_at=NOW, codes=(), is_late=False,
    )  # fmt: skip
    answers = [
        {"position": 0, "receipts": beside([taken])},
        {"position": 1, "receipts": beside([accepted])},
    ]
    record = f"records/{composed.record_id.hex}"
    return Made(
        keys=keys,
        files={
            f"packages/{PACKAGE.hex}.xml.gz": payload,
            f"packages/{PACKAGE.hex}.json": json.dumps({"answers": answers}).encode(),
            f"{record}.xml": xml,
            f"{record}.json": json.dumps({"receipts": beside([accepted])}).encode(),
            "certificates/1.der": b"\x30\x00",
        },
    )


def test_a_whole_archive_holds(made: Made, tmp_path: Path) -> None:
    stated = check_archive(made.write(tmp_path), made.jwks)
    assert stated.claims["school"] == CODE
    assert stated.claims["counts"] == {"certificates": 1, "packages": 2, "records": 2}
    assert stated.receipts == 3


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_byte_changed_in_any_file_is_noticed(made: Made, tmp_path: Path, data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(made.whole)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(files)))
    place = data.draw(st.integers(0, len(files[name]) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    bent = bytearray(files[name])
    bent[place] ^= bit
    files[name] = bytes(bent)
    index = files.pop(INDEX)
    with pytest.raises(ProofError):
        check_archive(made.write(tmp_path, files, index), made.jwks)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_byte_changed_in_the_container_is_noticed_or_changes_nothing(
    made: Made, tmp_path: Path, data: st.DataObject
) -> None:
    path, bent = tmp_path / "truong.zip", bytearray(made.whole)
    bent[data.draw(st.integers(0, len(bent) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bent)
    try:
        check_archive(path, made.jwks)
    except ProofError:
        return
    with zipfile.ZipFile(path) as archive:
        assert {name: archive.read(name) for name in archive.namelist() if name != INDEX} == made.files


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_cut_archive_is_noticed(made: Made, tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "truong.zip"
    path.write_bytes(made.whole[: data.draw(st.integers(0, len(made.whole) - 1))])
    with pytest.raises(ProofError):
        check_archive(path, made.jwks)


def without_the_last(files: Files) -> Files:
    return dict(list(files.items())[:-1])


def with_one_more(files: Files) -> Files:
    return {**files, "records/them.xml": b"<a/>"}


def in_another_name(files: Files) -> Files:
    return {name.replace("certificates/1", "certificates/2"): content for name, content in files.items()}


@pytest.mark.parametrize("bend", [without_the_last, with_one_more, in_another_name])
def test_files_that_the_index_does_not_list_are_noticed(
    made: Made, tmp_path: Path, bend: Callable[[Files], Files]
) -> None:
    with pytest.raises(ProofError):
        check_archive(made.write(tmp_path, bend(made.files)), made.jwks)


def test_the_same_name_twice_is_noticed(made: Made, tmp_path: Path) -> None:
    path = made.write(tmp_path)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("certificates/1.der", b"other")
    with pytest.raises(ProofError):
        check_archive(path, made.jwks)


def lists_the_change(files: Files, made: Made, tmp_path: Path) -> ProofError:
    """Even an index that a thief of the index's key signed anew does not make receipts of other content."""
    with pytest.raises(ProofError) as noticed:
        check_archive(made.write(tmp_path, files, made.index(files)), made.jwks)
    return noticed.value


def test_a_transcript_that_its_receipt_does_not_speak_of_is_noticed(made: Made, tmp_path: Path) -> None:
    name = next(name for name in made.files if name.endswith(".xml"))
    changed = {**made.files, name: made.files[name].replace(b"<HoTen>", b"<HoTen>X", 1)}
    assert "xml_sha256" in lists_the_change(changed, made, tmp_path).en


def test_a_payload_that_its_acknowledgement_does_not_speak_of_is_noticed(made: Made, tmp_path: Path) -> None:
    changed = {**made.files, f"packages/{PACKAGE.hex}.xml.gz": b"other"}
    assert "sha256" in lists_the_change(changed, made, tmp_path).en


def test_an_answer_moved_to_another_place_is_noticed(made: Made, tmp_path: Path) -> None:
    name = f"packages/{PACKAGE.hex}.json"
    answers = json.loads(made.files[name])
    answers["answers"][1]["position"] = 2
    assert (
        "position" in lists_the_change({**made.files, name: json.dumps(answers).encode()}, made, tmp_path).en
    )


def test_a_record_without_its_receipt_is_noticed(made: Made, tmp_path: Path) -> None:
    name = next(name for name in made.files if name.startswith("records/") and name.endswith(".json"))
    changed = {**made.files, name: b'{"receipts": []}'}
    assert "no receipt" in lists_the_change(changed, made, tmp_path).en


def test_an_index_signed_by_somebody_else_is_noticed(made: Made, tmp_path: Path) -> None:
    other = Made(keys=open_key_ring(tmp_path / "keys", NOW), files=made.files)
    with pytest.raises(ProofError):
        check_archive(other.write(tmp_path), made.jwks)


def test_a_receipt_does_not_pass_for_a_statement(made: Made, tmp_path: Path) -> None:
    claims = json.dumps({"size": 0, "root": sha256(b"").hexdigest()}).encode()
    forged = json.dumps({"statement": made.keys.sign(claims, kind="hocba-receipt")}, separators=(",", ":"))
    with pytest.raises(ProofError):
        check_archive(made.write(tmp_path, {}, forged.encode() + b"\n"), made.jwks)
