"""What a format profile must give: the only door through which a document's element names are known.

A profile is an XSD, where to find the envelope's and the transcript's fields in it, and the cross-field
rules of its version. The pipeline works on what is declared here, so that another XSD (the ministry's own)
can be set beside ours without touching it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from lxml import etree


class SignerRole(StrEnum):
    """In what capacity a signature stands (vai trò); the wire's own words."""

    SCHOOL = "NHA_TRUONG"
    HEAD = "THU_TRUONG"
    CLASS_TEACHER = "GVCN"
    SUBJECT_TEACHER = "GVBM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What a package says of itself in its header (thông tin chung)."""

    package_id: UUID
    school_code: str
    school_year: str
    schema_version: str
    created_at: datetime
    software_name: str
    software_version: str
    declared_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPerson:
    """A person whom the content names in a capacity; parts are the Ids of what they answer for."""

    role: SignerRole
    full_name: str
    identity_number: str | None
    parts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptFacts:
    """The fields of one transcript that the service itself works with, read from the signed content."""

    record_id: UUID
    replaces: UUID | None
    is_digitised: bool
    circular: str
    level: str
    school_year: str
    school_code: str
    school_name: str
    grade: int
    class_name: str
    student_code: str
    identity_number: str | None
    passport_number: str | None
    full_name: str
    born_on: date
    sex: str
    is_completed: bool
    is_promoted: bool
    issued_on: date
    people: tuple[NamedPerson, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureSlot:
    """One signature as it stands in the document, with the role it claims (not itself signed)."""

    position: int
    role: SignerRole
    element: etree._Element
    xpath: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedLayout:
    """Where a transcript keeps what is signed and the signatures beside it.

    Attributes:
        root: the transcript's own root, standing alone with its in-scope namespaces.
        content: the element that holds everything the transcript says.
        content_id: the value of its Id attribute.
        parts: further elements inside the content that may be signed for themselves, by Id.
        slots: the signatures, in document order.
    """

    root: etree._Element
    content: etree._Element
    content_id: str
    parts: Mapping[str, etree._Element]
    slots: tuple[SignatureSlot, ...]
