"""The offline verifier of snapshots against manifests that were bent: each bend is noticed."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from app.client.errors import ProofError
from app.client.snapshots import check_manifest, open_manifest, read_statement
from app.keys import KeyRing, open_key_ring
from app.merkle import RootBuilder, leaf_hash
from app.records import RecordStatus
from app.snapshots.manifest import Line, SchoolCount, Sealed, state
from app.snapshots.scopes import Scope, SnapshotKind

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A sealed snapshot of a few records."""

    keys: KeyRing
    lines: Sequence[bytes]

    @property
    def jwks(self) -> Mapping[str, Any]:
        return {"keys": self.keys.public()}

    def statement(self, lines: Sequence[bytes] | None = None, **changed: Any) -> str:
        """What is signed of lines, which need not be those that are shown."""
        signed = self.lines if lines is None else lines
        tree, count = RootBuilder(), SchoolCount(school_code="66A0000201")
        for line in signed:
            tree.append(leaf_hash(line))
            count.add(RecordStatus.IN_FORCE, is_late=False)
        given: dict[str, Any] = {"size": tree.size, "root": tree.root, "schools": {1: count}} | changed
        sealed = Sealed(
            snapshot_id=UUID(int=1), cut_off=NOW, sealed_at=NOW, calendar="national-1", held=0, left_out=(),
            scope=Scope(province="66", school_year=2025, kind=SnapshotKind.SCHOOL_CONFIRMED), **given,
        )  # fmt: skip
        return state(self.keys, sealed)

    def manifest(self, lines: Sequence[bytes] | None = None, statement: str | None = None) -> bytes:
        """The file, with the lines that are shown."""
        first = json.dumps({"statement": statement or self.statement()}).encode()
        return b"".join(line + b"\n" for line in [first, *(self.lines if lines is None else lines)])


def line(number: int) -> bytes:
    return Line(
        record_id=UUID(int=number),
        school_code="66A0000201",
        content_sha256=b"c" * 32,
        xml_sha256=b"x" * 32,
        status=RecordStatus.IN_FORCE,
        is_late=False,
    ).octets()


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(keys=open_key_ring(tmp_path / "keys", NOW), lines=[line(number) for number in range(9)])


def test_a_manifest_as_it_was_sealed_holds(made: Made) -> None:
    assert check_manifest(io.BytesIO(made.manifest()), made.jwks).size == 9


def zipped(content: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("manifest.ndjson", content)
    return sink.getvalue()


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, zipped])
def test_it_is_read_in_every_form_it_is_kept_in(
    made: Made, tmp_path: Path, wrap: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(wrap(made.manifest()))
    with open_manifest(path) as file:
        assert check_manifest(file, made.jwks).size == 9


def test_an_archive_without_a_manifest_is_said_to_be_one(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other.txt", "x")
    with pytest.raises(ProofError, match=r"manifest\.ndjson"), open_manifest(path):
        pass


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        (lambda lines: lines[:-1], "size"),
        (lambda lines: [*lines, line(99)], "size"),
        (lambda lines: [*lines[:4], line(77), *lines[5:]], "order"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "order"),
        (lambda lines: [lines[0], *lines[:-1]], "order"),
        (lambda lines: [*lines[:-1], line(99)], "root"),
        (lambda lines: [lines[0].replace(b"in_force", b"recalled"), *lines[1:]], "root"),
        (lambda lines: [lines[0].replace(b"in_force", b"whatever"), *lines[1:]], "canonical"),
        (lambda lines: [lines[0].replace(b'":', b'": '), *lines[1:]], "canonical"),
        (lambda lines: [b"[]", *lines[1:]], "canonical"),
        (lambda lines: [b"\xff", *lines[1:]], "canonical"),
        (lambda lines: [b"", *lines], "canonical"),
    ],
)
def test_a_bent_manifest_does_not_hold(
    made: Made, bend: Callable[[Sequence[bytes]], Sequence[bytes]], reason: str
) -> None:
    with pytest.raises(ProofError, match=reason):
        check_manifest(io.BytesIO(made.manifest(bend(made.lines))), made.jwks)


def test_the_counts_must_be_those_of_the_lines(made: Made) -> None:
    statement = made.statement(schools={1: SchoolCount(school_code="66A0000201", total=9)})
    with pytest.raises(ProofError, match="counts_sha256"):
        check_manifest(io.BytesIO(made.manifest(statement=statement)), made.jwks)


@pytest.mark.parametrize("first", [b"", b"{}\n", b"not json\n", b'{"statement": 5}\n'])
def test_a_file_without_a_statement_proves_nothing(made: Made, first: bytes) -> None:
    with pytest.raises(ProofError):
        check_manifest(io.BytesIO(first), made.jwks)


def test_what_the_service_signs_for_other_ends_states_no_snapshot(made: Made) -> None:
    claims = json.dumps({"size": 0, "root": "00" * 32}).encode()
    with pytest.raises(ProofError, match="hocba-snapshot"):
        read_statement(made.keys.sign(claims, kind="hocba-receipt"), made.jwks)
    assert read_statement(made.keys.sign(claims, kind="hocba-snapshot"), made.jwks).size == 0


def test_another_service_s_keys_do_not_vouch(made: Made, tmp_path: Path) -> None:
    other = open_key_ring(tmp_path / "others", NOW)
    with pytest.raises(ProofError):
        read_statement(made.statement(), {"keys": other.public()})
    with pytest.raises(ProofError):
        read_statement(made.statement(), {})
