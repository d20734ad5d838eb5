"""The demo's certificates hold by the rules that real ones are judged by."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store

from app.demo.authority import (
    Authority,
    KeyKind,
    OwnerClass,
    found_authority,
    issue_personal,
    issue_seal,
)

AT = datetime(2026, 5, 28, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return found_authority(OwnerClass.PUBLIC_SECTOR, at=AT)


def test_a_seal_names_the_school_and_chains_to_the_root(authority: Authority) -> None:
    seal = issue_seal(authority, school_name="Trường THCS Ngô Mây", locality="Phường Buôn Hồ", at=AT)
    names = {item.oid: item.value for item in seal.certificate.subject}
    assert names[NameOID.ORGANIZATION_NAME] == names[NameOID.COMMON_NAME] == "Trường THCS Ngô Mây"
    assert isinstance(seal.key, rsa.RSAPrivateKey)
    seal.certificate.verify_directly_issued_by(authority.issuing.certificate)
    authority.issuing.certificate.verify_directly_issued_by(authority.root.certificate)
    chain = path(authority, seal.certificate)
    assert [item.subject for item in chain] == [
        seal.certificate.subject,
        authority.issuing.certificate.subject,
        authority.root.certificate.subject,
    ]


def path(authority: Authority, leaf: x509.Certificate) -> list[x509.Certificate]:
    """RFC 5280 path validation, for certificates that are no web servers'."""
    any_leaf = ExtensionPolicy.permit_all().require_present(x509.KeyUsage, Criticality.CRITICAL, None)
    builder = (
        PolicyBuilder()
        .time(AT)
        .store(Store([authority.root.certificate]))
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=any_leaf)
    )
    return builder.build_client_verifier().verify(leaf, [authority.issuing.certificate]).chain


def test_a_person_carries_name_title_and_identity_number(authority: Authority) -> None:
    teacher = issue_personal(
        authority,
        full_name="H’Nuôn Êban",
        identity_number="066185001234",
        school_name="Trường THCS Ngô Mây",
        title="Giáo viên",
        at=AT,
    )
    names = {item.oid: item.value for item in teacher.certificate.subject}
    assert names[NameOID.COMMON_NAME] == "H’Nuôn Êban"
    assert names[NameOID.USER_ID] == "CCCD:066185001234"
    assert isinstance(teacher.key, ec.EllipticCurvePrivateKey)
    assert load_pem_private_key(teacher.key_pem, None).public_key() == teacher.certificate.public_key()


def test_subscribers_live_three_years_at_most_and_are_valid_at_the_moment(authority: Authority) -> None:
    seal = issue_seal(authority, school_name="A" * 90, locality="X", at=AT, kind=KeyKind.P_256).certificate
    assert seal.not_valid_before_utc < AT < seal.not_valid_after_utc
    assert seal.not_valid_after_utc - seal.not_valid_before_utc <= timedelta(days=3 * 365)
    usage = seal.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert not usage.key_cert_sign


def test_the_two_hierarchies_are_strangers(authority: Authority) -> None:
    other = found_authority(OwnerClass.LICENSED_PUBLIC, at=AT)
    assert set(other.anchors).isdisjoint(authority.anchors)
    assert all("THỬ NGHIỆM" in item.subject.rfc4514_string() for item in (*other.anchors, *authority.anchors))
