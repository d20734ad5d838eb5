"""The contenders: each takes a package's gzip and gives how many transcripts it found good.

naive      json-era Python: lxml tree, ``xmlschema``, ``signxml``
competent  the same with libxml2's schema (``lxml.etree.XMLSchema``)
ours       the engine as the worker runs it: unpack, split, form, schema, rules, signatures, paths,
           registration, signer policy, timeliness, findings, compression and a signed receipt for each
"""

import gzip
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from lxml import etree
from signxml.verifier import SignatureConfiguration, XMLVerifier

from app.formats.hocba_1_0.profile import HocBaProfile
from app.formats.schema import compile_schema, explaining_schema
from app.ingest.envelope import OuterFields
from app.ingest.examination import Examination, examine
from app.ingest.judgement import Outcome, weigh
from app.ingest.reply import sign_answers
from app.keys import KeyRing, open_key_ring
from app.records.packing import pack
from app.verify.policy import ACCEPTANCE
from bench.documents import LIMITS, SIGNED_AT, Load

HOCBA: Final = "{urn:hocba:1.0}"
DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
NOW: Final = datetime(2026, 6, 9, 3, 0, tzinfo=UTC)
FIELDS: Final = (
    "MaTraCuu",
    "NamHoc",
    "CapHoc",
    "Khoi",
    "Lop",
    "MaHocSinh",
    "SoDinhDanh",
    "HoTen",
    "NgaySinh",
)

Contender = Callable[[Load], int]


@cache
def _folder() -> TemporaryDirectory[str]:
    """A folder that is removed when the process ends."""
    return TemporaryDirectory(prefix="hocba-bench-")


@cache
def _key_ring() -> KeyRing:
    return open_key_ring(Path(_folder().name) / "keys", NOW)


def ours(load: Load) -> int:
    """Judge as the worker does, up to what is handed to the database."""
    outcomes = weighed(load, examined(load))
    entries = [outcome.entry for outcome in outcomes if outcome.entry is not None]
    pack(entries, {})
    seal_answers(load, outcomes)
    return len(entries)


def examined(load: Load) -> Examination:
    """Examine a load's package."""
    outer = OuterFields(
        package_id=load.origin.package_id,
        school_code=load.origin.school_code,
        school_year="2025-2026",
        schema_version="1.0",
    )
    return examine(load.package.gzipped, outer, HocBaProfile(), LIMITS, ACCEPTANCE)


def weighed(load: Load, examination: Examination) -> Sequence[Outcome]:
    """Judge what was examined."""
    return weigh(examination.items, load.origin, entries=load.entries, bars=load.bars)


def seal_answers(load: Load, outcomes: Sequence[Outcome]) -> Mapping[int, str]:
    """Sign a receipt for each outcome."""
    return sign_answers(outcomes, load.origin, keys=_key_ring(), now=NOW)


def _by_libraries(load: Load, is_valid: Callable[[etree._Element], bool]) -> int:
    root = etree.fromstring(gzip.decompress(load.package.gzipped))
    authorities = _written(load.authorities_pem)
    good = 0
    for transcript in root.iterchildren(f"{HOCBA}HocBa"):
        if not is_valid(transcript):
            continue
        holders = transcript[1]
        if all(_verifies(transcript, holder, authorities) for holder in holders):
            for name in FIELDS:
                transcript.findtext(f".//{HOCBA}{name}")
            good += 1
    return good


@cache
def _written(pem: bytes) -> str:
    path = Path(_folder().name) / f"{hashlib.sha256(pem).hexdigest()}.pem"
    path.write_bytes(pem)
    return str(path)


def _verifies(transcript: etree._Element, holder: etree._Element, authorities: str) -> bool:
    """Verify one signature and its path with signxml, which takes one signature a document."""
    alone = etree.fromstring(etree.tostring(transcript))
    position = holder.getparent().index(holder)  # type: ignore[union-attr]  # it stands in a list
    for number, other in reversed(list(enumerate(alone[1]))):
        if number != position:
            alone[1].remove(other)
    references = len(holder.findall(f"{DS}Signature/{DS}SignedInfo/{DS}Reference"))
    XMLVerifier().verify(
        alone,
        ca_pem_file=authorities,
        expect_config=SignatureConfiguration(
            location=".//", expect_references=references, verification_time=SIGNED_AT
        ),
    )
    return True


@cache
def _slow_schema() -> Any:
    return explaining_schema(HocBaProfile().schema_path)


@cache
def _fast_schema() -> etree.XMLSchema:
    return compile_schema(HocBaProfile().schema_path)


def naive(load: Load) -> int:
    """The first thing that works."""
    return _by_libraries(load, lambda transcript: bool(_slow_schema().is_valid(transcript)))


def competent(load: Load) -> int:
    """The first thing that works, after a look at a profiler."""
    return _by_libraries(load, lambda transcript: bool(_fast_schema().validate(transcript)))
