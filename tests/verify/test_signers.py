from dataclasses import replace
from datetime import timedelta

import pytest

from app.findings import Severity, finding
from app.formats.profile import SignerRole
from app.verify.certificates.standing import CertificateEntry, CertificateState
from app.verify.policy import ACCEPTANCE
from app.verify.signature import check_signatures
from app.verify.verdict import Indication
from tests.builders.pki import (
    SIGNED_AT,
    infrastructure,
    issue,
    private_key,
)
from tests.builders.signers import (
    APPROVED,
    DAY,
    PENDING,
    PEOPLE,
    REJECTED,
    REVOKED,
    SEAL,
    SUSPENDED,
    codes,
    entry,
    judged,
    policy,
    register,
    sound,
)
from tests.builders.xmldsig import Template, add_signature, layout_of, reference, signed


def test_an_approved_seal_is_enough_by_default() -> None:
    seal = infrastructure().seal

    verdict = judged([SEAL])

    assert verdict.indication is Indication.PASSED
    assert verdict.findings == ()
    (signer,) = verdict.signers
    assert signer.indication is Indication.PASSED
    assert signer.fingerprint == seal.fingerprint
    assert signer.subject == "CN=Trường thử nghiệm số 1,C=VN"
    assert (signer.position, signer.role, signer.algorithm) == (1, SignerRole.SCHOOL, "rsa-sha256")
    assert signer.signing_time == SIGNED_AT
    assert verdict.policy_version == "acceptance-1 signers-1 trust-7"


def test_a_signature_that_failed_by_itself_fails_the_transcript() -> None:
    broken = replace(
        sound(infrastructure().head, SignerRole.HEAD),
        indication=Indication.FAILED,
        findings=(finding("KS-031"),),
        signing_time=None,
    )

    verdict = judged([SEAL, broken])

    assert verdict.indication is Indication.FAILED
    assert codes(verdict) == ["KS-031"]
    assert [signer.indication for signer in verdict.signers] == [Indication.PASSED, Indication.FAILED]


def test_the_same_reason_is_told_once() -> None:
    same = finding("KS-006", id="x")
    broken = replace(SEAL, indication=Indication.FAILED, findings=(same,))

    assert codes(judged([broken, broken])) == ["KS-006"]


def test_a_signing_time_after_the_reception_is_refused() -> None:
    assert judged([SEAL], received_at=SIGNED_AT).indication is Indication.PASSED
    assert codes(judged([SEAL], received_at=SIGNED_AT - timedelta(microseconds=1))) == ["KS-041"]


def test_no_signature_is_a_missing_one() -> None:
    verdict = judged([])

    assert codes(verdict) == ["KS-051"]
    assert verdict.findings[0].facts["role"] == "NHA_TRUONG"
    assert verdict.indication is Indication.FAILED


@pytest.mark.parametrize(
    ("entries", "code", "indication"),
    [
        ((), "KS-042", Indication.FAILED),
        ((entry(infrastructure().seal, APPROVED, school="khác"),), "KS-043", Indication.FAILED),
        ((entry(infrastructure().seal, PENDING),), "KS-044", Indication.INDETERMINATE),
        ((entry(infrastructure().seal, APPROVED, role=SignerRole.HEAD),), "KS-045", Indication.FAILED),
        ((entry(infrastructure().seal, PENDING, REJECTED),), "KS-046", Indication.FAILED),
        ((entry(infrastructure().seal, PENDING, APPROVED, SUSPENDED),), "KS-047", Indication.FAILED),
        ((entry(infrastructure().seal, PENDING, APPROVED, REVOKED),), "KS-048", Indication.FAILED),
        (
            (replace(entry(infrastructure().seal, APPROVED), not_after=SIGNED_AT - DAY),),
            "KS-035",
            Indication.FAILED,
        ),
        (
            (replace(entry(infrastructure().seal, APPROVED), not_before=SIGNED_AT + DAY),),
            "KS-034",
            Indication.FAILED,
        ),
    ],
)
def test_a_seal_speaks_by_registration_and_approval(
    entries: tuple[CertificateEntry, ...], code: str, indication: Indication
) -> None:
    verdict = judged([SEAL], register(*entries))

    assert codes(verdict) == [code]
    assert verdict.indication is indication
    assert verdict.signers[0].indication is indication
    assert verdict.findings[0].severity is Severity.ERROR
    assert verdict.findings[0].xpath == SEAL.xpath
    assert verdict.findings[0].line == SEAL.line
    assert "{" not in verdict.findings[0].message_vi


