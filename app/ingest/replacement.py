"""Whether a standing record may be replaced directly (thay thế trực tiếp), by calendar and policy. Pure."""

from collections.abc import Mapping
from datetime import datetime

from app.deadlines.rules import Terms
from app.policies.policy_set import PolicyKey, PolicySet
from app.records.entry import Clash, Entry, ManagedRecord, ReplacementRule


def replacement_rule(
    policies: PolicySet, province: str, terms: Mapping[int, Terms], *, settled_at: datetime | None = None
) -> ReplacementRule:
    """Give the rule for a school, with the policies of a package's receipt.

    A locked record is replaced only after its recall (TH-061), any one where the policy says so (TR-062).
    What decides is whether the old record was locked when the new one's package was received, however late
    that is judged: the seal waits for it. For what no seal has waited for (it was answered as held, or left
    out) it is the moment of this judgement: nothing that a snapshot certifies as in force is replaced.

    Args:
        policies: as above.
        province: of the school.
        terms: by which each school's records are locked, by the school that issued them.
        settled_at: when what no seal has waited for is judged, aware; None for all else.
    """

    def rule(entry: Entry, standing: ManagedRecord) -> Clash | None:
        moment = entry.received_at if settled_at is None else settled_at
        if moment >= terms[standing.issuer_id].lock_of(standing):
            return Clash.REPLACED_IS_LOCKED
        policy = policies.value(
            PolicyKey.REPLACE_BEFORE_LOCK,
            province=province,
            level=standing.level,
            school_year=standing.school_year,
        )
        return Clash.RECALL_FIRST if policy == "recall_first" else None

    return rule
