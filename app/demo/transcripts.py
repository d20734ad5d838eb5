"""Compose and sign the demo's transcripts (học bạ): head, results by level, confirmation, signatures."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import IntEnum
from itertools import islice
from random import Random
from typing import Final
from uuid import UUID, uuid5

from lxml import etree

from app.client.packaging import NAMESPACE, Header, build_package
from app.client.signing import VIETNAM, Role, sign_transcript
from app.demo.marks import Level
from app.demo.markup import add, add_teacher, transcript_root, yes_or_no
from app.demo.people import Person
from app.demo.primary import Attainment, add_primary_results, attainment_of
from app.demo.province import CAST, PRIMARY, Province, Pupil, School, SchoolClass
from app.demo.secondary import add_secondary_results, standing_of

# Name space of the demo's own identifiers: the same pupil and year always have the same look-up code.
_IDENTIFIERS: Final = UUID("6b1d9c52-66aa-4f0e-9c3e-243050000066")
SOFTWARE_NAME: Final = "Sổ điểm mẫu"
SOFTWARE_VERSION: Final = "1.0"


class Share(IntEnum):
    """Every third pupil: who the demo sends itself, and whom it leaves to outside clients.

    A look-up code is recorded once and for all, so what others are to try must not have been sent before.
    """

    SENT = 0
    UNSIGNED_SAMPLE = 1
    SIGNED_SAMPLE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A transcript with what it takes to sign it."""

    record_id: UUID
    element: etree._Element
    school: School
    school_class: SchoolClass
    pupil: Pupil


def compose_school(
    province: Province, school: School, *, signed_at: datetime, share: Share | None = None, seed: int = 66
) -> list[Composed]:
    """Compose an unsigned transcript for every pupil of a school, or of one share, in roll order.

    Args:
        province: whose school year it is.
        school: one of the province's.
        signed_at: when it will be signed; the day of it is the day of issue.
        share: every third pupil, or None for all.
        seed: marks and comments; another seed also gives other look-up codes.
    """
    return [
        _compose(province, school, school_class, pupil, place=place, signed_at=signed_at, seed=seed)
        for place, (school_class, pupil) in _shared(school, share)
    ]


def sign_composed(composed: Composed, *, signed_at: datetime, has_teachers: bool = True) -> etree._Element:
    """Sign a copy as a school does: subject teachers, class teacher, head, and the school's seal last.

    Each teacher signs the subjects they answer for; the others sign the whole content.
    """
    transcript = etree.fromstring(etree.tostring(composed.element))
    moments = (signed_at - timedelta(minutes=left) for left in range(60, -1, -1))
    school = composed.school
    if has_teachers:
        for teacher in school.teachers:
            parts = _parts_of(transcript, teacher.person)
            if parts:
                sign_transcript(
                    transcript,
                    role=Role.SUBJECT_TEACHER,
                    key=teacher.credential.key,
                    certificate=teacher.credential.certificate,
                    signed_at=next(moments),
                    covers=parts,
                )
    for role, credential in (
        (Role.CLASS_TEACHER, composed.school_class.teacher.credential),
        (Role.HEAD, school.head.credential),
        (Role.SCHOOL, school.seal),
    ):
        if role is Role.CLASS_TEACHER and not has_teachers:
            continue
        sign_transcript(
            transcript,
            role=role,
            key=credential.key,
            certificate=credential.certificate,
            signed_at=signed_at if role is Role.SCHOOL else next(moments),
        )
    return transcript


def replacing(composed: Composed, recalled: str) -> Composed:
    """Give a copy that names (``ThayThe``) the transcript whose place it takes."""
    element = etree.fromstring(etree.tostring(composed.element))
    code = next(element.iter(f"{{{NAMESPACE}}}MaTraCuu"))
    named = etree.Element(f"{{{NAMESPACE}}}ThayThe")
    named.text = recalled
    code.addnext(named)
    return replace(composed, element=element)


def package_of(
    province: Province,
    school: School,
    transcripts: list[etree._Element],
    *,
    created_at: datetime,
    purpose: str = "sent",
) -> bytes:
    """Put a school's transcripts into a GoiHocBa; its id follows from school, moment and purpose."""
    chosen = uuid5(_IDENTIFIERS, f"{purpose}:{school.code}:{created_at.isoformat()}")
    header = Header(
        package_id=chosen,
        school_code=school.code,
        school_year=province.school_year,
        created_at=created_at.astimezone(VIETNAM),
        software_name=SOFTWARE_NAME,
        software_version=SOFTWARE_VERSION,
    )
    return build_package(transcripts, header)


def signing_moment(now: datetime, school_year: str) -> datetime:
    """Give a moment at which the year's documents may be signed: late in May, and never after now."""
    end_of_year = datetime(int(school_year[-4:]), 5, 28, 16, 0, tzinfo=VIETNAM)
    return min(end_of_year, now - timedelta(minutes=10))


def _shared(school: School, share: Share | None) -> Iterator[tuple[int, tuple[SchoolClass, Pupil]]]:
    """Give the roll with each pupil's place in it, or in the share: every share has pupils of all kinds."""
    if share is None:
        return enumerate(_roll(school))
    return enumerate(islice(_roll(school), share, None, len(Share)))


def _roll(school: School) -> Iterator[tuple[SchoolClass, Pupil]]:
    for school_class in school.classes:
        for pupil in school_class.pupils:
            yield school_class, pupil


