import pytest

from app.formats.profile import SignerRole
from app.verify.chain import OwnerClass
from app.verify.signer_policy import SIGNER_RULES, SignerPolicy, SignerRules, read_signer_rules

CLASSES = '[seal_owner_classes]\npublic = ["public_sector"]\nprivate = ["licensed_public"]\n'


def rules(rows: str) -> SignerRules:
    return read_signer_rules(f'version = "thử"\n{CLASSES}{rows}')


def selected(source: SignerRules, **conditions: str) -> SignerPolicy:
    asked = {"province": "66", "level": "03", "school_year": "2025-2026"} | conditions
    return source.select(is_digitised=False, school_is_public=True, **asked)


def test_the_rules_in_force() -> None:
    usual = selected(SIGNER_RULES)
    city = selected(SIGNER_RULES, province="79")

    assert usual.required == (SignerRole.SCHOOL,)
    assert not usual.head_may_substitute
    assert usual.version == "signers-1"
    assert set(city.required) == set(SignerRole)
    assert (usual.every_subject_teacher, city.every_subject_teacher) == (False, True)
    assert usual.seal_owner_classes == {OwnerClass.PUBLIC_SECTOR}


@pytest.mark.parametrize("province", ["66", "79"])
def test_digitised_transcripts_come_first(province: str) -> None:
    policy = SIGNER_RULES.select(
        province=province, level="02", school_year="2019-2020", is_digitised=True, school_is_public=False
    )

    assert policy.required == (SignerRole.HEAD,)
    assert policy.head_may_substitute
    assert policy.seal_owner_classes == set(OwnerClass)


def test_rows_are_tried_in_order_by_every_condition() -> None:
    source = rules(
        """
        [[row]]
        level = "04"
        from_school_year = "2024-2025"
        until_school_year = "2025-2026"
        required = ["GVCN"]
        head_may_substitute = false
        [[row]]
        required = ["NHA_TRUONG"]
        head_may_substitute = true
        """
    )

    assert selected(source, level="04").required == (SignerRole.CLASS_TEACHER,)
    assert selected(source, level="03").required == (SignerRole.SCHOOL,)
    assert selected(source, level="04", school_year="2024-2025").required == (SignerRole.CLASS_TEACHER,)
    assert selected(source, level="04", school_year="2023-2024").required == (SignerRole.SCHOOL,)
    assert selected(source, level="04", school_year="2026-2027").required == (SignerRole.SCHOOL,)


@pytest.mark.parametrize(
    "rows",
    [
        "[[row]]\nrequired = []\nhead_may_substitute = false",
        '[[row]]\nprovince = "79"\nrequired = ["GVCN"]\nhead_may_substitute = false',
        '[[row]]\nrequired = ["AI_DO"]\nhead_may_substitute = false',
    ],
)
def test_rules_that_leave_a_transcript_to_nobody_are_refused(rows: str) -> None:
    with pytest.raises(ValueError):
        rules(rows)
