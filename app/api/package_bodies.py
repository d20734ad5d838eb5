"""What travels in requests and answers about packages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from app.api.texts import Asked, SchoolCode, SchoolYearText, UuidText
from app.findings import Finding, Responsible, Severity
from app.ids import hex32
from app.ingest.answers import DigestView, ItemView, PackageView
from app.ingest.package import ItemState, PackageState, school_year_of
from app.ingest.process import Preview


class OuterIn(Asked):
    """What is said of a package beside its payload; the XML's header must say the same."""

    package_id: UuidText
    school_code: SchoolCode
    school_year: SchoolYearText
    schema_version: Annotated[str, Field(pattern=r"^[0-9]{1,3}\.[0-9]{1,3}$")]
    atomic: Annotated[bool, Field(description="Nhận tất cả hoặc không nhận gì / all or nothing")] = False


class PackageIn(OuterIn):
    """A package as it is sent in JSON."""

    payload: Annotated[str, Field(description="base64(gzip(xml)), RFC 4648 §4")]


class FindingOut(BaseModel):
    """One cause, at its place in the document as sent."""

    code: str
    severity: Severity
    message_vi: str
    message_en: str
    xpath: str | None
    line: int | None
    value: str | None
    hint: str
    hint_en: str
    who: Responsible
    facts: dict[str, str | int]

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """Write a finding out with the catalogue's texts."""
        return cls(
            code=finding.code,
            severity=finding.severity,
            message_vi=finding.message_vi,
            message_en=finding.message_en,
            xpath=finding.xpath,
            line=finding.line,
            value=finding.value,
            hint=finding.cause.hint_vi,
            hint_en=finding.cause.hint_en,
            who=finding.cause.who,
            facts=dict(finding.facts),
        )


class ItemOut(BaseModel):
    """The answer for one transcript; ``receipt`` is a signed acceptance or a signed refusal."""

    position: int
    record_id: str | None
    outcome: ItemState
    already_recorded: bool
    late: bool
    content_sha256: str | None
    findings: list[FindingOut]
    receipt: str | None

    @classmethod
    def of(cls, item: ItemView) -> Self:
        """Write an answer out."""
        return cls(
            position=item.position,
            record_id=None if item.record_id is None else hex32(item.record_id),
            outcome=item.outcome,
            already_recorded=item.is_repeat,
            late=item.is_late,
            content_sha256=None if item.content_sha256 is None else item.content_sha256.hex(),
            findings=[FindingOut.of(finding) for finding in item.findings],
            receipt=item.receipt,
        )


class PackageSummary(BaseModel):
    """A package and how far its answer has come."""

    package_id: str
    school_code: str
    school_year: str
    schema_version: str
    sha256: str
    size: int
    atomic: bool
    received_at: datetime
    status: PackageState
    answered_at: datetime | None
    reply_read_at: datetime | None
    software: str | None
    acknowledgement: str

    @classmethod
    def of(cls, view: PackageView) -> Self:
        """Write a package's head out."""
        software = " ".join(part for part in (view.software_name, view.software_version) if part)
        return cls(
            package_id=hex32(view.package_id),
            school_code=view.school_code,
            school_year=school_year_of(view.school_year),
            schema_version=view.schema_version,
            sha256=view.sha256.hex(),
            size=view.size,
            atomic=view.is_atomic,
            received_at=view.received_at,
            status=view.state,
            answered_at=view.answered_at,
            reply_read_at=view.reply_read_at,
            software=software or None,
            acknowledgement=view.acknowledgement,
        )


class PackageOut(PackageSummary):
    """A package with the answer for each transcript.

    ``findings`` speak of the package as a whole; where they refuse it, there are no items. ``is_delayed``
    says that our own fault keeps the answer back and the operator has to act.
    """

    total: int
    accepted: int
    rejected: int
    held: int
    is_delayed: bool
    findings: list[FindingOut]
    items: list[ItemOut]


class ReceivedOut(BaseModel):
    """That a package is in our charge; ``result`` is there if it was waited for and came in time."""

    package_id: str
    sha256: str
    received_at: datetime
    status: PackageState
    acknowledgement: str
    status_url: str
    result: PackageOut | None = None


class PackageFeed(BaseModel):
    """One page of packages, oldest first."""

    items: list[PackageSummary]
    next_cursor: str | None


class DigestPlaceOut(BaseModel):
    """One place where a digest is known; ``position`` is null for a package as a whole."""

    package_id: str
    position: int | None
    record_id: str | None
    outcome: ItemState | None
    status: PackageState
    received_at: datetime

    @classmethod
    def of(cls, place: DigestView) -> Self:
        """Write a place out."""
        return cls(
            package_id=hex32(place.package_id),
            position=place.position,
            record_id=None if place.record_id is None else hex32(place.record_id),
            outcome=place.outcome,
            status=place.state,
            received_at=place.received_at,
        )


class DigestOut(BaseModel):
    """What is known of a digest; unknown is an answer too: the bytes never arrived."""

    sha256: str
    is_known: bool
    places: list[DigestPlaceOut]


class PreviewItemOut(BaseModel):
    """What one transcript would be answered now."""

    position: int
    record_id: str | None
    outcome: ItemState
    findings: list[FindingOut]


class ValidationOut(BaseModel):
    """What a package would be answered now. Nothing was stored and nothing is signed: it is no receipt."""

    is_dry_run: bool = True
    total: int
    accepted: int
    rejected: int
    held: int
    findings: list[FindingOut]
    items: list[PreviewItemOut]

    @classmethod
    def of(cls, preview: Preview) -> Self:
        """Write a judgement out."""
        outcomes = [item.state for item in preview.items]
        return cls(
            total=len(outcomes),
            accepted=outcomes.count(ItemState.ACCEPTED),
            rejected=outcomes.count(ItemState.REJECTED),
            held=outcomes.count(ItemState.HELD),
            findings=findings_out(preview.findings),
            items=[
                PreviewItemOut(
                    position=item.position,
                    record_id=None if item.record_id is None else hex32(item.record_id),
                    outcome=item.state,
                    findings=findings_out(item.findings),
                )
                for item in preview.items
            ],
        )


def findings_out(findings: Sequence[Finding]) -> list[FindingOut]:
    """Write findings out, in their order."""
    return [FindingOut.of(finding) for finding in findings]
