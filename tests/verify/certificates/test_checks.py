"""The automatic checks that an officer sees."""

from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.formats.profile import SignerRole
from app.verify.certificates.checks import CheckName, check_certificate
from app.verify.chain import OwnerClass, TrustAnchor, TrustList
from app.verify.policy import ACCEPTANCE
from app.verify.signer_policy import SIGNER_RULES
from app.verify.verdict import Indication
from tests.builders.pki import NOT_AFTER, NOT_BEFORE, Holder, Usage, infrastructure, issue, private_key
from tests.builders.province import NOW

PEOPLE = infrastructure()
TRUST = TrustList(
    version="1",
    anchors=(
        TrustAnchor(certificate=PEOPLE.root.certificate, owner_class=OwnerClass.PUBLIC_SECTOR),
        TrustAnchor(certificate=PEOPLE.public_root.certificate, owner_class=OwnerClass.LICENSED_PUBLIC),
    ),
    intermediates=(PEOPLE.authority.certificate, PEOPLE.public_authority.certificate),
)
PASSED = (Indication.PASSED, None)
# Revocation is asked apart, where its data is: tests/verify/revocation.
SOUND = dict.fromkeys(set(CheckName) - {CheckName.REVOCATION}, PASSED)
STRANGER = issue("CA lạ", private_key("p256", 70), usage=Usage(is_authority=True, may_certify=True))


def checks(
    holder: Holder,
    *,
    is_public: bool = True,
    role: SignerRole = SignerRole.SCHOOL,
    same: tuple[str, ...] = (),
) -> dict[CheckName, tuple[Indication, str | None]]:
    answers = check_certificate(
        holder.certificate,
        role=role,
        trust=TRUST,
        acceptance=ACCEPTANCE,
        seal_owner_classes=SIGNER_RULES.seal_owner_classes[is_public],
        same_key=same,
        now=NOW,
    )
    assert all(one.finding is None or one.finding.message_vi for one in answers)
    return {one.name: (one.indication, one.finding.code if one.finding else None) for one in answers}


def seal(**more: object) -> Holder:
    return issue("Con dấu", private_key("p256", 71), PEOPLE.authority, **more)  # type: ignore[arg-type]


def test_a_sound_seal_passes_everything() -> None:
    assert checks(seal()) == SOUND


@pytest.mark.parametrize(
    "window",
    [
        {"not_before": NOT_BEFORE, "not_after": NOW - timedelta(seconds=1)},
        {"not_before": NOW + timedelta(seconds=1), "not_after": NOT_AFTER},
    ],
)
def test_a_certificate_out_of_its_time_is_told_without_hiding_the_rest(window: dict[str, object]) -> None:
    assert checks(seal(**window)) == SOUND | {CheckName.VALIDITY: (Indication.FAILED, "QH-035")}


def test_a_weak_key_is_told_and_leaves_the_chain_open() -> None:
    weak = issue("Yếu", private_key("rsa1024"), PEOPLE.authority)
    assert checks(weak) == SOUND | {
        CheckName.KEY_SIZE: (Indication.FAILED, "KS-024"),
        CheckName.CHAIN: (Indication.INDETERMINATE, "KS-024"),
        CheckName.OWNER_CLASS: (Indication.INDETERMINATE, "KS-024"),
    }


@pytest.mark.parametrize(
    ("usage", "code"),
    [
        (Usage(may_sign=False), "KS-036"),
        (Usage(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,)), "KS-058"),
    ],
)
def test_a_certificate_not_made_for_signing_is_told(usage: Usage, code: str) -> None:
    assert checks(seal(usage=usage)) == SOUND | {
        CheckName.KEY_USAGE: (Indication.FAILED, code),
        CheckName.CHAIN: (Indication.INDETERMINATE, code),
        CheckName.OWNER_CLASS: (Indication.INDETERMINATE, code),
    }


def test_an_unknown_issuer_is_told() -> None:
    foreign = issue("Con dấu", private_key("p256", 72), STRANGER)
    assert checks(foreign) == SOUND | {
        CheckName.CHAIN: (Indication.FAILED, "KS-039"),
        CheckName.OWNER_CLASS: (Indication.INDETERMINATE, "KS-039"),
    }


def test_a_public_schools_seal_comes_from_the_public_sector() -> None:
    commercial = issue("Con dấu", private_key("p256", 73), PEOPLE.public_authority)
    wrong = {CheckName.OWNER_CLASS: (Indication.FAILED, "KS-052")}
    assert checks(commercial) == SOUND | wrong
    assert checks(commercial, is_public=False) == SOUND
    assert checks(commercial, role=SignerRole.HEAD) == SOUND
    assert checks(seal(), is_public=False) == SOUND


def test_a_key_that_is_used_elsewhere_is_shown_for_people_to_judge() -> None:
    shared = {CheckName.SAME_KEY: (Indication.INDETERMINATE, "QH-034")}
    assert checks(seal(), same=("66A0000301 (NHA_TRUONG)",)) == SOUND | shared
