"""The cross-field rules of format 1.0 that hold at every level; all findings of a transcript at once.

Certain rules refuse; what rests on an unproven reading of the circulars warns. The codes say which.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final
from uuid import UUID

from app.findings import Finding
from app.formats.hocba_1_0 import primary, reading, secondary, texts
from app.formats.hocba_1_0.codes import Codes
from app.formats.hocba_1_0.content import Content
from app.formats.profile import Envelope

_LEADING_NUMBER: Final = re.compile(r"(\d{1,2})(?!\d)")
_PARENTS: Final = ("Cha", "Me", "NguoiGiamHo")


def check(content: Content, codes: Codes, envelope: Envelope | None) -> tuple[Finding, ...]:
    """Check everything a schema cannot say; without an envelope nothing is compared with the header."""
    of_result = primary.check if content.result_name == "TieuHoc" else secondary.check
    return (
        *_record(content),
        *(() if envelope is None else _header(content, envelope)),
        *_level(content, codes),
        *_student(content, codes),
        *_names(content),
        *_subjects(content, codes),
        *_confirmation(content, codes),
        *of_result(content, codes),
        *texts.reordering_findings(content.element, content.place),
    )


def follows(school_year: str) -> bool:
    """Say whether a school year's second year is its first plus one."""
    return int(school_year[5:]) == int(school_year[:4]) + 1


def _record(content: Content) -> Iterator[Finding]:
    """``MA-002`` Id not of the look-up code, ``MA-008`` replaces itself, ``MA-003`` years do not follow."""
    code = content.fields["MaTraCuu"]
    written = reading.text(code)
    if content.element.get("Id", "")[3:].lower() != written.lower():
        yield content.tell("MA-002", code, written)
    replaced = content.fields.get("ThayThe")
    if replaced is not None and UUID(reading.text(replaced)) == UUID(written):
        yield content.tell("MA-008", replaced, written)
    years = [content.fields["NamHoc"]]
    if "QuaTrinhHocTap" in content.fields:
        earlier = [year[0] for year in content.fields["QuaTrinhHocTap"]]
        years += earlier
        for year in earlier:
            if int(reading.text(year)[:4]) > content.first_year:
                yield content.tell("NV-019", year, reading.text(year))
    for year in years:
        if not follows(reading.text(year)):
            yield content.tell("MA-003", year, reading.text(year), name="NamHoc")


def _header(content: Content, envelope: Envelope) -> Iterator[Finding]:
    """``MA-004`` not the header's school, ``MA-005`` not its school year (digitised: a later one)."""
    school = content.fields["MaTruong"]
    if reading.text(school) != envelope.school_code:
        yield content.tell("MA-004", school, reading.text(school), header=envelope.school_code)
    year = content.fields["NamHoc"]
    is_digitised = reading.is_true(content.fields, "TrichLuc")
    written = reading.text(year)
    if written > envelope.school_year if is_digitised else written != envelope.school_year:
        yield content.tell("MA-005", year, written, header=envelope.school_year)


def _level(content: Content, codes: Codes) -> Iterator[Finding]:
    """``MA-006`` grade not of the level, ``NV-001`` result not of the grade, ``NV-002``, ``NV-020`` warn."""
    level = codes.levels[content.level]
    grade = content.fields["Khoi"]
    if content.grade not in level.grades:
        allowed = ", ".join(f"{number:02}" for number in sorted(level.grades))
        yield content.tell("MA-006", grade, f"{content.grade:02}", level=content.level, allowed=allowed)
    if content.grade not in codes.result_grades[content.result_name]:
        result = content.fields["KetQua"][0]
        yield content.tell("NV-001", result, grade=content.grade, result=content.result_name)
    elif content.grade in level.grades:
        circulars = codes.circulars_for(content.level, content.grade, content.first_year)
        if content.circular not in circulars:
            yield content.tell(
                "NV-002", content.fields["ThongTu"], content.circular, allowed=", ".join(sorted(circulars))
            )
    class_name = content.fields["Lop"]
    number = _LEADING_NUMBER.match(reading.text(class_name))
    if number is not None and int(number[1]) != content.grade:
        yield content.tell("NV-020", class_name, reading.text(class_name), grade=content.grade)


