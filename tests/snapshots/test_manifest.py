"""The bytes of a snapshot are fixed to the letter: others compute them too."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from uuid import UUID

from app.client.snapshots import read_statement
from app.keys import open_key_ring
from app.merkle import EMPTY_ROOT
from app.records import RecordStatus
from app.snapshots.manifest import Line, SchoolCount, Sealed, counts_digest, state
from app.snapshots.scopes import Scope, SnapshotKind

SCOPE = Scope(province="66", school_year=2025, kind=SnapshotKind.UPSTREAM_FINAL)
NOW = datetime(2026, 7, 1, tzinfo=UTC)
LINE = (
    b'{"content_sha256":"' + b"63" * 32 + b'","late":true,"record_id":"0190163d8694739b8a00000000000001",'
    b'"school_code":"66A0000201","status":"in_force","xml_sha256":"' + b"78" * 32 + b'"}'
)
COUNTS = (
    b'{"in_force":1,"issued":0,"late":1,"recalled":1,"replaced":0,"school_code":"66A","total":2}\n'
    b'{"in_force":0,"issued":1,"late":0,"recalled":0,"replaced":0,"school_code":"66B","total":1}\n'
)


def test_a_line_is_canonical_json_in_alphabetical_order() -> None:
    line = Line(
        record_id=UUID("0190163d-8694-739b-8a00-000000000001"),
        school_code="66A0000201",
        content_sha256=b"c" * 32,
        xml_sha256=b"x" * 32,
        status=RecordStatus.IN_FORCE,
        is_late=True,
    )
    assert line.octets() == LINE


def counts() -> tuple[SchoolCount, SchoolCount]:
    first, second = SchoolCount(school_code="66A"), SchoolCount(school_code="66B")
    first.add(RecordStatus.IN_FORCE, is_late=True)
    first.add(RecordStatus.RECALLED, is_late=False)
    second.add(RecordStatus.ISSUED, is_late=False)
    return first, second


def test_the_counts_digest_is_over_one_line_a_school_by_code() -> None:
    first, second = counts()
    assert counts_digest([second, first]) == sha256(COUNTS).hexdigest()


def test_the_statement_says_everything_and_verifies(tmp_path: Path) -> None:
    keys = open_key_ring(tmp_path, NOW)
    first, second = counts()
    sealed = Sealed(
        snapshot_id=UUID(int=1), scope=SCOPE,
        cut_off=NOW, sealed_at=NOW, calendar="national-1+66-0", size=0, root=EMPTY_ROOT,
        schools={1: first, 2: second}, held=3, left_out=(UUID(int=2),),
    )  # fmt: skip
    stated = read_statement(state(keys, sealed), {"keys": keys.public()})
    assert stated.claims == {
        "iss": "hocba",
        "kind": "UPSTREAM_FINAL",
        "snapshot_id": f"{1:032x}",
        "province": "66",
        "school_year": "2025-2026",
        "cut_off": "2026-07-01T00:00:00+00:00",
        "sealed_at": "2026-07-01T00:00:00+00:00",
        "calendar": "national-1+66-0",
        "size": 0,
        "root": EMPTY_ROOT.hex(),
        "counts_sha256": sha256(COUNTS).hexdigest(),
        "held": 3,
        "left_out": [f"{2:032x}"],
    }
