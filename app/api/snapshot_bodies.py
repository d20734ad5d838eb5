"""What travels in requests and answers about sealed snapshots."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, Field

from app.api.texts import Asked, Prose, SchoolYearText, UuidText
from app.deadlines.calendar import in_legal_zone
from app.ids import hex32
from app.ingest.package import PackageState, school_year_of
from app.snapshots.difference import Change, ChangedRecord, Difference
from app.snapshots.due import HoldingPackage
from app.snapshots.manifest import SchoolCount
from app.snapshots.proofs import Proof, ProofKind, ProvenLine
from app.snapshots.reading import SnapshotView
from app.snapshots.scopes import Scope, SnapshotKind

MAX_PACKAGES: Final = 500


class SchoolCountOut(BaseModel):
    """How many records of one school a snapshot holds, by status; late ones are counted in both."""

    school_code: str
    total: int
    issued: int
    in_force: int
    recalled: int
    replaced: int
    late: int

    @classmethod
    def of(cls, count: SchoolCount) -> Self:
        """Write counts out."""
        return cls(**{name: getattr(count, name) for name in cls.model_fields})


class SnapshotHead(BaseModel):
    """A sealed snapshot (bản chốt): what the signed statement says, in members."""

    snapshot_id: str
    province: str
    school_year: str
    kind: SnapshotKind
    cut_off: datetime
    sealed_at: datetime
    calendar: str
    size: int
    root: str
    held: int = Field(description="Học bạ còn chờ chứng thư số / items that await a certificate")
    left_out: list[str] = Field(description="Gói không chờ, theo quyết định của cán bộ / packages left out")
    statement: str = Field(description="JWS (ES256), kiểm tra được ngoại tuyến / verifies offline")

    @classmethod
    def of(cls, found: SnapshotView) -> Self:
        """Write a snapshot's head out."""
        return cls(**_head(found))


class SnapshotOut(SnapshotHead):
    """A snapshot with its counts by school."""

    schools: list[SchoolCountOut]

    @classmethod
    def with_schools(cls, found: SnapshotView, counts: Sequence[SchoolCount]) -> Self:
        """Write a snapshot and its counts out."""
        return cls(**_head(found), schools=[SchoolCountOut.of(count) for count in counts])


def _head(found: SnapshotView) -> dict[str, Any]:
    return {
        "snapshot_id": hex32(found.id),
        "province": found.scope.province,
        "school_year": school_year_of(found.scope.school_year),
        "kind": found.scope.kind,
        "cut_off": in_legal_zone(found.cut_off),
        "sealed_at": found.sealed_at,
        "calendar": found.calendar,
        "size": found.size,
        "root": found.root.hex(),
        "held": found.held,
        "left_out": list(found.left_out),
        "statement": found.statement,
    }


class HoldingOut(BaseModel):
    """Bản chốt có học bạ này / a sealed snapshot that holds the record."""

    snapshot_id: str
    kind: SnapshotKind
    cut_off: datetime
    sealed_at: datetime

    @classmethod
    def of(cls, found: SnapshotView) -> Self:
        """Write out which snapshot it is."""
        return cls(
            snapshot_id=hex32(found.id),
            kind=found.scope.kind,
            cut_off=in_legal_zone(found.cut_off),
            sealed_at=found.sealed_at,
        )


class HoldingPackageOut(BaseModel):
    """A package received before the cut-off that is not answered yet."""

    package_id: str
    school_code: str
    received_at: datetime
    status: PackageState
    officers: int = Field(description="Số cán bộ đã đề nghị không chờ / officers who said not to wait for it")
    is_left_out: bool = Field(description="Không chờ gói này: đủ hai cán bộ / two said so: not waited for")

    @classmethod
    def of(cls, held: HoldingPackage) -> Self:
        """Write a package out."""
        return cls(
            package_id=hex32(held.package_id),
            school_code=held.school_code,
            received_at=held.received_at,
            status=held.state,
            officers=held.officers,
            is_left_out=held.is_left_out,
        )


class PendingOut(BaseModel):
    """A snapshot that is not sealed: when it is due, and what it waits for."""

    province: str
    school_year: str
    kind: SnapshotKind
    cut_off: datetime
    is_due: bool
    holding: int
    packages: list[HoldingPackageOut] = Field(
        description="Cũ nhất trước, nhiều nhất 100 / oldest first, 100 at most"
    )

    @classmethod
    def of(cls, scope: Scope, cut_off: datetime, moment: datetime, held: Sequence[HoldingPackage]) -> Self:
        """Write out what a seal waits for."""
        return cls(
            province=scope.province,
            school_year=school_year_of(scope.school_year),
            kind=scope.kind,
            cut_off=in_legal_zone(cut_off),
            is_due=cut_off <= moment,
            holding=sum(not package.is_left_out for package in held),
            packages=[HoldingPackageOut.of(package) for package in held[:100]],
        )


class PendingListOut(BaseModel):
    """What is not sealed, in the order of the cut-offs."""

    items: list[PendingOut]
    next_cursor: None = None


class OverrideIn(Asked):
    """Packages that a seal need not wait for, each named, and why."""

    school_year: SchoolYearText
    kind: SnapshotKind
    package_ids: Annotated[list[UuidText], Field(min_length=1, max_length=MAX_PACKAGES)]
    reason: Prose


class ProvenLineOut(BaseModel):
    """A line of the manifest, its place (from 0), and its RFC 9162 path to the root, nearest first."""

    index: int
    line: str
    path: list[str]

    @classmethod
    def of(cls, proven: ProvenLine) -> Self:
        """Write a line out."""
        path = [sibling.hex() for sibling in proven.path]
        return cls(index=proven.index, line=proven.line.decode(), path=path)


class ProofOut(BaseModel):
    """A proof that verifies offline against the signed statement that it carries."""

    kind: ProofKind
    record_id: str
    statement: str
    lines: list[ProvenLineOut]

    @classmethod
    def of(cls, proof: Proof, found: SnapshotView) -> Self:
        """Write a proof out."""
        return cls(
            kind=proof.kind,
            record_id=hex32(proof.record_id),
            statement=found.statement,
            lines=[ProvenLineOut.of(line) for line in proof.lines],
        )


class ChangedOut(BaseModel):
    """A record that stands otherwise than in the snapshot; ``at``: when it was received, or ended."""

    record_id: str
    school_code: str
    change: Change
    at: datetime

    @classmethod
    def of(cls, held: ChangedRecord) -> Self:
        """Write a record out."""
        return cls(
            record_id=hex32(held.record_id), school_code=held.school_code, change=held.change, at=held.at
        )


class DifferenceOut(BaseModel):
    """The live ledger against the snapshot: everything counted, one page of it listed."""

    counts: dict[Change, int]
    items: list[ChangedOut]
    next_cursor: str | None = None

    @classmethod
    def of(cls, found: Difference, limit: int, next_cursor: str | None) -> Self:
        """Write a page out."""
        return cls(
            counts=dict(found.counts),
            items=[ChangedOut.of(held) for held in found.records[:limit]],
            next_cursor=next_cursor,
        )
