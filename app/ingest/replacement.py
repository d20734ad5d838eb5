"""Whether a standing record may be replaced directly (thay thế trực tiếp), by calendar and policy. Pure."""

from app.deadlines.calendar import Calendar
from app.deadlines.rules import lock_at, obligation_of
from app.policies.policy_set import PolicyKey, PolicySet
from app.records.entry import Clash, Entry, ManagedRecord, ReplacementRule


def replacement_rule(policies: PolicySet, calendar: Calendar) -> ReplacementRule:
    """Give the rule for a school of the calendar's province; policies as of the package's receipt.

    What decides is whether the old record was locked when the new one's package was received, however late
    it is judged; a locked one is replaced only after its recall (TH-061), any one where the policy says so
    (TR-062).
    """

    def rule(entry: Entry, standing: ManagedRecord) -> Clash | None:
        obligation = obligation_of(
            school_year=standing.school_year,
            level=standing.level,
            grade=standing.grade,
            is_completed=standing.is_completed,
            is_digitised=standing.is_digitised,
            received_at=standing.received_at,
            calendar=calendar,
        )
        if entry.received_at >= lock_at(obligation, standing.received_at, calendar):
            return Clash.REPLACED_IS_LOCKED
        policy = policies.value(
            PolicyKey.REPLACE_BEFORE_LOCK,
            province=calendar.province,
            level=standing.level,
            school_year=standing.school_year,
        )
        return Clash.RECALL_FIRST if policy == "recall_first" else None

    return rule
