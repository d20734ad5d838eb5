"""What is appended to the ledger, and why it may not be; values, without a database."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A verified transcript, ready to be appended.

    Attributes:
        xml: the bytes that were verified, standing alone.
        content_sha256: digest of the signed content in exclusive canonical form.
        school_year: first year of the school year.
    """

    school_id: int
    school_year: int
    package_id: UUID
    position: int
    facts: TranscriptFacts
    xml: bytes
    content_sha256: bytes
    format_version: str
    policy_version: str
    signatures: tuple[SignatureView, ...]
    received_at: datetime

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


class Clash(StrEnum):
    """Why an entry cannot be appended."""

    REPEATED = "repeated"  # the same content is recorded already: not an error
    CODE_TAKEN = "code_taken"  # the look-up code stands for other content
    PUPIL_HAS_RECORD = "pupil_has_record"
    PUPIL_HAS_RECORD_ELSEWHERE = "pupil_has_record_elsewhere"
    REPLACED_NOT_STANDING = "replaced_not_standing"
