from datetime import UTC, datetime, timedelta, timezone

import pytest
from lxml import etree

from app.formats.parser import parse_secure
from app.verify.policy import ACCEPTANCE
from app.verify.signing_time import read_date_time
from tests.builders.pki import SIGNED_AT, infrastructure, issue, private_key
from tests.builders.xmldsig import (
    CONTENT_ID,
    DS,
    SHA1,
    Template,
    check,
    codes,
    der64,
    reference,
    signed,
    signing_time_object,
    xades_object,
)

CONTENT = reference(f"#{CONTENT_ID}")
VIETNAM = timezone(timedelta(hours=7))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-28T09:30:00", datetime(2026, 5, 28, 9, 30, tzinfo=VIETNAM)),
        ("2026-05-28T09:30:00+07:00", datetime(2026, 5, 28, 9, 30, tzinfo=VIETNAM)),
        ("2026-05-28T02:30:00Z", datetime(2026, 5, 28, 2, 30, tzinfo=UTC)),
        ("2026-05-27T22:30:00-04:00", datetime(2026, 5, 28, 2, 30, tzinfo=UTC)),
        ("\n 2026-05-28T02:30:00.1234567Z ", datetime(2026, 5, 28, 2, 30, 0, 123456, tzinfo=UTC)),
        ("2026-05-28T16:30:00+14:00", datetime(2026, 5, 28, 2, 30, tzinfo=UTC)),
    ],
)
def test_moments_are_read_and_have_the_legal_offset_where_they_state_none(
    text: str, moment: datetime
) -> None:
    read = read_date_time(text, ACCEPTANCE.zone_when_missing)

    assert read == moment
    assert read is not None
    assert read.tzinfo is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-05-28",
        "28/05/2026 09:30:00",
        "2026-02-30T09:30:00",
        "2026-05-28T24:00:00",
        "2026-05-28T09:30",
        "2026-05-28T09:30:60",
        "2026-05-28T09:30:00+15:00",
        "2026-05-28T09:30:00+07:60",
        "2026-05-28T09:30:00+7:00",
        "-2026-05-28T09:30:00",
        "0000-05-28T09:30:00",
        "0001-01-01T00:00:00+14:00",
        "９９９９-05-28T09:30:00",
        "2026-05-28T09:30:00Z2026",
    ],
)
def test_what_is_no_moment_is_not_read(text: str) -> None:
    assert read_date_time(text, ACCEPTANCE.zone_when_missing) is None


def test_a_signature_without_a_signing_time_is_refused() -> None:
    template = Template(references=(CONTENT,), objects=())

    assert codes(check(signed(infrastructure().seal, template))) == ["KS-025"]


def test_a_signing_time_that_no_reference_covers_is_refused() -> None:
    template = Template(references=(CONTENT,))

    assert codes(check(signed(infrastructure().seal, template))) == ["KS-026"]


def test_a_xades_time_that_no_reference_covers_is_refused() -> None:
    seal = infrastructure().seal
    template = Template(references=(CONTENT,), objects=(xades_object(seal.certificate),))

    assert codes(check(signed(seal, template))) == ["KS-026"]


def test_a_signing_time_in_another_place_is_none() -> None:
    stray = '<ds:Object Id="time-1"><SigningTime xmlns="">2026-05-28T09:30:00</SigningTime></ds:Object>'
    template = Template(objects=(stray,))

    assert codes(check(signed(infrastructure().seal, template))) == ["KS-025"]


def test_a_time_that_is_none_is_refused() -> None:
    template = Template(objects=(signing_time_object("hôm nay"),))

    assert codes(check(signed(infrastructure().seal, template))) == ["KS-027"]


def test_two_signed_times_that_differ_are_refused() -> None:
    seal = infrastructure().seal
    template = Template(
        references=(CONTENT, reference("#time-1"), reference("#signed-1")),
        objects=(signing_time_object(), xades_object(seal.certificate, time="2026-05-28T09:30:01+07:00")),
    )

    assert codes(check(signed(seal, template))) == ["KS-028"]


def test_the_same_moment_written_twice_is_one() -> None:
    seal = infrastructure().seal
    template = Template(
        references=(CONTENT, reference("#time-1"), reference("#signed-1")),
        objects=(signing_time_object(), xades_object(seal.certificate, time="2026-05-28T02:30:00Z")),
    )

    found = check(signed(seal, template))

    assert codes(found) == []
    assert found.signing_time == SIGNED_AT