def _parts_of(transcript: etree._Element, teacher: Person) -> list[str]:
    """Give the Ids of the subjects that name this teacher."""
    return [
        subject.get("Id", "")
        for subject in transcript.iter(f"{{{NAMESPACE}}}MonHoc")
        if subject.findtext(f"{{{NAMESPACE}}}GiaoVien/{{{NAMESPACE}}}SoDinhDanh") == teacher.identity_number
    ]


def _compose(
    province: Province,
    school: School,
    school_class: SchoolClass,
    pupil: Pupil,
    *,
    place: int,
    signed_at: datetime,
    seed: int,
) -> Composed:
    record_id = uuid5(_IDENTIFIERS, f"{seed}:{province.school_year}:{pupil.student_code}")
    random = Random(record_id.int)  # noqa: S311 - S311: invented marks need a seed, not secrecy
    issued_on = signed_at.astimezone(VIETNAM).date()
    root = transcript_root()
    content = add(root, "NoiDung", Id=f"hb-{record_id.hex}")
    _add_head(content, province, school, school_class, pupil, record_id=record_id, issued_on=issued_on)
    results = add(content, "KetQua")
    if school.level == PRIMARY:
        attainment = attainment_of(place)
        add_primary_results(
            results,
            school=school,
            school_class=school_class,
            attainment=attainment,
            random=random,
            record_hex=record_id.hex,
        )
        is_completed = attainment is not Attainment.NOT_REACHED
    else:
        level = add_secondary_results(
            results,
            school=school,
            school_class=school_class,
            standing=standing_of(place),
            random=random,
            record_hex=record_id.hex,
        )
        is_completed = level is not Level.NOT_REACHED
    _add_confirmation(content, school, school_class, is_completed=is_completed, issued_on=issued_on)
    etree.indent(root)
    return Composed(record_id=record_id, element=root, school=school, school_class=school_class, pupil=pupil)


def _add_head(
    content: etree._Element,
    province: Province,
    school: School,
    school_class: SchoolClass,
    pupil: Pupil,
    *,
    record_id: UUID,
    issued_on: date,
) -> None:
    add(content, "MaTraCuu", record_id.hex)
    add(content, "ThongTu", CAST["levels"][school.level]["circular"])
    add(content, "CapHoc", school.level)
    add(content, "NamHoc", province.school_year)
    add(content, "MaSo", province.department.code)
    add(content, "MaTruong", school.code)
    add(content, "TenTruong", school.name)
    address = add(content, "DiaChi")
    add(address, "MaTinh", province.department.code)
    add(address, "MaXa", school.commune.code)
    add(address, "ChiTiet", f"{school.commune.place}, tỉnh {province.department.place}")
    add(content, "Khoi", f"{school_class.grade:02}")
    add(content, "Lop", school_class.name)
    add(content, "SoDangBo", pupil.register_number)
    add(content, "NgayHieuLuc", issued_on.isoformat())
    _add_pupil(content, province, school, pupil)
    _add_history(content, province, school, school_class)


def _add_pupil(content: etree._Element, province: Province, school: School, pupil: Pupil) -> None:
    person = pupil.person
    home = f"{school.commune.place}, tỉnh {province.department.place}"
    node = add(content, "HocSinh")
    add(node, "MaHocSinh", pupil.student_code)
    add(node, "SoDinhDanh", person.identity_number)
    add(node, "HoTen", person.full_name)
    add(node, "NgaySinh", person.born_on.strftime("%d/%m/%Y"))
    add(node, "GioiTinh", person.sex)
    add(node, "DanToc", person.ethnicity)
    add(node, "QuocTich", "VN")
    add(node, "NoiSinh", f"Tỉnh {province.department.place}")
    add(node, "QueQuan", home)
    add(node, "NoiO", home)
    add(node, "Cha", pupil.father.full_name)
    add(node, "Me", pupil.mother.full_name)
    add(node, "KhuyetTat", "false")


def _add_history(
    content: etree._Element, province: Province, school: School, school_class: SchoolClass
) -> None:
    """Write the years already spent at this school's level: last year's class, where there was one."""
    first_grade = {"02": 1, "03": 6, "04": 10, "05": 10}[school.level]
    starting_year = int(province.school_year[:4])
    grades = range(first_grade, school_class.grade)
    if not grades:
        return
    node = add(content, "QuaTrinhHocTap")
    letter = school_class.name.removeprefix(str(school_class.grade))
    for grade in grades:
        begun = starting_year - (school_class.grade - grade)
        year = add(node, "Nam")
        add(year, "NamHoc", f"{begun}-{begun + 1}")
        add(year, "Lop", f"{grade}{letter}")
        add(year, "Truong", school.name)
        add(year, "MaTinh", province.department.code)


def _add_confirmation(
    content: etree._Element,
    school: School,
    school_class: SchoolClass,
    *,
    is_completed: bool,
    issued_on: date,
) -> None:
    node = add(content, "XacNhan")
    add(node, "HoanThanhLop", yes_or_no(is_completed))
    add(node, "DuocLenLop", yes_or_no(is_completed))
    if is_completed and school_class.grade in CAST["levels"][school.level]["final_grades"]:
        add(node, "HoanThanhCap", "true")
    if not is_completed:
        add(node, "GhiChu", "Rèn luyện trong hè và kiểm tra lại trước khi xét lên lớp.")
    add_teacher(node, "GVCN", school_class.teacher.person)
    head = add_teacher(node, "ThuTruong", school.head.person)
    add(head, "ChucVu", school.head.title)
    add(node, "NoiPhatHanh", school.commune.place)
    add(node, "NgayPhatHanh", issued_on.isoformat())
