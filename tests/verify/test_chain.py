from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from app.verify.chain import OwnerClass, TrustAnchor, TrustList, build_path, fingerprint_of
from app.verify.policy import ACCEPTANCE
from app.verify.verdict import Indication
from tests.builders.paths import path, refusal, trust
from tests.builders.pki import (
    AUTHORITY,
    NOT_AFTER,
    NOT_BEFORE,
    SIGNED_AT,
    Holder,
    Usage,
    infrastructure,
    issue,
    of_first_version,
    private_key,
    weakly_signed,
    with_exponent_one,
)

DAY = timedelta(days=1)


def test_a_path_leads_over_the_carried_certificates_to_an_anchor() -> None:
    people = infrastructure()

    verdict = path(people.seal)

    assert verdict.indication is Indication.PASSED
    assert verdict.finding is None
    assert verdict.chain == (
        people.seal.certificate,
        people.authority.certificate,
        people.root.certificate,
    )
    assert verdict.owner_class is OwnerClass.PUBLIC_SECTOR


def test_a_path_leads_over_the_trust_lists_own_intermediates() -> None:
    people = infrastructure()
    bare = Holder(key=people.seal.key, certificate=people.seal.certificate)

    assert refusal(bare).code == "KS-039"
    anchors = trust(people.root, intermediates=(people.authority.certificate,))
    assert path(bare, anchors).indication is Indication.PASSED


def test_an_intermediate_may_be_the_anchor_and_tells_whose_it_is() -> None:
    people = infrastructure()
    anchors = TrustList(
        version="two",
        anchors=(
            TrustAnchor(certificate=people.root.certificate, owner_class=OwnerClass.LICENSED_PUBLIC),
            TrustAnchor(certificate=people.authority.certificate, owner_class=OwnerClass.PUBLIC_SECTOR),
        ),
    )
    bare = Holder(key=people.seal.key, certificate=people.seal.certificate)

    verdict = path(bare, anchors)

    assert verdict.chain == (people.seal.certificate, people.authority.certificate)
    assert verdict.owner_class is OwnerClass.PUBLIC_SECTOR


def test_nothing_is_believed_that_only_the_document_carries() -> None:
    fake_root = issue("Root CA thử nghiệm", private_key("p384", 91), usage=AUTHORITY)
    forged = issue("Trường thử nghiệm số 1", private_key("p256", 92), fake_root)

    found = refusal(forged)

    assert found.code == "KS-039"
    assert found.facts["issuer"] == "Root CA thử nghiệm"


def test_a_self_signed_certificate_has_no_path() -> None:
    assert refusal(issue("Tự ký", private_key("p256", 93))).code == "KS-039"


def test_an_empty_trust_list_trusts_nobody() -> None:
    assert refusal(infrastructure().seal, trust()).code == "KS-039"


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (NOT_BEFORE - timedelta(microseconds=1), "KS-034"),
        (NOT_BEFORE, None),
        (NOT_AFTER, None),
        (NOT_AFTER + timedelta(microseconds=1), "KS-035"),
        (NOT_AFTER + DAY, "KS-035"),
    ],
)
def test_validity_is_judged_at_the_moment_to_its_last_second(at: datetime, code: str | None) -> None:
    leaf = infrastructure().seal

    verdict = path(leaf, at=at)

    assert (verdict.finding and verdict.finding.code) == code


def test_the_answer_of_one_day_is_not_the_answer_of_another() -> None:
    people = infrastructure()
    noon = NOT_BEFORE + timedelta(hours=12)
    leaf = issue("Nửa ngày", private_key("p256", 94), people.authority, not_before=noon, not_after=noon + DAY)
    anchors = trust(people.root)

    codes = [
        (verdict := path(leaf, anchors, at)).finding and verdict.finding.code
        for at in (noon - DAY / 24, noon, noon + DAY, noon + DAY * 1.1, noon)
    ]

    assert codes == ["KS-034", None, None, "KS-035", None]


