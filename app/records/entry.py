"""What is appended to the ledger, and why it may not be; values, without a database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.formats.profile import TranscriptFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureView:
    """One signature, as it was judged."""

    position: int
    role: str
    indication: str
    fingerprint: str | None
    subject: str | None
    signed_at: datetime | None
    algorithm: str | None
    evidence: Sequence[Mapping[str, str | int | None]] = ()  # what revocation was judged by, leaf first


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A verified transcript, ready to be appended.

    Attributes:
        xml: the bytes that were verified, standing alone.
        xml_sha256: their digest.
        content_sha256: digest of the signed content in exclusive canonical form.
        school_year: first year of the school year.
        is_late: whether it missed its cut-off and was taken all the same.
        calendar_version: of the calendar by which that was judged.
    """

    school_id: int
    school_year: int
    package_id: UUID
    position: int
    facts: TranscriptFacts
    xml: bytes
    xml_sha256: bytes
    content_sha256: bytes
    format_version: str
    policy_version: str
    signatures: tuple[SignatureView, ...]
    received_at: datetime
    is_late: bool
    calendar_version: str

    @property
    def pupil_key(self) -> str:
        """What makes two transcripts the same pupil's: identity number, else passport, else pupil code."""
        facts = self.facts
        if facts.identity_number:
            return f"id:{facts.identity_number}"
        if facts.passport_number:
            return f"passport:{facts.passport_number}"
        return f"code:{facts.student_code}"

    @property
    def place(self) -> tuple[str, int, str]:
        """The place that only one standing record can have: pupil, school year, level."""
        return self.pupil_key, self.school_year, self.facts.level

    @property
    def code_place(self) -> tuple[int, str, int, str]:
        """The same by what its school calls the pupil: issuer, pupil code, school year, level."""
        return self.school_id, self.facts.student_code, self.school_year, self.facts.level


class Clash(StrEnum):
    """Why an entry cannot be appended."""

    REPEATED = "repeated"  # the same content is recorded already: not an error
    CODE_TAKEN = "code_taken"  # the look-up code stands for other content
    PUPIL_HAS_RECORD = "pupil_has_record"
    PUPIL_HAS_RECORD_ELSEWHERE = "pupil_has_record_elsewhere"
    REPLACED_NOT_STANDING = "replaced_not_standing"
    REPLACED_IS_LOCKED = "replaced_is_locked"
    RECALL_FIRST = "recall_first"


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedRecord:
    """A record of the ledger with who manages it now.

    Attributes:
        issuer_id: the school that issued it, for ever.
        manager_id: the school that manages it: the issuer, until it was handed over.
        pupil_key: what links one pupil's years.
        stands: it is neither recalled nor replaced.
        is_replaced: another record names it as what it took the place of.
    """

    record_id: UUID
    issuer_id: int
    manager_id: int
    school_year: int
    level: str
    grade: int
    is_completed: bool
    is_digitised: bool
    student_code: str
    pupil_key: str
    content_sha256: bytes
    replaces: UUID | None
    received_at: datetime
    stands: bool
    is_replaced: bool

    @property
    def place(self) -> tuple[str, int, str]:
        """The place that it has or had: pupil, school year, level."""
        return self.pupil_key, self.school_year, self.level

    @property
    def code_place(self) -> tuple[int, str, int, str]:
        """The same by what its issuer calls the pupil: issuer, pupil code, school year, level."""
        return self.issuer_id, self.student_code, self.school_year, self.level


def may_succeed(entry: Entry, named: ManagedRecord | None) -> bool:
    """Say whether an entry may name a record as its predecessor: of the same pupil, year and level.

    A standing one is replaced by the school that manages it; the pupil's code at that school tells who it is
    where the identity number is what is put right. What was recalled is issued anew, once, by its issuer or
    its manager, and the code tells who it is by itself.
    """
    if named is None or named.is_replaced or named.place[1:] != entry.place[1:]:
        return False
    if named.stands:
        is_same_pupil = named.pupil_key == entry.pupil_key or named.code_place == entry.code_place
        return is_same_pupil and entry.school_id == named.manager_id
    is_same_pupil = named.pupil_key == entry.pupil_key or named.student_code == entry.facts.student_code
    return is_same_pupil and entry.school_id in {named.issuer_id, named.manager_id}


# Says why a standing record may not be replaced by an entry (REPLACED_IS_LOCKED, RECALL_FIRST); None: it may.
ReplacementRule = Callable[[Entry, ManagedRecord], Clash | None]
