"""The law's year as a test knows it by itself: cut-offs, locks and extensions as plain moments."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.deadlines.calendar import Category, Mode, Stage
from app.deadlines.changes import CutOffDraft


@dataclass(kw_only=True)
class Law:
    """The cut-offs of the school year as they stand, and what the school was granted."""

    school: datetime = datetime(2026, 6, 30, 17, 0, tzinfo=UTC)
    upstream: datetime = datetime(2026, 7, 10, 17, 0, tzinfo=UTC)
    final: datetime = datetime(2026, 8, 25, 17, 0, tzinfo=UTC)
    granted: list[tuple[datetime, datetime]] = field(default_factory=list)

    def locks_at(self, received_at: datetime, *, is_completed: bool) -> datetime:
        """From when a transcript that was received then is locked."""
        own = self.school if is_completed else self.final
        if received_at < own:
            return own
        if received_at < self.final:
            return self.final
        until = [until for since, until in self.granted if since <= received_at < until]
        return max([self.final, *until])

    def drafts(self) -> list[CutOffDraft]:
        """The cut-offs as a department writes them."""
        rows = [
            (Category.CONFIRMED, Stage.SCHOOL, self.school, Mode.SOFT),
            (Category.CONFIRMED, Stage.UPSTREAM, self.upstream, Mode.HARD),
            *(
                (category, stage, self.final, Mode.HARD)
                for category in (Category.UNCONFIRMED, Category.DIGITISED)
                for stage in Stage
            ),
        ]
        return [
            CutOffDraft(category=category, stage=stage, cut_off=cut_off, mode=mode, source="Kế hoạch")
            for category, stage, cut_off, mode in rows
        ]


@dataclass(kw_only=True)
class Known:
    """What the model knows of a record."""

    pupil: str
    identity: str
    received_at: datetime
    is_completed: bool
    is_late: bool
    octets: bytes
    recalled_at: datetime | None = None
    successor_received_at: datetime | None = None