def test_an_authority_that_had_expired_is_named() -> None:
    people = infrastructure()
    old = issue(
        "CA hết hạn", private_key("rsa2048", 2), people.root, usage=AUTHORITY, not_after=SIGNED_AT - DAY
    )

    found = refusal(issue("Trường", private_key("p256", 95), old))

    assert found.code == "KS-038"
    assert found.facts["issuer"] == "CA hết hạn"


def test_an_anchor_that_had_expired_is_named() -> None:
    old = issue("Root hết hạn", private_key("p384", 96), usage=AUTHORITY, not_after=SIGNED_AT - DAY)

    assert refusal(issue("Trường", private_key("p256", 95), old), trust(old)).code == "KS-038"


@pytest.mark.parametrize(
    "usage",
    [
        Usage(may_sign=False),
        Usage(may_sign=False, may_certify=True, is_authority=True),
        Usage(is_authority=True, may_sign=True, may_certify=True),
    ],
)
def test_a_certificate_that_is_not_for_signing_is_refused(usage: Usage) -> None:
    leaf = issue("Máy chủ", private_key("p256", 97), infrastructure().authority, usage=usage)

    assert refusal(leaf).code == "KS-036"


@pytest.mark.parametrize(
    ("purposes", "told"),
    [
        ((Purpose.SERVER_AUTH,), "serverAuth"),
        (
            (Purpose.CODE_SIGNING, Purpose.TIME_STAMPING, Purpose.OCSP_SIGNING),
            "codeSigning, timeStamping, OCSPSigning",
        ),
        ((Purpose.CLIENT_AUTH,), None),
        ((Purpose.EMAIL_PROTECTION,), None),
        ((Purpose.ANY_EXTENDED_KEY_USAGE,), None),
        ((x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36"),), None),  # documentSigning, RFC 9336
        ((x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),), None),  # Microsoft's document signing
        ((Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH), None),
    ],
)
def test_a_certificate_for_other_purposes_only_is_refused(
    purposes: tuple[x509.ObjectIdentifier, ...], told: str | None
) -> None:
    leaf = issue(
        "Trường", private_key("p256", 119), infrastructure().authority, usage=Usage(purposes=purposes)
    )

    found = path(leaf).finding

    assert (found and (found.code, found.facts)) == (told and ("KS-058", {"purposes": told}))


@pytest.mark.parametrize(
    "usage",
    [
        Usage(may_sign=None),
        Usage(may_sign=None, has_constraints=False),
        Usage(may_sign=None, has_constraints=False, names_keys=True),  # `openssl x509 -req` from 3.2 on
    ],
)
def test_a_certificate_that_states_no_usage_may_sign(usage: Usage) -> None:
    leaf = issue("Trường", private_key("p256", 98), infrastructure().authority, usage=usage)

    assert path(leaf).finding is None


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(may_sign=None, has_constraints=False),
        Usage(is_authority=True, may_sign=True, may_certify=False),
    ],
)
def test_who_is_no_authority_issues_nothing(usage: Usage) -> None:
    people = infrastructure()
    teacher = issue("Giáo viên", private_key("rsa2048", 2), people.root, usage=usage)

    leaf = issue("Trường", private_key("p256", 99), teacher)

    for found in (refusal(leaf), refusal(of_first_version(leaf, teacher))):
        assert found.code == "KS-055"
        assert found.facts["issuer"] == "Giáo viên"


def test_a_path_longer_than_an_authority_allows_is_refused() -> None:
    people = infrastructure()
    last = issue(
        "CA cuối",
        private_key("p256", 100),
        people.root,
        usage=Usage(is_authority=True, may_sign=False, may_certify=True, path_length=0),
    )
    below = issue("CA dưới nữa", private_key("p256", 101), last, usage=AUTHORITY)

    assert path(issue("Trường", private_key("p256", 102), last)).finding is None
    assert refusal(issue("Trường", private_key("p256", 102), below)).code == "KS-040"


def test_which_versions_a_signer_may_have_is_the_policys() -> None:
    people = infrastructure()
    leaf = of_first_version(people.seal, people.authority)
    strict = replace(ACCEPTANCE, signer_versions=frozenset({3}))
    verdict = build_path(leaf.certificate, leaf.issuers, trust(people.root), strict, SIGNED_AT)

    assert verdict.finding is not None
    assert verdict.finding.code == "KS-056"
    assert verdict.finding.facts == {"version": "1"}


