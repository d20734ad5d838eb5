"""Transcripts as they go wrong in practice, to show what a refusal tells the sender."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from lxml import etree

from app.client.packaging import NAMESPACE
from app.client.signing import Role, sign_transcript
from app.demo.transcripts import Composed, sign_composed


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing that schools and their software get wrong.

    Attributes:
        name: what went wrong, for the one who watches the demo.
        family: the family of causes the service answers with.
        make: gives the signed, wrong transcript.
    """

    name: str
    family: str
    make: Callable[[Composed, datetime], etree._Element]


def changed_after_signing(composed: Composed, signed_at: datetime) -> etree._Element:
    """A mark changed after everybody had signed."""
    transcript = sign_composed(composed, signed_at=signed_at)
    mark = _first(transcript, "CaNam", "DiemKiemTra")
    mark.text = "10.0" if mark.tag.endswith("CaNam") else "10" if mark.text != "10" else "9"
    return transcript


def teacher_in_place_of_the_seal(composed: Composed, signed_at: datetime) -> etree._Element:
    """The class teacher's certificate used where the school's belongs."""
    transcript = deepcopy(composed.element)
    teacher = composed.school_class.teacher.credential
    sign_transcript(
        transcript,
        role=Role.SCHOOL,
        key=teacher.key,
        certificate=teacher.certificate,
        signed_at=signed_at,
    )
    return transcript


def unknown_subject(composed: Composed, signed_at: datetime) -> etree._Element:
    """A subject code that no list holds."""
    wrong = _copy(composed)
    _first(wrong.element, "Ma").text = "777"
    return sign_composed(wrong, signed_at=signed_at)


def missing_birth_date(composed: Composed, signed_at: datetime) -> etree._Element:
    """A pupil without a date of birth."""
    wrong = _copy(composed)
    born = _first(wrong.element, "NgaySinh")
    parent = born.getparent()
    if parent is not None:
        parent.remove(born)
    return sign_composed(wrong, signed_at=signed_at)


MISTAKES: Final = (
    Mistake(name="Sửa điểm sau khi ký", family="KS", make=changed_after_signing),
    Mistake(name="Giáo viên ký thay con dấu nhà trường", family="KS", make=teacher_in_place_of_the_seal),
    Mistake(name="Mã môn học không có trong danh mục", family="MA", make=unknown_subject),
    Mistake(name="Thiếu ngày sinh", family="DD", make=missing_birth_date),
)


def _copy(composed: Composed) -> Composed:
    return Composed(
        record_id=composed.record_id,
        element=deepcopy(composed.element),
        school=composed.school,
        school_class=composed.school_class,
        pupil=composed.pupil,
    )


def _first(transcript: etree._Element, *names: str) -> etree._Element:
    return next(transcript.iter(*(f"{{{NAMESPACE}}}{name}" for name in names)))
