"""What a stocktaking can find, and the tally that it keeps: how far it is, how much it saw, what differs."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Final

# Differences told one by one; beyond it they are counted.
MOST_TOLD: Final = 1000


class FlawKind(StrEnum):
    """One way in which what is stored is not what was received, verified, signed or sealed."""

    PACKAGE_BYTES = "package_bytes"  # the payload is not what its digest says
    RECORD_BYTES = "record_bytes"  # the XML does not give its digest, or cannot be read
    RECORD_CONTENT = "record_content"  # the signed content is not the one its digest, or its claim, names
    RECORD_SIGNATURE = "record_signature"  # a signature does not hold, or is not the one that was judged
    RECORD_UNCLAIMED = "record_unclaimed"  # nothing keeps its look-up code from being used again
    RECORD_UNRECEIPTED = "record_unreceipted"  # no acceptance receipt was kept
    RECEIPT_SIGNATURE = "receipt_signature"  # not signed by a key of this service
    RECEIPT_CLAIMS = "receipt_claims"  # it speaks of other bytes than those stored
    SNAPSHOT_ROOT = "snapshot_root"  # the lines do not give the sealed root, size or counts
    SNAPSHOT_TILE = "snapshot_tile"  # a stored part of the tree is not the one the lines give
    SNAPSHOT_STATEMENT = "snapshot_statement"  # not signed by a key of this service, or of another root
    SNAPSHOT_RECORD = "snapshot_record"  # a line's record is not in the ledger, or has other digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One difference; ``subject`` is an id of ours (look-up code, package, snapshot), never a person's."""

    kind: FlawKind
    subject: str


@dataclass(kw_only=True)
class Tally:
    """How far a stocktaking is; written down after every page, so that it can be taken up again.

    Attributes:
        stage: what is being gone through.
        after: the key of the last one seen there; empty at the beginning of a stage.
        seen: how many of each stage were held against their digests.
        differing: how many differences there are, of each kind.
        flaws: the first of them.
    """

    stage: str
    after: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    differing: Counter[str] = field(default_factory=Counter)
    flaws: list[Flaw] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing differs, as far as it went."""
        return not self.differing

    def note(self, flaws: Sequence[Flaw]) -> None:
        """Add differences."""
        self.differing.update(flaw.kind for flaw in flaws)
        self.flaws += flaws[: MOST_TOLD - len(self.flaws)]

    def written(self) -> str:
        """Write the tally as JSON."""
        return json.dumps(
            {
                "stage": self.stage,
                "after": self.after,
                "seen": dict(self.seen),
                "differing": dict(self.differing),
                "flaws": [asdict(flaw) for flaw in self.flaws],
            }
        )

    @classmethod
    def read(cls, text: str) -> "Tally":
        """Read a tally; ValueError where the text is none."""
        try:
            body = json.loads(text)
            return cls(
                stage=str(body["stage"]),
                after=[str(part) for part in body["after"]],
                seen=Counter(body["seen"]),
                differing=Counter(body["differing"]),
                flaws=[
                    Flaw(kind=FlawKind(flaw["kind"]), subject=str(flaw["subject"])) for flaw in body["flaws"]
                ],
            )
        except (KeyError, TypeError) as error:
            raise ValueError("no tally") from error