def test_a_critical_extension_that_nobody_knows_is_refused() -> None:
    leaf = issue(
        "Trường", private_key("p256", 103), infrastructure().authority, usage=Usage(critical_unknown=True)
    )

    assert refusal(leaf).code == "KS-040"


@pytest.mark.parametrize("digest", ["md5", "sha1"])
def test_a_certificate_signed_with_a_weak_digest_is_refused(digest: str) -> None:
    people = infrastructure()

    found = refusal(weakly_signed(people.seal, people.authority, digest))

    assert found.code == "KS-037"
    assert found.facts["algorithm"] == digest


@pytest.mark.parametrize("digest", ["md5", "sha1"])
def test_an_authority_signed_with_a_weak_digest_is_refused(digest: str) -> None:
    root = issue("Root RSA", private_key("rsa2048", 104), usage=AUTHORITY)
    sound = issue("CA yếu", private_key("rsa2048", 2), root, usage=AUTHORITY)
    weak = weakly_signed(sound, root, digest)
    leaf = issue("Trường", private_key("p256", 105), weak)

    found = refusal(leaf, trust(root))

    assert found.code == "KS-037"
    assert found.facts["issuer"] == "Root RSA"


@pytest.mark.parametrize("kind", ["rsa1024", "p224", "k256"])
def test_a_weak_key_is_refused(kind: str) -> None:
    leaf = issue("Trường", private_key(kind, 106), infrastructure().authority)

    assert refusal(leaf).code == "KS-024"


def test_a_key_with_exponent_one_is_refused() -> None:
    people = infrastructure()

    assert refusal(with_exponent_one(people.seal, people.authority)).code == "KS-024"


def test_an_authority_with_a_weak_key_is_refused() -> None:
    people = infrastructure()
    weak = issue("CA khóa yếu", private_key("rsa1024", 107), people.root, usage=AUTHORITY)
    leaf = issue("Trường", private_key("p256", 108), weak)

    found = refusal(leaf)

    assert found.code == "KS-024"
    assert "1024" in str(found.facts["key"])


def test_a_broken_signature_on_a_certificate_makes_no_path() -> None:
    people = infrastructure()
    impostor = issue(
        "CA cơ quan nhà nước thử nghiệm", private_key("rsa2048", 109), people.root, usage=AUTHORITY
    )
    leaf = issue("Trường", private_key("p256", 110), impostor)
    crossed = Holder(key=leaf.key, certificate=leaf.certificate, issuers=people.seal.issuers)

    assert refusal(crossed).code == "KS-039"


def test_a_certificate_that_is_itself_an_anchor_is_a_path() -> None:
    seal = infrastructure().seal

    assert path(seal, trust(seal)).chain == (seal.certificate,)


def test_a_fingerprint_is_the_sha256_of_the_der() -> None:
    seal = infrastructure().seal

    assert fingerprint_of(seal.certificate) == seal.fingerprint
    assert len(seal.fingerprint) == 64


def test_the_reason_for_a_broken_path_names_no_holder_and_quotes_no_library() -> None:
    authority = infrastructure().authority
    person = issue(
        "H'Blơm Niê",
        private_key("p256", 120),
        authority,
        usage=Usage(critical_unknown=True),
        user_id="CCCD:066190000001",
    )

    found = refusal(person)

    assert found.code == "KS-040"
    assert "critical extension" in str(found.facts["reason"])
    for told in (found.message_vi, found.message_en):
        assert not any(quoted in told for quoted in ("Niê", "066190000001", "<", "{", "encountered"))


def test_an_issuer_is_named_on_one_short_line() -> None:
    stranger = issue("CA\n\x1b[31m\u202e lạ", private_key("p256", 126), usage=AUTHORITY)

    found = refusal(issue("Trường", private_key("p256", 127), stranger))

    assert found.facts["issuer"] == "CA��[31m� lạ"
