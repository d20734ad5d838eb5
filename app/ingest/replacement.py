"""Whether a standing record may be replaced directly (thay thế trực tiếp), by calendar and policy. Pure."""

from collections.abc import Sequence

from app.deadlines.calendar import Calendar
from app.deadlines.rules import Extension, lock_of
from app.policies.policy_set import PolicyKey, PolicySet
from app.records.entry import Clash, Entry, ManagedRecord, ReplacementRule


def replacement_rule(
    policies: PolicySet, calendar: Calendar, extensions: Sequence[Extension] = ()
) -> ReplacementRule:
    """Give the rule for a school of the calendar's province, with the extensions that the school was granted.

    Policies are those of the package's receipt.

    What decides is whether the old record was locked when the new one's package was received, however late
    it is judged; a locked one is replaced only after its recall (TH-061), any one where the policy says so
    (TR-062).
    """

    def rule(entry: Entry, standing: ManagedRecord) -> Clash | None:
        granted = extensions if standing.issuer_id == entry.school_id else ()
        if entry.received_at >= lock_of(standing, calendar, granted):
            return Clash.REPLACED_IS_LOCKED
        policy = policies.value(
            PolicyKey.REPLACE_BEFORE_LOCK,
            province=calendar.province,
            level=standing.level,
            school_year=standing.school_year,
        )
        return Clash.RECALL_FIRST if policy == "recall_first" else None

    return rule