@pytest.mark.parametrize("covered", ["Object", "SignatureProperties", "SignatureProperty"])
def test_whatever_holds_the_time_may_be_what_is_signed(covered: str) -> None:
    text = (
        signing_time_object()
        .replace(' Id="time-1"', "")
        .replace(f"<ds:{covered}", f'<ds:{covered} Id="time-1"', 1)
    )

    assert codes(check(signed(infrastructure().seal, Template(objects=(text,))))) == []


def test_a_signing_time_in_the_namespace_of_signatures_is_read() -> None:
    text = signing_time_object().replace('<SigningTime xmlns="">', "<ds:SigningTime>")
    text = text.replace("</SigningTime>", "</ds:SigningTime>")

    found = check(signed(infrastructure().seal, Template(objects=(text,))))

    assert codes(found) == []
    assert found.signing_time == SIGNED_AT


def test_a_reference_to_one_object_does_not_cover_another() -> None:
    other = f'<ds:Object Id="khac"><ds:SignatureProperties xmlns:ds="{DS}"/></ds:Object>'
    template = Template(references=(CONTENT, reference("#khac")), objects=(signing_time_object(), other))

    assert codes(check(signed(infrastructure().seal, template))) == ["KS-026"]


def test_xades_without_the_signing_certificate_is_refused() -> None:
    seal = infrastructure().seal
    template = Template(
        references=(CONTENT, reference("#signed-1")),
        objects=(xades_object(seal.certificate, names_certificate=False),),
    )

    assert codes(check(signed(seal, template))) == ["KS-029"]


def test_a_certificate_exchanged_for_another_of_the_same_key_is_found_by_xades() -> None:
    people = infrastructure()
    other = issue("Trường khác", people.seal.key, people.authority)
    template = Template(
        references=(CONTENT, reference("#signed-1")), objects=(xades_object(other.certificate),)
    )

    assert codes(check(signed(people.seal, template))) == ["KS-030"]


def test_the_certificates_digest_may_not_be_weak() -> None:
    seal = infrastructure().seal
    template = Template(
        references=(CONTENT, reference("#signed-1")), objects=(xades_object(seal.certificate, digest=SHA1),)
    )

    assert codes(check(signed(seal, template))) == ["KS-016"]


def test_the_older_signing_certificate_is_read_too() -> None:
    seal = issue("Trường thử nghiệm số 1", private_key("p256", 51))
    text = xades_object(seal.certificate).replace("SigningCertificateV2", "SigningCertificate")
    template = Template(references=(CONTENT, reference("#signed-1")), objects=(text,))

    assert codes(check(signed(seal, template))) == []


def test_a_signing_certificate_without_a_digest_names_nothing() -> None:
    seal = infrastructure().seal
    text = xades_object(seal.certificate)
    start, end = text.index("<x:CertDigest>"), text.index("</x:Cert>")
    template = Template(references=(CONTENT, reference("#signed-1")), objects=(text[:start] + text[end:],))

    assert codes(check(signed(seal, template))) == ["KS-030"]


def test_properties_that_nobody_signed_do_not_vouch_for_an_exchanged_certificate() -> None:
    people = infrastructure()
    other = issue("Trường khác", people.seal.key, people.authority)
    template = Template(
        references=(CONTENT, reference("#signed-1")), objects=(xades_object(people.seal.certificate),)
    )
    root = signed(people.seal, template)
    unsigned_object = xades_object(other.certificate).replace("signed-1", "signed-2")
    text = etree.tostring(root, encoding="unicode")
    text = text.replace("</ds:Signature>", f"{unsigned_object}</ds:Signature>")
    text = text.replace(der64(people.seal.certificate), der64(other.certificate))

    assert codes(check(parse_secure(text.encode()))) == ["KS-030"]


def test_properties_that_nobody_signed_are_not_read() -> None:
    people = infrastructure()
    stray = xades_object(people.head.certificate, time="2001-01-01T00:00:00Z").replace("signed-1", "signed-2")
    template = Template(
        references=(CONTENT, reference("#signed-1")), objects=(stray, xades_object(people.seal.certificate))
    )

    found = check(signed(people.seal, template))

    assert codes(found) == []
    assert found.signing_time == SIGNED_AT
