"""A head who signs for teachers that have left, where the policy lets them."""

from app.findings import Severity
from app.formats.profile import SignerRole
from app.verify.certificates.standing import CertificateState
from app.verify.verdict import Indication
from tests.builders.pki import infrastructure
from tests.builders.signers import (
    APPROVED,
    PENDING,
    REJECTED,
    SEAL,
    SUSPENDED,
    codes,
    entry,
    judged,
    policy,
    register,
    sound,
)


def test_the_head_signs_for_a_teacher_who_left_where_the_policy_lets_them() -> None:
    head = infrastructure().head
    checks = [sound(head, SignerRole.HEAD), sound(head, SignerRole.CLASS_TEACHER)]

    verdict = judged(checks, rules=policy(is_digitised=True))

    assert verdict.indication is Indication.PASSED
    assert codes(verdict) == ["KS-050"]
    assert verdict.findings[0].severity is Severity.WARNING
    assert codes(judged([SEAL, *checks])) == ["KS-049"]


def test_only_an_approved_head_signs_for_a_teacher_who_left() -> None:
    people = infrastructure()
    checks = [sound(people.head, SignerRole.HEAD), sound(people.head, SignerRole.CLASS_TEACHER)]
    digitised = policy(is_digitised=True)

    def told(*states: CertificateState) -> tuple[Indication, set[str]]:
        known = register(entry(people.head, *states, role=SignerRole.HEAD))
        verdict = judged(checks, known, rules=digitised)
        return verdict.indication, set(codes(verdict))

    assert told(PENDING) == (Indication.INDETERMINATE, {"KS-044", "KS-050"})
    assert told(PENDING, REJECTED) == (Indication.FAILED, {"KS-046", "KS-050"})
    assert told(PENDING, APPROVED, SUSPENDED) == (Indication.FAILED, {"KS-047"})
    for other, found in (
        (people.class_teacher, []),
        (people.subject_teacher, ["KS-054"]),
        (people.seal, ["KS-054"]),
    ):
        others = [checks[0], sound(other, SignerRole.CLASS_TEACHER)]
        assert codes(judged(others, rules=digitised)) == found
