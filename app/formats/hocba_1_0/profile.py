"""Where the fields of format 1.0 stand: the envelope, what is signed, the facts the service works with."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from lxml import etree

from app.findings import Finding, finding
from app.formats.hocba_1_0 import reading
from app.formats.hocba_1_0.codes import load_codes
from app.formats.hocba_1_0.content import Content
from app.formats.hocba_1_0.facts import facts_of
from app.formats.hocba_1_0.names import (
    CONTENT,
    NAMESPACE,
    RECORD_CODE,
    SIGNATURES,
    SUBJECT,
)
from app.formats.hocba_1_0.rules import check, follows
from app.formats.hocba_1_0.telling import tell
from app.formats.place import Place
from app.formats.profile import (
    Envelope,
    Reading,
    Section,
    SignatureSlot,
    SignedLayout,
    SignerRole,
)
from app.ids import parse_uuid

ALONE: Final = Place()
_SCHEMA_PATH: Final = Path(__file__).with_name("hocba-1.0.xsd")
_CODES: Final = load_codes(Path(__file__).with_name("codes-2026.toml"))
# Values of these may be shown in findings: codes, dates of acts, levels, marks; nothing that tells who it is.
_SHOWN: Final = frozenset(
    (
        *("phienBan", "ten", "Id", "vaiTro", "MaGoi", "MaTruong", "NamHoc", "ThoiDiemLap", "SoLuong"),
        *("MaTraCuu", "ThayThe", "TrichLuc", "ThongTu", "CapHoc", "MaSo", "MaTinh", "MaXa", "Khoi", "Lop"),
        *("NgayHieuLuc", "Ma", "MucDat", "DiemKiemTra", "XepLoai", "HocKy1", "HocKy2", "CaNam"),
        *("KiemTraLai", "Lai", "SoBuoiNghi", "CoPhep", "KhongPhep", "HoanThanhLop", "DuocLenLop"),
        *("HoanThanhCap", "NgayPhatHanh", "Algorithm"),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HocBaProfile:
    """Format ``hocba`` 1.0 (định dạng học bạ số)."""

    version: str = "1.0"
    namespace: str = NAMESPACE
    package_name: str = "GoiHocBa"
    version_attribute: str = "phienBan"
    header_name: str = "ThongTinChung"
    transcript_name: str = "HocBa"
    schema_path: Path = _SCHEMA_PATH
    shown_names: frozenset[str] = _SHOWN

    def envelope(self, header: etree._Element) -> Envelope:
        """Read the header (thông tin chung) that the schema accepted."""
        fields = reading.children(header)
        software = fields["PhanMem"]
        return Envelope(
            package_id=UUID(reading.text(fields["MaGoi"])),
            school_code=reading.text(fields["MaTruong"]),
            school_year=reading.text(fields["NamHoc"]),
            schema_version=self.version,
            created_at=datetime.fromisoformat(reading.text(fields["ThoiDiemLap"]).strip()),
            software_name=software.get("ten", ""),
            software_version=software.get("phienBan", ""),
            declared_count=int(reading.text(fields["SoLuong"])),
        )

    def header_rules(self, header: etree._Element) -> tuple[Finding, ...]:
        """Check the header: ``MA-003`` where its school year's two years do not follow each other."""
        year = reading.children(header)["NamHoc"]
        written = reading.text(year)
        if follows(written):
            return ()
        xpath, line = ALONE.xpath_of(year), ALONE.line_of(year)
        return (finding("MA-003", xpath=xpath, line=line, value=written, name="NamHoc"),)

    def read(self, root: etree._Element, envelope: Envelope | None, place: Place = ALONE) -> Reading:
        """Read the content and check what the schema cannot say: the ``MA``, ``NV`` and text rules."""
        content = Content.read(root, place)
        return Reading(findings=check(content, _CODES, envelope), facts=facts_of(content))

    def layout(self, root: etree._Element, place: Place = ALONE) -> SignedLayout:
        """Say what is signed in this transcript and where the signatures stand.

        The content is the root's first child and the list of signatures its second: any other order was
        refused by the schema. Parts are the subjects (môn học) that carry an Id of their own.
        """
        content, signatures = root
        if content.tag != CONTENT or signatures.tag != SIGNATURES:
            raise ValueError("not a conformant transcript")
        parts = {}
        for subject in content.iterdescendants(SUBJECT):
            identifier = subject.get("Id")
            if identifier is not None:
                parts[identifier] = subject
        return SignedLayout(
            root=root,
            content=content,
            content_id=content.get("Id", ""),
            parts=parts,
            slots=tuple(_slots(signatures, place)),
        )

    def record_id(self, root: etree._Element) -> UUID | None:
        """Read the look-up code (mã tra cứu) of a transcript that need not be conformant."""
        return parse_uuid(root.findtext(f"{CONTENT}/{RECORD_CODE}", ""))

    def sections(self, root: etree._Element) -> tuple[Section, ...]:
        """Say what the signed content tells, in the order of the printed form."""
        return tell(root[0])


def _slots(signatures: etree._Element, place: Place) -> Iterator[SignatureSlot]:
    """Give each signature (chữ ký) with the role it claims and its place."""
    list_path = place.xpath_of(signatures)
    is_alone = len(signatures) == 1
    for position, holder in enumerate(signatures, start=1):
        signature = holder[0]
        step = "ChuKy" if is_alone else f"ChuKy[{position}]"
        yield SignatureSlot(
            position=position,
            role=SignerRole(holder.get("vaiTro", "")),
            element=signature,
            xpath=f"{list_path}/{step}/Signature",
            line=place.line_of(signature),
        )
