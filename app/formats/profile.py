"""What a format profile must give: the only door through which a document's element names are known.

A profile is an XSD, where to find the envelope's and the transcript's fields in it, and the cross-field
rules of its version. The pipeline works on what is declared here, so that another XSD (the ministry's own)
can be set beside ours without touching it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from uuid import UUID

from lxml import etree

from app.findings import Finding
from app.formats.place import Place


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
class Reading:
    """What one reading of a transcript's content gives.

    Attributes:
        findings: what a schema cannot say, all at once, errors and warnings.
        facts: None exactly where a finding says that one of them cannot be read.
    """

    findings: tuple[Finding, ...]
    facts: TranscriptFacts | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A text of the content with its label; masks go by its group of data.

    Attributes:
        value: None where it is not shown.
    """

    name: str
    label: str
    group: str
    value: str | None
    is_masked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What one column of a section's table holds."""

    name: str
    label: str
    group: str
    is_masked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the content as people read it: lines, and a table of what repeats."""

    name: str
    title: str
    lines: tuple[Line, ...]
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[str | None, ...], ...] = ()


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


class FormatProfile(Protocol):
    """One version of the document: its schema, its names, and where its fields stand.

    ``envelope``, ``layout`` and ``read`` read trees that ``app.formats.parser`` made and that the
    profile's schema accepted; on anything else they may raise.
    """

    @property
    def version(self) -> str:
        """The version as the wire writes it, for example ``1.0``."""
        ...

    @property
    def namespace(self) -> str:
        """The document's namespace."""
        ...

    @property
    def package_name(self) -> str:
        """Local name of the package's root; its attribute ``version_attribute`` holds the version."""
        ...

    @property
    def version_attribute(self) -> str:
        """Name of the root's attribute that holds the version."""
        ...

    @property
    def header_name(self) -> str:
        """Local name of the header, the root's first child."""
        ...

    @property
    def transcript_name(self) -> str:
        """Local name of a transcript; all of the root's children after the header are transcripts."""
        ...

    @property
    def schema_path(self) -> Path:
        """The published XSD, in which package, header and transcript are global elements."""
        ...

    @property
    def shown_names(self) -> frozenset[str]:
        """Local names whose values findings may show; the value of any other may be personal."""
        ...

    def envelope(self, header: etree._Element) -> Envelope:
        """Read the header."""
        ...

    def header_rules(self, header: etree._Element) -> tuple[Finding, ...]:
        """Check what a schema cannot say of the header."""
        ...

    def layout(self, root: etree._Element, place: Place = ...) -> SignedLayout:
        """Say what is signed in this transcript and where the signatures stand."""
        ...

    def record_id(self, root: etree._Element) -> UUID | None:
        """Read the look-up code of a transcript that need not be conformant; None where there is none."""
        ...

    def sections(self, root: etree._Element) -> tuple[Section, ...]:
        """Say what the content tells, in words that people read; nothing of it is left out."""
        ...

    def read(self, root: etree._Element, envelope: Envelope | None, place: Place = ...) -> Reading:
        """Read from the content what the service works with, and check what a schema cannot say.

        Without an envelope (a transcript checked alone) what compares with the header is left out.
        """
        ...