def test_approval_that_comes_later_settles_what_was_held() -> None:
    later = entry(infrastructure().seal, PENDING, APPROVED, at=SIGNED_AT + DAY)

    assert judged([SEAL], register(later)).indication is Indication.PASSED


def test_a_revocation_after_the_signing_time_changes_nothing() -> None:
    later = entry(infrastructure().seal, PENDING, APPROVED, REVOKED, at=SIGNED_AT + DAY)

    assert judged([SEAL], register(later)).indication is Indication.PASSED


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ((PENDING, REJECTED), (PENDING, APPROVED), None),
        ((PENDING, REJECTED), (PENDING,), "KS-044"),
        ((PENDING, APPROVED, REVOKED), (PENDING, APPROVED), "KS-048"),
        ((PENDING, APPROVED, SUSPENDED), (PENDING,), "KS-047"),
    ],
)
def test_of_several_entries_what_bars_weighs_most(
    first: tuple[CertificateState, ...], second: tuple[CertificateState, ...], code: str | None
) -> None:
    seal = infrastructure().seal

    verdict = judged([SEAL], register(entry(seal, *first), entry(seal, *second)))

    assert codes(verdict) == ([] if code is None else [code])


def test_what_was_decided_on_one_role_says_nothing_of_another() -> None:
    seal = infrastructure().seal
    pending_as_seal = register(entry(seal, PENDING), entry(seal, PENDING, APPROVED, role=SignerRole.HEAD))
    revoked_as_head = register(
        entry(seal, PENDING, APPROVED), entry(seal, PENDING, APPROVED, REVOKED, role=SignerRole.HEAD)
    )

    assert codes(judged([SEAL], pending_as_seal)) == ["KS-044"]
    assert codes(judged([SEAL], revoked_as_head)) == []


def test_a_certificate_of_two_schools_speaks_for_each() -> None:
    seal = infrastructure().seal

    assert (
        judged([SEAL], register(entry(seal, APPROVED, school="khác"), entry(seal, APPROVED))).findings == ()
    )


def test_a_failure_outweighs_what_is_awaited() -> None:
    seal = register(entry(infrastructure().seal, PENDING))

    verdict = judged([SEAL, sound(infrastructure().head, SignerRole.HEAD)], seal)

    assert codes(verdict) == ["KS-044", "KS-042"]
    assert verdict.indication is Indication.FAILED
    assert [item.indication for item in verdict.signers] == [Indication.INDETERMINATE, Indication.FAILED]


def test_another_schools_approved_seal_is_refused() -> None:
    people = infrastructure()
    other = issue("Trường khác", private_key("p256", 61), people.authority)

    verdict = judged([sound(other)], register(entry(other, APPROVED, school="66THCS002")))

    assert codes(verdict) == ["KS-043"]


def test_a_teacher_in_the_seals_place_is_refused() -> None:
    teacher = infrastructure().class_teacher

    assert codes(judged([sound(teacher)])) == ["KS-042"]
    registered = register(entry(teacher, APPROVED, role=SignerRole.HEAD))
    assert codes(judged([sound(teacher)], registered)) == ["KS-045"]


