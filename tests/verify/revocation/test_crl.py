"""Lists as they come in, and what they say of a certificate as of a signing time."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from app.findings import Finding
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.answer import RevocationAnswer, RevocationStatus
from app.verify.revocation.crl import RevocationList, crl_flaw, list_addresses, parse_crl, revocation_list
from app.verify.revocation.known import KnownRevocations
from tests.builders.pki import AUTHORITY, SIGNED_AT, Holder, Usage, infrastructure, issue, private_key
from tests.builders.revocation import Revoked, Signer, make_crl, point

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PUBLISHED = SIGNED_AT - HOUR
NOW = SIGNED_AT + 2 * DAY
UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.2"), b"\x05\x00")


def signer(holder: Holder) -> Signer:
    return holder.certificate, holder.key


def ca() -> Holder:
    authority = infrastructure().authority
    return Holder(key=authority.key, certificate=authority.certificate)


def code_of(content: bytes, issuer: x509.Certificate | None = None) -> str | None:
    parsed = parse_crl(content)
    if isinstance(parsed, Finding):
        return parsed.code
    flaw = crl_flaw(parsed, issuer or ca().certificate, ACCEPTANCE, NOW)
    assert flaw is None or (flaw.message_vi and flaw.message_en)
    return None if flaw is None else flaw.code


def taken(content: bytes) -> RevocationList:
    assert code_of(content) is None
    parsed = parse_crl(content)
    assert not isinstance(parsed, Finding)
    return revocation_list(parsed)


def answer(content: bytes, certificate: x509.Certificate | None = None) -> RevocationAnswer:
    ready = taken(content)
    return KnownRevocations(lists={ready.issuer: [ready]}).answer(
        certificate or infrastructure().seal.certificate
    )


def revoking(entry: Revoked, **rest: object) -> RevocationAnswer:
    serial = infrastructure().seal.certificate.serial_number
    return answer(make_crl(signer(ca()), this_update=NOW - HOUR, revoked={serial: entry}))


def test_a_certificate_that_the_list_does_not_name_is_good_and_the_list_is_the_evidence() -> None:
    content = make_crl(signer(ca()), this_update=PUBLISHED, number=0xA7)

    found = answer(content)

    assert found.status is RevocationStatus.GOOD
    assert found.evidence is not None
    assert found.evidence.number == 0xA7
    assert found.evidence.sha256 == hashlib_of(content)
    assert found.evidence.produced_at == PUBLISHED
    assert found.evidence.next_update == PUBLISHED + 7 * DAY


def hashlib_of(content: bytes) -> str:
    import hashlib

    return hashlib.sha256(content).hexdigest()


def test_pem_and_der_are_one_list() -> None:
    der = make_crl(signer(ca()), this_update=PUBLISHED)
    pem = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)

    assert taken(pem).evidence == taken(der).evidence


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        (PUBLISHED - 30 * DAY, RevocationStatus.GOOD),
        (PUBLISHED, RevocationStatus.GOOD),
        (PUBLISHED + 7 * DAY - timedelta(seconds=1), RevocationStatus.GOOD),
        (PUBLISHED + 7 * DAY, RevocationStatus.UNKNOWN),
    ],
)
def test_a_list_covers_what_was_signed_until_its_next_update(
    moment: datetime, status: RevocationStatus
) -> None:
    assert answer(make_crl(signer(ca()), this_update=PUBLISHED)).status_at(moment) is status


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        (Revoked(at=SIGNED_AT - HOUR), RevocationStatus.REVOKED),
        (Revoked(at=SIGNED_AT), RevocationStatus.REVOKED),
        (Revoked(at=SIGNED_AT + timedelta(seconds=1)), RevocationStatus.GOOD),
        (Revoked(at=SIGNED_AT + DAY, invalid_since=SIGNED_AT - DAY), RevocationStatus.GOOD),
        (
            Revoked(
                at=SIGNED_AT + DAY,
                reason=x509.ReasonFlags.superseded,
                invalid_since=SIGNED_AT - DAY,
            ),
            RevocationStatus.GOOD,
        ),
        (
            Revoked(
                at=SIGNED_AT + DAY,
                reason=x509.ReasonFlags.key_compromise,
                invalid_since=SIGNED_AT - DAY,
            ),
            RevocationStatus.REVOKED,
        ),
        (
            Revoked(
                at=SIGNED_AT + DAY,
                reason=x509.ReasonFlags.key_compromise,
                invalid_since=SIGNED_AT + HOUR,
            ),
            RevocationStatus.GOOD,
        ),
        (
            Revoked(
                at=SIGNED_AT - DAY,
                reason=x509.ReasonFlags.key_compromise,
                invalid_since=SIGNED_AT + HOUR,
            ),
            RevocationStatus.REVOKED,
        ),
        (Revoked(at=SIGNED_AT + DAY, reason=x509.ReasonFlags.key_compromise), RevocationStatus.GOOD),
        (Revoked(at=SIGNED_AT - DAY, reason=x509.ReasonFlags.certificate_hold), RevocationStatus.ON_HOLD),
        (Revoked(at=SIGNED_AT + DAY, reason=x509.ReasonFlags.certificate_hold), RevocationStatus.GOOD),
    ],
)
def test_a_revocation_touches_what_was_signed_from_its_beginning_on(
    entry: Revoked, status: RevocationStatus
) -> None:
    assert revoking(entry).status_at(SIGNED_AT) is status


def test_an_outdated_list_still_tells_of_its_revocations() -> None:
    serial = infrastructure().seal.certificate.serial_number
    old = make_crl(
        signer(ca()), this_update=PUBLISHED - 90 * DAY, revoked={serial: Revoked(at=PUBLISHED - 91 * DAY)}
    )
    assert answer(old).status_at(SIGNED_AT) is RevocationStatus.REVOKED


def test_of_two_entries_the_earlier_counts() -> None:
    serial = infrastructure().seal.certificate.serial_number
    certificate, key = signer(ca())
    builder = x509.CertificateRevocationListBuilder().issuer_name(certificate.subject)
    builder = builder.last_update(PUBLISHED).next_update(PUBLISHED + DAY)
    for at in (SIGNED_AT + DAY, SIGNED_AT - DAY, SIGNED_AT + 2 * DAY):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        builder = builder.add_revoked_certificate(entry)
    content = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    assert answer(content).status_at(SIGNED_AT) is RevocationStatus.REVOKED


def test_that_an_expired_certificate_is_not_listed_means_nothing() -> None:
    old = issue("Hết hạn", private_key("p256", 120), infrastructure().authority, not_after=PUBLISHED - DAY)
    content = make_crl(signer(ca()), this_update=PUBLISHED)
    assert answer(content, old.certificate).status is RevocationStatus.UNKNOWN


def test_a_list_says_nothing_of_others_certificates() -> None:
    content = make_crl(signer(ca()), this_update=PUBLISHED)
    assert answer(content, infrastructure().authority.certificate).status is RevocationStatus.UNKNOWN


def test_a_list_for_users_says_nothing_of_authorities_and_the_other_way_round() -> None:
    people = infrastructure()
    root = (people.root.certificate, people.root.key)
    users = make_crl(root, this_update=PUBLISHED, extensions=[(point(users=True), True)])
    authorities = make_crl(root, this_update=PUBLISHED, extensions=[(point(authorities=True), True)])
    direct = issue("Ký thẳng", private_key("p256", 121), people.root).certificate

    def status(content: bytes, certificate: x509.Certificate) -> RevocationStatus:
        parsed = parse_crl(content)
        assert not isinstance(parsed, Finding)
        assert crl_flaw(parsed, people.root.certificate, ACCEPTANCE, NOW) is None
        return revocation_list(parsed).answer(certificate).status

    assert status(users, direct) is RevocationStatus.GOOD
    assert status(users, people.authority.certificate) is RevocationStatus.UNKNOWN
    assert status(authorities, direct) is RevocationStatus.UNKNOWN
    assert status(authorities, people.authority.certificate) is RevocationStatus.GOOD


def with_addresses(*addresses: str) -> x509.Certificate:
    people = infrastructure()
    points = [
        x509.DistributionPoint(
            full_name=[x509.UniformResourceIdentifier(address)],
            relative_name=None,
            reasons=None,
            crl_issuer=None,
        )
        for address in addresses
    ]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Phân mảnh")]))
        .issuer_name(people.authority.certificate.subject)
        .public_key(private_key("p256", 122).public_key())
        .serial_number(0x51)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
        .add_extension(x509.CRLDistributionPoints(points), critical=False)
    )
    return builder.sign(people.authority.key, hashes.SHA256())


def test_a_list_for_one_distribution_point_covers_the_certificates_that_name_it() -> None:
    shard = "http://crl.example.vn/7.crl"
    content = make_crl(
        signer(ca()), this_update=PUBLISHED, extensions=[(point(address=shard, users=True), True)]
    )
    inside, outside = (
        with_addresses("ldap://example.vn/x", shard),
        with_addresses("http://crl.example.vn/8.crl"),
    )

    assert list_addresses(inside) == {"ldap://example.vn/x", shard}
    assert answer(content, inside).status is RevocationStatus.GOOD
    assert answer(content, outside).status is RevocationStatus.UNKNOWN
    assert answer(content).status is RevocationStatus.UNKNOWN


@pytest.mark.parametrize(
    "content", [b"", b"<html>404</html>", b"-----BEGIN X509 CRL-----\nx\n", b"\x30\x03\x02\x01"]
)
def test_what_is_no_list_is_refused(content: bytes) -> None:
    assert code_of(content) == "KS-070"


def test_a_certificate_is_no_list() -> None:
    assert code_of(ca().certificate.public_bytes(Encoding.DER)) == "KS-070"


def test_a_changed_list_is_refused() -> None:
    content = bytearray(make_crl(signer(ca()), this_update=PUBLISHED, number=0x7777))
    at = bytes(content).index(b"\x02\x02\x77\x77")
    content[at + 2] = 0x76
    assert code_of(bytes(content)) == "KS-072"


def test_another_key_under_the_same_name_has_not_signed() -> None:
    forger = issue("CA cơ quan nhà nước thử nghiệm", private_key("p256", 123), usage=AUTHORITY)
    assert forger.certificate.subject == ca().certificate.subject
    assert code_of(make_crl(signer(forger), this_update=PUBLISHED)) == "KS-072"


def test_an_authority_that_may_not_sign_lists_is_refused() -> None:
    teacher = issue("Không ký CRL", private_key("p256", 124), infrastructure().root, usage=Usage())
    assert code_of(make_crl(signer(teacher), this_update=PUBLISHED), teacher.certificate) == "KS-074"


def test_a_weak_key_or_digest_is_refused() -> None:
    weak = issue("Khoá yếu", private_key("rsa1024", 1), infrastructure().root, usage=AUTHORITY)
    assert code_of(make_crl(signer(weak), this_update=PUBLISHED), weak.certificate) == "KS-073"
    sha224 = make_crl(signer(ca()), this_update=PUBLISHED, digest=hashes.SHA224())
    assert code_of(sha224) == "KS-073"


def test_a_list_from_the_future_is_refused() -> None:
    assert code_of(make_crl(signer(ca()), this_update=NOW + timedelta(seconds=1))) == "KS-079"
    assert code_of(make_crl(signer(ca()), this_update=NOW)) is None


@pytest.mark.parametrize(
    ("extension", "code"),
    [
        ((point(indirect=True), True), "KS-075"),
        ((x509.DeltaCRLIndicator(3), True), "KS-076"),
        ((x509.DeltaCRLIndicator(3), False), "KS-076"),
        ((UNKNOWN_EXTENSION, True), "KS-077"),
        ((UNKNOWN_EXTENSION, False), None),
        ((point(attributes=True), True), "KS-078"),
        ((point(reasons=frozenset({x509.ReasonFlags.key_compromise})), True), "KS-078"),
    ],
)
def test_a_list_that_tells_a_part_only_is_refused(
    extension: tuple[x509.ExtensionType, bool], code: str | None
) -> None:
    content = make_crl(signer(ca()), this_update=PUBLISHED, extensions=[extension])
    assert code_of(content) == code


@pytest.mark.parametrize(
    ("extension", "code"),
    [
        ((UNKNOWN_EXTENSION, True), "KS-077"),
        ((UNKNOWN_EXTENSION, False), None),
        ((x509.CertificateIssuer([x509.DirectoryName(x509.Name([]))]), True), "KS-075"),
    ],
)
def test_an_entry_that_is_not_understood_refuses_the_list(
    extension: tuple[x509.ExtensionType, bool], code: str | None
) -> None:
    entry = Revoked(at=PUBLISHED, extensions=[extension])
    assert code_of(make_crl(signer(ca()), this_update=PUBLISHED, revoked={5: entry})) == code


def test_a_revocation_stays_whatever_a_newer_list_says_and_a_hold_does_not() -> None:
    certificate = infrastructure().seal.certificate
    hold = Revoked(at=PUBLISHED - DAY, reason=x509.ReasonFlags.certificate_hold)

    def known(first: Revoked) -> RevocationStatus:
        older = make_crl(
            signer(ca()), this_update=PUBLISHED - HOUR, revoked={certificate.serial_number: first}
        )
        lists = [taken(make_crl(signer(ca()), this_update=PUBLISHED)), taken(older)]
        return KnownRevocations(lists={ca().certificate.subject: lists}).answer(certificate).status

    assert known(Revoked(at=PUBLISHED - DAY)) is RevocationStatus.REVOKED
    assert known(hold) is RevocationStatus.GOOD
