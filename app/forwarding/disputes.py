"""What the ministry disputes: one transcript against the manifest, the whole against the statement. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from app.findings import has_errors
from app.forwarding.wire import SentTranscript, WireError, read_signed
from app.ids import hex32
from app.ingest.examination import ExaminedItem
from app.ingest.receipts import TYPE as RECEIPT_TYPE
from app.ingest.receipts import ReceiptKind
from app.merkle import RootBuilder, leaf_hash
from app.records.status import RecordStatus
from app.snapshots.manifest import Line, SchoolCount, canonical, counts_digest

MISSING: Final = "NV-120"
OTHER_OCTETS: Final = "NV-121"
OTHER_CONTENT: Final = "NV-122"
NOT_IN_MANIFEST: Final = "NV-123"
NO_RECEIPT: Final = "NV-124"
OTHER_ROOT: Final = "NV-125"
UNTOLD_SCHOOL: Final = "NV-126"
HELD_OTHERWISE: Final = "TR-080"
# Of one transcript no more causes are told than somebody reads.
MOST_CODES: Final = 10


@dataclass(frozen=True, slots=True, order=True)
class Dispute:
    """One thing that does not stand as the province stated it; without a subject, the snapshot itself."""

    subject: str
    code: str
    school_code: str

    def octets(self) -> bytes:
        """Give the canonical line of which the acknowledgement has the digest."""
        return canonical({"code": self.code, "school_code": self.school_code, "subject": self.subject})


class DisputesDigest:
    """The number of a round's disputes, and the SHA-256 over their canonical lines (LF after each).

    They are handed in by subject and code, page by page.
    """

    def __init__(self) -> None:
        self.count = 0
        self._hash = sha256()

    def add(self, disputes: Iterable[Dispute]) -> None:
        """Take the next disputes."""
        for dispute in disputes:
            self.count += 1
            self._hash.update(dispute.octets() + b"\n")

    @property
    def value(self) -> str:
        """The digest over all so far."""
        return self._hash.hexdigest()


def disputed(line: Line, codes: Iterable[str]) -> Sequence[Dispute]:
    """Give a transcript's disputes, each cause once."""
    distinct = list(dict.fromkeys(codes))[:MOST_CODES]
    return [
        Dispute(subject=hex32(line.record_id), code=code, school_code=line.school_code) for code in distinct
    ]


def octets_differ(sent: SentTranscript, line: Line) -> bool:
    """Say whether what came is not, octet for octet, what the manifest speaks of."""
    return sha256(sent.xml).digest() != line.xml_sha256


def form_codes(item: ExaminedItem, line: Line) -> Sequence[str]:
    """Give why a transcript's form, or what it says, is not what the manifest speaks of."""
    errors = [found.code for found in item.findings if has_errors([found])]
    if errors or item.facts is None:
        return errors or [OTHER_CONTENT]
    said = (item.content_sha256, item.facts.record_id, item.facts.school_code)
    return [] if said == (line.content_sha256, line.record_id, line.school_code) else [OTHER_CONTENT]


def received_at(receipt: str, keys: Sequence[Mapping[str, Any]], line: Line) -> datetime | None:
    """Give when the province took a transcript in charge, by the receipt that it signed then.

    None where the receipt is not the province's, or speaks of another transcript than the line does.
    """
    try:
        claims = read_signed(receipt, keys, RECEIPT_TYPE)
        moment = datetime.fromisoformat(claims["received_at"])
    except (WireError, KeyError, TypeError, ValueError):
        return None
    said = tuple(claims.get(name) for name in ("kind", "record_id", "content_sha256", "xml_sha256", "late"))
    stated = (
        ReceiptKind.ACCEPTANCE,
        hex32(line.record_id),
        line.content_sha256.hex(),
        line.xml_sha256.hex(),
        line.is_late,
    )
    return moment if said == stated and moment.tzinfo is not None else None


class Recount:
    """Computes root, size and counts anew over the lines that arrived, handed in by look-up code."""

    def __init__(self) -> None:
        self._tree = RootBuilder()
        self._schools: dict[str, SchoolCount] = {}

    def add(self, lines: Iterable[Line]) -> None:
        """Take the next lines."""
        for line in lines:
            self._tree.append(leaf_hash(line.octets()))
            count = self._schools.setdefault(line.school_code, SchoolCount(school_code=line.school_code))
            count.add(line.status, is_late=line.is_late)

    @property
    def size(self) -> int:
        """How many there were."""
        return self._tree.size

    @property
    def root(self) -> bytes:
        """The root over them."""
        return self._tree.root

    @property
    def counts(self) -> Mapping[str, int]:
        """How many of each status, and how many were late."""
        names = (*RecordStatus, "late")
        return {str(name): sum(getattr(count, name) for count in self._schools.values()) for name in names}

    def disputes(self, *, size: int, root: bytes, counts_sha256: str) -> Sequence[Dispute]:
        """Hold what was recounted against what the province stated of the whole."""
        found = (self.size, self.root, counts_digest(self._schools.values()))
        if found == (size, root, counts_sha256):
            return []
        return [Dispute(subject="", code=OTHER_ROOT, school_code="")]