def _student(content: Content, codes: Codes) -> Iterator[Finding]:
    """``DD-080`` no such day; warnings on age, identity number and passport; no value is ever shown."""
    birthday = content.student["NgaySinh"]
    born_on = reading.day_month_year(reading.text(birthday))
    if born_on is None:
        yield content.tell("DD-080", birthday, name="NgaySinh")
    else:
        usual = content.first_year - content.grade - 5
        if not codes.earliest_age <= usual - born_on.year <= codes.latest_age:
            yield content.tell("NV-016", birthday, grade=content.grade)
    identity = content.student.get("SoDinhDanh")
    if identity is not None:
        digits = reading.text(identity)
        sex = reading.text(content.student["GioiTinh"])
        if sex in (codes.male, codes.female) and sex != _sex_of(digits, codes):
            yield content.tell("MA-009", identity)
        if born_on is not None and _birth_year_of(digits, codes) != born_on.year:
            yield content.tell("MA-010", identity)
    elif reading.optional_text(content.student, "QuocTich") == codes.nationality:
        yield content.tell("MA-012", content.student["HoChieu"])


def _sex_of(identity_number: str, codes: Codes) -> str:
    return codes.male if int(identity_number[3]) % 2 == 0 else codes.female


def _birth_year_of(identity_number: str, codes: Codes) -> int:
    century = codes.first_century + int(identity_number[3]) // 2
    return century * 100 + int(identity_number[4:6])


def _names(content: Content) -> Iterator[Finding]:
    """Check every name in the content; see ``texts``."""
    place = content.place
    yield from texts.name_findings(content.fields["TenTruong"], place)
    yield from texts.person_findings(content.student["HoTen"], place)
    for name in _PARENTS:
        if name in content.student:
            yield from texts.person_findings(content.student[name], place)
    for holder in ("GVCN", "ThuTruong"):
        yield from texts.person_findings(content.confirmation[holder][0], place)
    for subject in content.subjects:
        if "GiaoVien" in subject:
            yield from texts.person_findings(subject["GiaoVien"][0], place)


def _subjects(content: Content, codes: Codes) -> Iterator[Finding]:
    """Check subjects' codes (``MA-007``, ``MA-011``, ``MA-013``), grades (``NV-015``), Ids (``DD-075``)."""
    counts: dict[str, int] = {}
    identifiers: dict[str, int] = {}
    level = codes.levels[content.level]
    for subject, identifier in zip(content.subjects, content.subject_ids, strict=True):
        if identifier is not None:
            identifiers[identifier] = identifiers.get(identifier, 0) + 1
            if identifiers[identifier] == 2:
                yield content.tell("DD-075", subject["Ma"], identifier, name=identifier)
        code = reading.text(subject["Ma"])
        counts[code] = counts.get(code, 0) + 1
        if counts[code] == 2:
            yield content.tell("MA-011", subject["Ma"], code, subject_code=code)
        if content.circular not in codes.listed_circulars:
            continue
        known = level.subjects.get(code)
        if known is None:
            told = "MA-013" if code in codes.subject_codes else "MA-007"
            yield content.tell(told, subject["Ma"], code, subject_code=code, level=content.level)
        elif content.grade not in known.grades and content.grade in level.grades and not level.is_lenient:
            yield content.tell("NV-015", subject["Ma"], code, subject=known.name, grade=content.grade)


def _confirmation(content: Content, codes: Codes) -> Iterator[Finding]:
    """Warn of confirmations (xác nhận) that contradict each other or the grade."""
    confirmation = content.confirmation
    is_promoted = reading.is_true(confirmation, "DuocLenLop")
    if is_promoted and not reading.is_true(confirmation, "HoanThanhLop"):
        yield content.tell("NV-010", confirmation["DuocLenLop"])
    if reading.is_true(confirmation, "HoanThanhCap"):
        final = codes.levels[content.level].final_grades
        if content.grade not in final:
            grades = ", ".join(str(grade) for grade in sorted(final))
            yield content.tell(
                "NV-012", confirmation["HoanThanhCap"], "true", grade=content.grade, final=grades
            )
    issued_on = date.fromisoformat(reading.text(confirmation["NgayPhatHanh"]).strip())
    if issued_on.year < content.first_year:
        yield content.tell("NV-017", confirmation["NgayPhatHanh"], issued_on.isoformat())
