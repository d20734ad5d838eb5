"""Build, pack and unpack packages (gói tin): header and transcripts, gzip, base64.

Everything here is reproducible: the same transcripts and header give the same bytes, so that a package can be
sent again after a time-out and be recognised by its digest.
"""

import base64
import binascii
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final
from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from app.client.errors import PackagingError

NAMESPACE: Final = "urn:hocba:1.0"
SCHEMA_VERSION: Final = "1.0"
MAX_TRANSCRIPTS: Final = 1_000
MAX_UNPACKED_BYTES: Final = 256 * 1024 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
# RFC 1952, 2.3: deflate, no flags, no time, no hint, unknown system; nothing in it differs between two runs.
_GZIP_HEADER: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package ready for the wire: the outer fields and the gzip bytes.

    Attributes:
        package_id: 32 lower-case hex digits.
        gzipped: one gzip member that holds the XML; its SHA-256 is the package's digest.
    """

    package_id: str
    school_code: str
    school_year: str
    schema_version: str
    gzipped: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of the gzip bytes, 64 hex digits: what acknowledgements and digests speak of."""
        return sha256(self.gzipped).hexdigest()

    @property
    def outer_fields(self) -> dict[str, str]:
        """The fields beside the payload: JSON members, or the query of the raw form."""
        return {
            "package_id": self.package_id,
            "school_code": self.school_code,
            "school_year": self.school_year,
            "schema_version": self.schema_version,
        }

    def as_json(self, *, is_atomic: bool = False) -> bytes:
        """Write the body of the JSON form; ``is_atomic`` asks for all transcripts or none."""
        payload = base64.b64encode(self.gzipped).decode()
        atomic = {"atomic": True} if is_atomic else {}
        return json.dumps({**self.outer_fields, **atomic, "payload": payload}, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the package says of itself (thông tin chung)."""

    package_id: UUID
    school_code: str
    school_year: str
    created_at: datetime
    software_name: str
    software_version: str


def parse(xml: bytes) -> etree._Element:
    """Read XML without entities, network or DOCTYPE; the sender's files are not trusted either.

    Raises:
        PackagingError: it is not well-formed, or carries a DOCTYPE.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        raise PackagingError(
            f"XML không hợp lệ: {error}.", f"The XML is not well-formed: {error}."
        ) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise PackagingError("XML không được chứa DOCTYPE.", "The XML must not carry a DOCTYPE.")
    return root


def transcripts_of(root: etree._Element) -> list[etree._Element]:
    """Give the HocBa elements of a document that is one HocBa or a GoiHocBa.

    Raises:
        PackagingError: it is neither.
    """
    if root.tag == f"{{{NAMESPACE}}}HocBa":
        return [root]
    if root.tag == f"{{{NAMESPACE}}}GoiHocBa":
        return root.findall(f"{{{NAMESPACE}}}HocBa")
    raise PackagingError(
        f"Phần tử gốc phải là GoiHocBa hoặc HocBa trong không gian tên {NAMESPACE}, không phải {root.tag}.",
        f"The root must be GoiHocBa or HocBa in the namespace {NAMESPACE}, not {root.tag}.",
    )


def standing_alone(transcript: etree._Element) -> bytes:
    """Write one HocBa with the namespaces in scope, so that its signatures verify outside the package."""
    return etree.tostring(transcript, encoding="UTF-8", xml_declaration=False, with_tail=False)


def serialise(root: etree._Element) -> bytes:
    """Write a whole document as UTF-8 with its declaration."""
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def build_package(transcripts: Sequence[etree._Element], header: Header) -> bytes:
    """Build the XML of a package from transcripts, signed or not.

    Raises:
        PackagingError: there are none or too many, or one does not declare the format's namespace as its
            default (its inclusive signatures would break inside the package).
    """
    if not 1 <= len(transcripts) <= MAX_TRANSCRIPTS:
        raise PackagingError(
            f"Một gói có từ 1 đến {MAX_TRANSCRIPTS} học bạ; ở đây là {len(transcripts)}.",
            f"A package holds 1 to {MAX_TRANSCRIPTS} transcripts; here are {len(transcripts)}.",
        )
    for position, transcript in enumerate(transcripts, start=1):
        if transcript.nsmap.get(None) != NAMESPACE:
            raise PackagingError(
                f'Học bạ thứ {position} phải khai báo xmlns="{NAMESPACE}" làm không gian tên mặc định.',
                f'Transcript {position} must declare xmlns="{NAMESPACE}" as its default namespace.',
            )
    software = (
        f"<PhanMem ten={quoteattr(header.software_name)} phienBan={quoteattr(header.software_version)}/>"
    )
    opening = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<GoiHocBa xmlns="{NAMESPACE}" phienBan="{SCHEMA_VERSION}">\n'
        f"<ThongTinChung><MaGoi>{header.package_id.hex}</MaGoi><MaTruong>{escape(header.school_code)}</MaTruong>"
        f"<NamHoc>{escape(header.school_year)}</NamHoc>"
        f"<ThoiDiemLap>{header.created_at.isoformat(timespec='seconds')}</ThoiDiemLap>"
        f"{software}<SoLuong>{len(transcripts)}</SoLuong></ThongTinChung>\n"
    )
    items = b"\n".join(standing_alone(transcript) for transcript in transcripts)
    return opening.encode() + items + b"\n</GoiHocBa>\n"


