"""``python -m bench storage``: what a transcript takes where it is kept, beside gzipping each.

It counts bytes: the same on any machine, but for the keys that are drawn. Classes are of forty, and what a
class leans on is counted in. Every transcript is read back and held against what it was.
"""

import gzip
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from rich.table import Table

from app.client.packaging import parse, standing_alone, transcripts_of
from app.client.packaging import unpack as unpack_package
from app.demo.province import build_province
from app.demo.transcripts import compose_school, sign_composed
from app.formats.hocba_1_0.profile import HocBaProfile
from app.formats.parser import parse_secure
from app.records.entry import Entry
from app.records.packing import Base, PackedXml, pack, unpack
from bench.documents import RECEIVED_AT, SIGNED_AT, build_loads

CLASS: Final = 40
LEVELS: Final = {"primary": "02", "lower secondary": "03", "upper secondary": "04"}


def documents(pupils: int) -> dict[str, list[bytes]]:
    """Give transcripts by kind: the three shapes, then each level signed as its schools sign."""
    made = {}
    for load in build_loads(pupils):
        package = parse(unpack_package(load.package.gzipped))
        made[load.shape] = [standing_alone(transcript) for transcript in transcripts_of(package)]
    province = build_province(at=SIGNED_AT, pupils_per_school=pupils)
    for name, level in LEVELS.items():
        school = next(school for school in province.schools if school.level == level)
        composed = compose_school(province, school, signed_at=SIGNED_AT)
        made[name] = [standing_alone(sign_composed(one, signed_at=SIGNED_AT)) for one in composed]
    return made


def _entry(number: int, xml: bytes) -> Entry:
    """Give a transcript as an entry of the ledger, in a class of forty."""
    facts = HocBaProfile().read(parse_secure(xml), None).facts
    assert facts is not None
    return Entry(
        school_id=1,
        school_year=2025,
        package_id=UUID(int=1),
        position=number + 1,
        facts=replace(facts, class_name=f"{facts.class_name}-{number // CLASS}"),
        xml=xml,
        xml_sha256=hashlib.sha256(xml).digest(),
        content_sha256=bytes(32),
        format_version="1.0",
        policy_version="bench",
        signatures=(),
        received_at=RECEIVED_AT,
        is_late=False,
        calendar_version="bench",
    )


def kept(entries: Sequence[Entry], size: int) -> int:
    """Give the bytes that transcripts take, sent in packages of a size.

    Raises:
        DamagedRecordError: one does not read back as it was.
    """
    bases: dict[str, Base] = {}
    shelf: dict[UUID, PackedXml] = {}
    for start in range(0, len(entries), size):
        together = entries[start : start + size]
        shelf |= pack(together, bases)
        for entry in together:
            packed = shelf[entry.facts.record_id]
            if packed.leans_on is None:
                bases[entry.facts.class_name] = Base(record_id=entry.facts.record_id, packed=packed.xml)
    for entry in entries:
        packed = shelf[entry.facts.record_id]
        base = None if packed.leans_on is None else shelf[packed.leans_on].xml
        digest = hashlib.sha256(entry.xml).digest()
        unpack(entry.facts.record_id, packed.xml, xml_sha256=digest, base=base)
    return sum(len(packed.xml) for packed in shelf.values())


def measure(pupils: int) -> list[dict[str, Any]]:
    """Give bytes for one transcript, by kind: plain, gzipped, and kept, by how many are sent together."""
    rows = []
    for name, xmls in documents(pupils).items():
        entries = [_entry(number, xml) for number, xml in enumerate(xmls)]
        one_class = entries[:CLASS]
        rows.append(
            {
                "kind": name,
                "transcripts": len(xmls),
                "plain": _mean(len(xml) for xml in xmls),
                "gzip": _mean(len(gzip.compress(xml, 6)) for xml in xmls),
                "the only one": len(pack(entries[:1], {})[entries[0].facts.record_id].xml),
                "forty, one by one": round(kept(one_class, 1) / len(one_class)),
                "forty together": round(kept(one_class, CLASS) / len(one_class)),
                "all together": round(kept(entries, len(entries)) / len(entries)),
            }
        )
    return rows


def _mean(sizes: Iterable[int]) -> int:
    counted = list(sizes)
    return round(sum(counted) / len(counted))


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """Show the rows, with each way to keep a transcript as a share of gzipping it."""
    ways = ("the only one", "forty, one by one", "forty together", "all together")
    shown = Table("kind", "transcripts", "plain", "gzip", *ways)
    for row in rows:
        shares = (f"{row[way]:,} ({row[way] / row['gzip']:.0%})" for way in ways)
        shown.add_row(row["kind"], str(row["transcripts"]), f"{row['plain']:,}", f"{row['gzip']:,}", *shares)
    return shown
