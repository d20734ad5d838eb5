"""A conformant transcript's content, read once for all rules."""

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from app.findings import Finding, finding
from app.formats.hocba_1_0 import reading
from app.formats.hocba_1_0.names import SUBJECT
from app.formats.place import Place, local_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The content (nội dung học bạ) with its groups of fields by local name.

    Attributes:
        first_year: the calendar year in which the school year begins.
        subjects: each subject's fields, in document order.
        subject_ids: each subject's Id, where it has one.
    """

    element: etree._Element
    place: Place
    fields: Mapping[str, etree._Element]
    student: Mapping[str, etree._Element]
    confirmation: Mapping[str, etree._Element]
    result: Mapping[str, etree._Element]
    result_name: str
    subjects: tuple[Mapping[str, etree._Element], ...]
    subject_ids: tuple[str | None, ...]
    level: str
    grade: int
    circular: str
    first_year: int

    @classmethod
    def read(cls, root: etree._Element, place: Place) -> "Content":
        """Read a transcript that the schema accepted."""
        element = root[0]
        fields = reading.children(element)
        result = fields["KetQua"][0]
        return cls(
            element=element,
            place=place,
            fields=fields,
            student=reading.children(fields["HocSinh"]),
            confirmation=reading.children(fields["XacNhan"]),
            result=reading.children(result),
            result_name=local_name(result),
            subject_ids=tuple(subject.get("Id") for subject in result.iterchildren(SUBJECT)),
            subjects=tuple(reading.children(subject) for subject in result.iterchildren(SUBJECT)),
            level=reading.text(fields["CapHoc"]),
            grade=int(reading.text(fields["Khoi"])),
            circular=reading.text(fields["ThongTu"]),
            first_year=int(reading.text(fields["NamHoc"])[:4]),
        )

    @property
    def is_not_assessed(self) -> bool:
        """Whether the pupil has a disability and is not assessed by the common thresholds."""
        return reading.is_true(self.student, "KhuyetTat")

    def tell(
        self, code: str, element: etree._Element, value: str | None = None, **facts: str | int
    ) -> Finding:
        """Make a finding at an element; only values that are not personal may be handed in."""
        return finding(
            code,
            xpath=self.place.xpath_of(element),
            line=self.place.line_of(element),
            value=value,
            **facts,
        )