def compress(xml: bytes) -> bytes:
    """Gzip into one member without a time stamp, the same bytes every time."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(xml) + deflate.flush()
    return _GZIP_HEADER + body + struct.pack("<II", zlib.crc32(xml), len(xml) & 0xFFFFFFFF)


def pack(xml: bytes) -> Package:
    """Make a package of a GoiHocBa document; the outer fields are read from its own header.

    Raises:
        PackagingError: the document is no GoiHocBa, or its header lacks a field.
    """
    return _describe(xml, compress(xml))


def unpack(material: bytes) -> bytes:
    """Give the XML of any form of a package: JSON body, gzip, base64 of gzip, or XML itself.

    Raises:
        PackagingError: it is none of these, is damaged, or grows beyond 256 MiB.
    """
    if material.startswith(_GZIP_MAGIC):
        return _decompress(material)
    stripped = material.lstrip()
    if stripped.startswith(b"{"):
        return _decompress(_payload_of(stripped))
    if stripped.startswith((b"<", b"\xef\xbb\xbf<")):
        return material
    return _decompress(_decode(stripped.rstrip()))


def open_package(material: bytes) -> Package:
    """Read a package file of any form and keep its gzip bytes, so that its digest stays what it was.

    Raises:
        PackagingError: as ``unpack`` and ``pack``; also where JSON fields and the XML header differ.
    """
    if material.startswith(_GZIP_MAGIC):
        return _describe(_decompress(material), material)
    if material.lstrip().startswith(b"{"):
        gzipped = _payload_of(material)
        package = _describe(_decompress(gzipped), gzipped)
        _check_outer(json.loads(material), package)
        return package
    return pack(unpack(material))


def _describe(xml: bytes, gzipped: bytes) -> Package:
    root = parse(xml)
    if root.tag != f"{{{NAMESPACE}}}GoiHocBa":
        raise PackagingError(
            "Tệp không phải GoiHocBa; hãy dùng lệnh pack để đóng gói các HocBa trước.",
            "The file is no GoiHocBa; pack the HocBa files first.",
        )
    header = root.find(f"{{{NAMESPACE}}}ThongTinChung")
    fields = {
        name: "" if header is None else (header.findtext(f"{{{NAMESPACE}}}{name}") or "").strip()
        for name in ("MaGoi", "MaTruong", "NamHoc")
    }
    missing = [name for name, value in fields.items() if not value]
    if missing:
        raise PackagingError(
            f"ThongTinChung thiếu {', '.join(missing)}.", f"ThongTinChung lacks {', '.join(missing)}."
        )
    return Package(
        package_id=fields["MaGoi"],
        school_code=fields["MaTruong"],
        school_year=fields["NamHoc"],
        schema_version=root.get("phienBan", SCHEMA_VERSION),
        gzipped=gzipped,
    )


def _check_outer(body: dict[str, Any], package: Package) -> None:
    for name, value in package.outer_fields.items():
        if body.get(name) != value:
            raise PackagingError(
                f"Trường {name} của tệp JSON khác với phần ThongTinChung trong XML.",
                f"The JSON member {name} differs from the XML's ThongTinChung.",
            )


def _payload_of(body: bytes) -> bytes:
    try:
        payload = json.loads(body)["payload"]
    except (ValueError, KeyError, TypeError) as error:
        raise PackagingError(
            "Tệp JSON không có trường payload.", "The JSON file has no payload member."
        ) from error
    return _decode(str(payload).encode())


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise PackagingError(
            "Không phải XML, gzip hay JSON của một gói, cũng không phải base64 hợp lệ.",
            "Neither a package's XML, gzip or JSON, nor valid base64.",
        ) from error


def _decompress(gzipped: bytes) -> bytes:
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        xml = inflate.decompress(gzipped, MAX_UNPACKED_BYTES + 1)
    except zlib.error as error:
        raise PackagingError(f"Gzip hỏng: {error}.", f"The gzip is damaged: {error}.") from error
    if len(xml) > MAX_UNPACKED_BYTES:
        raise PackagingError("Gói giải nén vượt quá 256 MiB.", "The package unpacks to more than 256 MiB.")
    if not inflate.eof or inflate.unused_data:
        raise PackagingError(
            "Gzip phải là một khối trọn vẹn, không có gì theo sau.",
            "The gzip must be one whole member with nothing after it.",
        )
    return xml