def test_an_untrusted_seal_is_refused_though_it_is_approved() -> None:
    fake = issue("Trường thử nghiệm số 1", private_key("p256", 62))

    assert codes(judged([sound(fake)], register(entry(fake, APPROVED)))) == ["KS-039"]


def test_a_public_schools_seal_is_of_the_public_sector() -> None:
    seal = issue("Trường tư", private_key("p256", 63), infrastructure().public_authority)
    entries = register(entry(seal, APPROVED))

    assert codes(judged([sound(seal)], entries)) == ["KS-052"]
    assert codes(judged([sound(seal)], entries, rules=policy(school_is_public=False))) == []


def test_a_seal_of_the_public_sector_serves_a_private_school_too() -> None:
    assert codes(judged([SEAL], rules=policy(school_is_public=False))) == []


def test_teachers_may_use_any_trusted_authority() -> None:
    teacher = issue(
        "H'Blơm Niê",
        private_key("p256", 64),
        infrastructure().public_authority,
        user_id="CCCD:066190000001",
    )

    assert codes(judged([SEAL, sound(teacher, SignerRole.CLASS_TEACHER)])) == []


def test_teachers_need_no_registration_but_a_path_and_their_name() -> None:
    people = infrastructure()
    checks = [
        SEAL,
        sound(people.head, SignerRole.HEAD),
        sound(people.class_teacher, SignerRole.CLASS_TEACHER),
        sound(people.subject_teacher, SignerRole.SUBJECT_TEACHER, parts=frozenset({"mon-15", "mon-26"})),
    ]

    assert codes(judged(checks, rules=policy(province="79"), people=PEOPLE[:3])) == []


def test_a_self_made_teacher_is_refused() -> None:
    fake = issue("H'Blơm Niê", private_key("p256", 65))

    assert codes(judged([SEAL, sound(fake, SignerRole.CLASS_TEACHER)])) == ["KS-039"]


@pytest.mark.parametrize(
    ("name", "user_id", "code"),
    [
        ("H'Blơm Niê", None, None),
        ("Ai khác", "CCCD:066190000001", None),
        ("H'Blơm Niê", "CCCD:066190000009", "KS-049"),
        ("Ai khác", None, "KS-054"),
    ],
)
def test_a_class_teachers_certificate_names_them(name: str, user_id: str | None, code: str | None) -> None:
    teacher = issue(name, private_key("p256", 66), infrastructure().authority, user_id=user_id)

    verdict = judged([SEAL, sound(teacher, SignerRole.CLASS_TEACHER)])

    assert codes(verdict) == ([] if code is None else [code])


def test_the_seal_does_not_sign_for_a_teacher() -> None:
    assert codes(judged([SEAL, sound(infrastructure().seal, SignerRole.CLASS_TEACHER)])) == ["KS-054"]


def test_a_role_that_the_content_does_not_name_is_refused() -> None:
    teacher = sound(infrastructure().class_teacher, SignerRole.CLASS_TEACHER)

    assert codes(judged([SEAL, teacher], people=PEOPLE[:1])) == ["KS-053"]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"mon-15"}, []),
        ({"mon-19"}, ["KS-054"]),
        ({"mon-15", "mon-19"}, ["KS-054"]),
        ({"mon-99"}, ["KS-053"]),
        (set(), []),
    ],
)
def test_a_subject_teacher_signs_their_own_subjects(parts: set[str], expected: list[str]) -> None:
    check = sound(infrastructure().subject_teacher, SignerRole.SUBJECT_TEACHER, parts=frozenset(parts))

    assert codes(judged([SEAL, check])) == expected


def test_a_certificate_that_the_school_had_revoked_does_not_sign_for_its_teachers() -> None:
    people = infrastructure()
    entries = register(
        entry(people.seal, APPROVED),
        entry(people.class_teacher, APPROVED, REVOKED, role=SignerRole.HEAD),
    )

    verdict = judged([SEAL, sound(people.class_teacher, SignerRole.CLASS_TEACHER)], entries)

    assert codes(verdict) == ["KS-048"]


