"""Proof of possession and reading of certificates, without a database."""

import pytest
from cryptography.hazmat.primitives import serialization

from app.errors import DomainError
from app.verify.certificates.possession import (
    Proof,
    check_possession,
    key_fingerprint,
    possession_message,
    read_certificate,
    to_pem,
)
from tests.builders.enrolment import pem, sign_possession, usual_algorithm
from tests.builders.pki import infrastructure, issue, private_key

NONCE = "nonce-1"
PEOPLE = infrastructure()


@pytest.mark.parametrize("kind", ["rsa2048", "rsa3072", "p256", "p384", "p521"])
def test_the_holder_of_the_key_proves_it(kind: str) -> None:
    holder = issue("x", private_key(kind, 80), PEOPLE.authority)
    algorithm = usual_algorithm(holder.key)
    for is_raw in (False, True):
        signature = sign_possession(holder.key, NONCE, algorithm, is_raw=is_raw)
        check_possession(holder.certificate, Proof(algorithm=algorithm, signature=signature), NONCE)
        with pytest.raises(DomainError, match="QH-027"):
            check_possession(holder.certificate, Proof(algorithm=algorithm, signature=signature), "other")
        flipped = signature[:-1] + bytes([signature[-1] ^ 1])
        with pytest.raises(DomainError, match="QH-027"):
            check_possession(holder.certificate, Proof(algorithm=algorithm, signature=flipped), NONCE)


def test_what_is_signed_means_nothing_elsewhere() -> None:
    assert possession_message("abc") == b"hocba-possession:abc"


@pytest.mark.parametrize("signature", [b"", b"x", bytes(64), bytes(63), b"\xff" * 64, b"\x30\x00"])
def test_malformed_signatures_are_refused(signature: bytes) -> None:
    holder = issue("x", private_key("p256", 81), PEOPLE.authority)
    with pytest.raises(DomainError, match="QH-027"):
        check_possession(holder.certificate, Proof(algorithm="ES256", signature=signature), NONCE)


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("p256", "ES384"), ("p256", "RS256"), ("rsa2048", "ES256"), ("rsa2048", "RS512"), ("k256", "ES256")],
)
def test_an_algorithm_belongs_to_its_kind_of_key(kind: str, algorithm: str) -> None:
    holder = issue("x", private_key(kind, 82), PEOPLE.authority)
    with pytest.raises(DomainError, match="QH-028"):
        check_possession(holder.certificate, Proof(algorithm=algorithm, signature=b"x"), NONCE)


def test_one_certificate_is_read_in_either_form() -> None:
    der = PEOPLE.seal.certificate.public_bytes(serialization.Encoding.DER)
    assert read_certificate(der) == read_certificate(pem(PEOPLE.seal.certificate).encode())
    assert read_certificate(to_pem(der).encode()) == PEOPLE.seal.certificate


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "QH-025"),
        (b"\x30\x03\x02\x01\x01", "QH-025"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "QH-025"),
        ((pem(PEOPLE.seal.certificate) + pem(PEOPLE.head.certificate)).encode(), "QH-025"),
        (PEOPLE.seal.pem, "QH-030"),
        (pem(PEOPLE.seal.certificate).encode() + PEOPLE.seal.pem, "QH-030"),
    ],
)
def test_anything_else_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(DomainError) as refused:
        read_certificate(content)
    assert refused.value.code == code


def test_a_truncated_or_mangled_certificate_never_escapes_as_another_error() -> None:
    der = PEOPLE.seal.certificate.public_bytes(serialization.Encoding.DER)
    for place in range(0, len(der), 7):
        for mangled in (der[:place], der[:place] + bytes([der[place] ^ 0x55]) + der[place + 1 :]):
            try:
                read_certificate(mangled)
            except DomainError as error:
                assert error.code == "QH-025"  # noqa: PT017 - reading may also succeed: one octet of a name


def test_equal_keys_have_equal_fingerprints() -> None:
    key = private_key("p256", 83)
    one, two = issue("a", key, PEOPLE.authority), issue("b", key, PEOPLE.public_authority)
    assert key_fingerprint(one.certificate) == key_fingerprint(two.certificate)
    assert key_fingerprint(one.certificate) != key_fingerprint(PEOPLE.seal.certificate)
