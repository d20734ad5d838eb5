"""Files of a sealed snapshot, made while they are sent: its manifest, an archive that verifies offline."""

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from app.api.deps import ServiceState
from app.api.zip_sink import ZipSink
from app.deadlines.calendar import in_legal_zone
from app.snapshots.manifest import COUNTED, Line, SchoolCount
from app.snapshots.reading import SnapshotView, manifest_pages

_LABELS: Final = {
    "school_code": "Mã trường",
    "total": "Tổng số",
    "issued": "Đã phát hành, chưa chốt",
    "in_force": "Đang lưu hành",
    "recalled": "Đã thu hồi",
    "replaced": "Đã được thay thế",
    "late": "Gửi muộn",
}


async def manifest_stream(service: ServiceState, found: SnapshotView) -> AsyncIterator[bytes]:
    """Give the manifest (NDJSON): the signed statement in the first line, then a canonical line a record."""
    yield json.dumps({"statement": found.statement}).encode() + b"\n"
    async for lines in manifest_pages(service.engine, found.id):
        yield await service.offload.run(_written, lines)


def _written(lines: Sequence[Line]) -> bytes:
    return b"".join(line.octets() + b"\n" for line in lines)


async def archive_stream(
    service: ServiceState,
    found: SnapshotView,
    counts: Sequence[SchoolCount],
    keys: Sequence[Mapping[str, object]],
) -> AsyncIterator[bytes]:
    """Give a ZIP of the manifest, the counts by school (CSV) and the service's public keys (JWKS)."""
    sink = ZipSink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(_member("manifest.ndjson", found), "w", force_zip64=True) as member:
            async for part in manifest_stream(service, found):
                await service.offload.run(member.write, part)
                yield sink.drain()
        archive.writestr(_member("schools.csv", found), _table(counts))
        archive.writestr(_member("jwks.json", found), json.dumps({"keys": list(keys)}, indent=2))
    yield sink.drain()


def _member(name: str, found: SnapshotView) -> zipfile.ZipInfo:
    """Name a file of the archive; it is as old as the seal, so that two exports are alike."""
    at = in_legal_zone(found.sealed_at)
    member = zipfile.ZipInfo(name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
    member.compress_type = zipfile.ZIP_DEFLATED
    return member


def _table(counts: Sequence[SchoolCount]) -> bytes:
    """Write the counts as the spreadsheets here read CSV: UTF-8 with its mark."""
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(_LABELS[name] for name in COUNTED)
    table.writerows([getattr(count, name) for name in COUNTED] for count in counts)
    return text.getvalue().encode("utf-8-sig")
