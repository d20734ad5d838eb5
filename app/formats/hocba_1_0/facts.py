"""The facts that the service itself works with, from the content that the rules read too."""

from datetime import date
from uuid import UUID

from lxml import etree

from app.formats.hocba_1_0 import reading
from app.formats.hocba_1_0.content import Content
from app.formats.profile import NamedPerson, SignerRole, TranscriptFacts


def facts_of(content: Content) -> TranscriptFacts | None:
    """Give what the service works with; None where the date of birth is no real day (``DD-080``)."""
    fields, student, confirmation = content.fields, content.student, content.confirmation
    born_on = reading.day_month_year(reading.text(student["NgaySinh"]))
    if born_on is None:
        return None
    replaces = reading.optional_text(fields, "ThayThe")
    return TranscriptFacts(
        record_id=UUID(reading.text(fields["MaTraCuu"])),
        replaces=None if replaces is None else UUID(replaces),
        is_digitised=reading.is_true(fields, "TrichLuc"),
        circular=content.circular,
        level=content.level,
        school_year=reading.text(fields["NamHoc"]),
        school_code=reading.text(fields["MaTruong"]),
        school_name=reading.text(fields["TenTruong"]),
        grade=content.grade,
        class_name=reading.text(fields["Lop"]),
        student_code=reading.text(student["MaHocSinh"]),
        identity_number=reading.optional_text(student, "SoDinhDanh"),
        passport_number=reading.optional_text(student, "HoChieu"),
        full_name=reading.text(student["HoTen"]),
        born_on=born_on,
        sex=reading.text(student["GioiTinh"]),
        is_completed=reading.is_true(confirmation, "HoanThanhLop"),
        is_promoted=reading.is_true(confirmation, "DuocLenLop"),
        issued_on=date.fromisoformat(reading.text(confirmation["NgayPhatHanh"]).strip()),
        people=(
            _person(SignerRole.HEAD, confirmation["ThuTruong"]),
            _person(SignerRole.CLASS_TEACHER, confirmation["GVCN"]),
            *_subject_teachers(content),
        ),
    )


def _person(role: SignerRole, element: etree._Element) -> NamedPerson:
    fields = reading.children(element)
    return NamedPerson(
        role=role,
        full_name=reading.text(fields["HoTen"]),
        identity_number=reading.optional_text(fields, "SoDinhDanh"),
    )


def _subject_teachers(content: Content) -> list[NamedPerson]:
    """Give each subject teacher (giáo viên bộ môn) once, with the Ids of all subjects they answer for."""
    parts: dict[tuple[str, str | None], set[str]] = {}
    for subject, identifier in zip(content.subjects, content.subject_ids, strict=True):
        teacher = subject.get("GiaoVien")
        if teacher is None:
            continue
        name, *numbers = teacher
        taught = parts.setdefault((reading.text(name), reading.text(numbers[0]) if numbers else None), set())
        if identifier is not None:
            taught.add(identifier)
    return [
        NamedPerson(
            role=SignerRole.SUBJECT_TEACHER,
            full_name=full_name,
            identity_number=identity_number,
            parts=frozenset(identifiers),
        )
        for (full_name, identity_number), identifiers in parts.items()
    ]
