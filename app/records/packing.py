"""How a transcript's bytes are kept: compressed, and told by what they share with a classmate's.

What weighs in a signed transcript is certificates, and a class is signed by the same people. So the first
transcript of a class is kept alone, and the others lean on it: it is the dictionary that they are compressed
with (RFC 8878, 5: raw content). A transcript that is kept alone is read alone, any other with one more.
What is read is held against the digest of the record: it is what was verified, or it is an error.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final
from uuid import UUID

import zstandard

from app.records.entry import Entry

XML_ENCODING: Final = "zstd"
# What another may lean on: as it is kept, and as it was. Bounds what reading one record may cost.
MAX_BASE_PACKED_BYTES: Final = 64 * 1024
MAX_BASE_BYTES: Final = 256 * 1024
MAX_BYTES: Final = 16 * 1024 * 1024  # far above what the limits let in: guards against a damaged length
_LEVEL: Final = 5


class DamagedRecordError(Exception):
    """What is kept of a record is not what was verified: the database was damaged or tampered with."""

    def __init__(self, record_id: UUID) -> None:
        super().__init__(f"record {record_id.hex} does not give the bytes that were verified")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedXml:
    """A transcript as it is kept.

    Attributes:
        xml: one zstd frame.
        leans_on: the record that is its dictionary, of the same school and year; None: it is kept alone.
    """

    xml: bytes
    leans_on: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A record that is kept alone, on which others of its class may lean."""

    record_id: UUID
    packed: bytes


def pack_alone(xml: bytes) -> PackedXml:
    """Compress a transcript so that it is read without any other."""
    return PackedXml(xml=_compressed(_compressor(None), xml))


def pack(entries: Sequence[Entry], bases: Mapping[str, Base]) -> Mapping[UUID, PackedXml]:
    """Compress the transcripts of one school and year, class by class; gives each by its look-up code.

    The first of a class leans on what its class has leant on so far, if that halves it. Otherwise it is kept
    alone, and the class leans on it from now on: signers change, and so do the certificates.

    Args:
        entries: what is about to be appended.
        bases: by class, the newest record that is kept alone.
    """
    by_class = sorted(entries, key=lambda entry: entry.facts.class_name)
    return {
        record_id: packed
        for name, classmates in groupby(by_class, key=lambda entry: entry.facts.class_name)
        for record_id, packed in _pack_class(list(classmates), bases.get(name))
    }


def unpack(record_id: UUID, packed: bytes, *, xml_sha256: bytes, base: bytes | None = None) -> bytes:
    """Give the bytes that were verified, from what is kept of a record and of what it leans on.

    Raises:
        DamagedRecordError: they are not the bytes of ``xml_sha256``.
    """
    try:
        xml = _unpacked(packed, None if base is None else _unpacked(base, None))
    except (zstandard.ZstdError, MemoryError) as error:
        raise DamagedRecordError(record_id) from error
    if hashlib.sha256(xml).digest() != xml_sha256:
        raise DamagedRecordError(record_id)
    return xml


def _pack_class(classmates: Sequence[Entry], base: Base | None) -> Iterator[tuple[UUID, PackedXml]]:
    first, *others = classmates
    kept, dictionary = pack_alone(first.xml), _Dictionary(first.facts.record_id, first.xml)
    if base is not None:
        known = _Dictionary(base.record_id, _unpacked(base.packed, None))
        leaning = known.pack(first.xml)
        if 2 * len(leaning.xml) <= len(kept.xml):
            kept, dictionary = leaning, known
    yield first.facts.record_id, kept
    for entry in others:
        yield entry.facts.record_id, dictionary.pack(entry.xml)


class _Dictionary:
    """A transcript that others lean on; one that is too long is leant on by none."""

    def __init__(self, record_id: UUID, xml: bytes) -> None:
        self._record_id = record_id if len(xml) <= MAX_BASE_BYTES else None
        self._compressor = _compressor(None if self._record_id is None else xml)

    def pack(self, xml: bytes) -> PackedXml:
        return PackedXml(xml=_compressed(self._compressor, xml), leans_on=self._record_id)


def _compressed(compressor: zstandard.ZstdCompressor, xml: bytes) -> bytes:
    # A copy of its own size: the library cuts down a buffer as long as the text, and the cuttings stay about.
    return bytes(memoryview(compressor.compress(xml)))


def _compressor(dictionary: bytes | None) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=_LEVEL, dict_data=_raw(dictionary))


def _unpacked(packed: bytes, dictionary: bytes | None) -> bytes:
    if zstandard.frame_content_size(packed) > MAX_BYTES:
        raise zstandard.ZstdError("longer than any transcript")
    return zstandard.ZstdDecompressor(dict_data=_raw(dictionary)).decompress(packed)


def _raw(dictionary: bytes | None) -> zstandard.ZstdCompressionDict | None:
    if dictionary is None:
        return None
    return zstandard.ZstdCompressionDict(dictionary, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
