"""What a responder answers, and who may answer."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.findings import Finding
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.answer import RevocationAnswer, RevocationStatus
from app.verify.revocation.crl import parse_crl, revocation_list
from app.verify.revocation.known import KnownRevocations
from app.verify.revocation.ocsp import ocsp_answer, ocsp_request, responder_addresses
from tests.builders.pki import SIGNED_AT, Holder, infrastructure, private_key
from tests.builders.revocation import Revoked, Signer, make_crl, make_ocsp

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = SIGNED_AT + DAY
ASKED_AT = SIGNED_AT - HOUR


def signer(holder: Holder) -> Signer:
    return holder.certificate, holder.key


def judged(content: bytes, known: KnownRevocations | None = None) -> RevocationAnswer | Finding:
    people = infrastructure()
    return ocsp_answer(
        content,
        people.seal.certificate,
        people.authority.certificate,
        ACCEPTANCE,
        NOW,
        known=known or KnownRevocations(),
    )


def code_of(content: bytes) -> str | None:
    found = judged(content)
    return found.code if isinstance(found, Finding) else None


def answered(**given: object) -> bytes:
    people = infrastructure()
    rest = {"this_update": ASKED_AT, **given}
    return make_ocsp(
        signer(people.authority),
        people.seal.certificate,
        people.authority.certificate,
        **rest,  # type: ignore[arg-type]
    )


def responder(
    *, is_delegated: bool = True, issuer: Holder | None = None, ended: bool = False, unchecked: bool = False
) -> Holder:
    people = infrastructure()
    above = issuer or people.authority
    key = private_key("p256", 140)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "OCSP")]))
        .issuer_name(above.certificate.subject)
        .public_key(key.public_key())
        .serial_number(0x0C59)
        .not_valid_before(SIGNED_AT - 30 * DAY)
        # The library stamps an answer with the machine's own time.
        .not_valid_after(SIGNED_AT - 20 * DAY if ended else SIGNED_AT + 36500 * DAY)
    )
    usage = ExtendedKeyUsageOID.OCSP_SIGNING if is_delegated else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if unchecked:
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
    return Holder(key=key, certificate=builder.sign(above.key, hashes.SHA256()))


def by(holder: Holder) -> bytes:
    people = infrastructure()
    return make_ocsp(
        signer(holder),
        people.seal.certificate,
        people.authority.certificate,
        this_update=ASKED_AT,
        carried=[holder.certificate],
    )


def test_the_issuers_answer_is_believed_until_its_next_update() -> None:
    found = judged(answered())

    assert isinstance(found, RevocationAnswer)
    assert found.status_at(SIGNED_AT) is RevocationStatus.GOOD
    assert found.status_at(ASKED_AT + DAY) is RevocationStatus.UNKNOWN


def test_without_a_next_update_an_answer_covers_the_time_before_it() -> None:
    found = judged(answered(lasts=None))

    assert isinstance(found, RevocationAnswer)
    assert found.status_at(ASKED_AT - HOUR) is RevocationStatus.GOOD
    assert found.status_at(SIGNED_AT) is RevocationStatus.UNKNOWN


def test_a_revocation_is_read_with_its_moment_and_reason() -> None:
    found = judged(
        answered(
            status=ocsp.OCSPCertStatus.REVOKED,
            revoked_at=SIGNED_AT,
            reason=x509.ReasonFlags.key_compromise,
        )
    )

    assert isinstance(found, RevocationAnswer)
    assert found.reason is x509.ReasonFlags.key_compromise
    assert found.status_at(SIGNED_AT) is RevocationStatus.REVOKED
    assert found.status_at(SIGNED_AT - timedelta(seconds=1)) is RevocationStatus.GOOD


def test_a_hold_is_a_hold() -> None:
    found = judged(
        answered(
            status=ocsp.OCSPCertStatus.REVOKED,
            revoked_at=SIGNED_AT - HOUR,
            reason=x509.ReasonFlags.certificate_hold,
        )
    )
    assert isinstance(found, RevocationAnswer)
    assert found.status_at(SIGNED_AT) is RevocationStatus.ON_HOLD


def test_a_responder_that_knows_nothing_says_nothing() -> None:
    found = judged(answered(status=ocsp.OCSPCertStatus.UNKNOWN))
    assert isinstance(found, RevocationAnswer)
    assert found.status is RevocationStatus.UNKNOWN


def test_a_delegate_of_the_issuer_may_answer() -> None:
    found = judged(by(responder()))
    assert isinstance(found, RevocationAnswer)
    assert found.status is RevocationStatus.GOOD


@pytest.mark.parametrize(
    ("reason", "unchecked", "code"),
    [
        (x509.ReasonFlags.key_compromise, False, "KS-084"),
        (x509.ReasonFlags.superseded, False, "KS-084"),
        (x509.ReasonFlags.certificate_hold, False, "KS-084"),
        (x509.ReasonFlags.key_compromise, True, None),
        (None, False, None),
    ],
)
def test_a_delegate_that_its_issuer_revoked_answers_no_more_unless_it_is_not_to_be_checked(
    *, reason: x509.ReasonFlags | None, unchecked: bool, code: str | None
) -> None:
    authority, delegate = infrastructure().authority, responder(unchecked=unchecked)
    entries = {} if reason is None else {0x0C59: Revoked(at=SIGNED_AT + HOUR, reason=reason)}
    crl = parse_crl(make_crl(signer(authority), this_update=SIGNED_AT, revoked=entries))
    assert not isinstance(crl, Finding)
    known = KnownRevocations(lists={authority.certificate.subject: [revocation_list(crl)]})

    found = judged(by(delegate), known)

    assert (found.code if isinstance(found, Finding) else None) == code


@pytest.mark.parametrize(
    "forger",
    [
        pytest.param(lambda: responder(is_delegated=False), id="no OCSPSigning"),
        pytest.param(lambda: responder(issuer=infrastructure().public_authority), id="of another authority"),
        pytest.param(lambda: responder(ended=True), id="expired when it answered"),
        pytest.param(lambda: infrastructure().head, id="a signer of the same authority"),
    ],
)
def test_nobody_else_may_answer(forger: object) -> None:
    assert callable(forger)
    assert code_of(by(forger())) == "KS-081"


def test_a_changed_answer_is_refused() -> None:
    content = bytearray(answered())
    content[-1] ^= 1
    assert code_of(bytes(content)) == "KS-081"


def test_an_answer_with_a_weak_digest_is_refused() -> None:
    assert code_of(answered(digest=hashes.SHA224())) == "KS-081"


def test_an_answer_about_another_certificate_is_refused() -> None:
    people = infrastructure()
    content = make_ocsp(
        signer(people.authority), people.head.certificate, people.authority.certificate, this_update=ASKED_AT
    )
    assert code_of(content) == "KS-082"


def test_an_answer_from_the_future_is_refused() -> None:
    assert code_of(answered(this_update=NOW + timedelta(seconds=1))) == "KS-083"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
            Encoding.DER
        ),
    ],
)
def test_what_is_no_answer_is_refused(content: bytes) -> None:
    assert code_of(content) == "KS-080"


def test_the_question_names_the_certificate() -> None:
    people = infrastructure()
    asked = ocsp.load_der_ocsp_request(ocsp_request(people.seal.certificate, people.authority.certificate))
    assert asked.serial_number == people.seal.certificate.serial_number


def test_a_certificate_without_a_responder_names_none() -> None:
    assert responder_addresses(infrastructure().seal.certificate) == ()