def test_ho_chi_minh_city_requires_all_four() -> None:
    verdict = judged([SEAL], rules=policy(province="79"))

    assert [(item.code, item.facts["role"]) for item in verdict.findings] == [
        ("KS-051", "THU_TRUONG"),
        ("KS-051", "GVCN"),
        ("KS-051", "GVBM"),
    ]


def test_a_role_that_is_awaited_is_not_missing() -> None:
    entries = register(entry(infrastructure().seal, PENDING))

    assert codes(judged([SEAL], entries)) == ["KS-044"]


def test_a_digitised_transcript_is_the_heads() -> None:
    head = sound(infrastructure().head, SignerRole.HEAD)

    assert codes(judged([head], rules=policy(is_digitised=True))) == []
    assert codes(judged([SEAL], rules=policy(is_digitised=True))) == ["KS-051"]


@pytest.mark.parametrize(
    ("parts", "subjects"),
    [
        (set(), "mon-19"),
        ({"mon-15", "mon-26"}, "mon-19"),
        ({"mon-15"}, "mon-19, mon-26"),
    ],
)
def test_there_each_subject_is_asked_about_whose_teacher_has_not_signed(
    parts: set[str], subjects: str
) -> None:
    everybody = replace(policy(province="79"), required=(SignerRole.SCHOOL,))
    teacher = sound(infrastructure().subject_teacher, SignerRole.SUBJECT_TEACHER, parts=frozenset(parts))

    verdict = judged([SEAL, teacher], rules=everybody)

    assert verdict.indication is Indication.PASSED
    (found,) = verdict.findings
    assert (found.code, found.severity, found.facts) == ("KS-057", Severity.QUERY, {"subjects": subjects})
    assert codes(judged([SEAL, teacher])) == []


def test_a_signature_that_does_not_count_and_a_subject_without_an_id_are_asked_about() -> None:
    everybody = replace(policy(province="79"), required=(SignerRole.SCHOOL,))
    others = sound(infrastructure().head, SignerRole.SUBJECT_TEACHER, parts=frozenset({"mon-15", "mon-26"}))
    unnamed = replace(PEOPLE[3], parts=frozenset())

    refused = judged([SEAL, others], rules=everybody, people=PEOPLE[:3])
    without = judged([SEAL], rules=everybody, people=[unnamed])

    assert [item.facts.get("subjects") for item in refused.findings] == [None, "mon-15, mon-26"]
    assert [item.facts.get("subjects") for item in without.findings] == ["-"]


def test_a_subject_teacher_who_signs_as_class_teacher_has_not_signed_as_subject_teacher() -> None:
    teacher = infrastructure().subject_teacher
    both = [PEOPLE[2], replace(PEOPLE[2], role=SignerRole.CLASS_TEACHER), PEOPLE[3]]
    everybody = replace(policy(), required=(SignerRole.SCHOOL,), every_subject_teacher=True)

    found = judged([SEAL, sound(teacher, SignerRole.CLASS_TEACHER)], rules=everybody, people=both)

    assert [item.facts["subjects"] for item in found.findings] == ["mon-15, mon-19, mon-26"]


def test_the_whole_line_from_signed_xml_to_verdict() -> None:
    people = infrastructure()
    root = signed(people.seal)
    root = add_signature(root, people.head, Template(), "THU_TRUONG")
    root = add_signature(root, people.class_teacher, Template(), "GVCN")
    parts = Template(references=(reference("#mon-15"), reference("#time-1")))
    root = add_signature(root, people.subject_teacher, parts, "GVBM")

    verdict = judged(
        check_signatures(layout_of(root), ACCEPTANCE), rules=replace(policy(), required=tuple(SignerRole))
    )

    assert codes(verdict) == []
    assert [signer.role for signer in verdict.signers] == list(SignerRole)
