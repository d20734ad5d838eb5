"""Registrations come back as they were told, in parts of bounded size, for their round and number alone."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from app.formats.profile import SignerRole
from app.forwarding.registrations import (
    CERTIFICATES_A_SCHOOL,
    ToldCertificate,
    ToldEvent,
    ToldSchool,
    read_registrations,
    sign_registrations,
)
from app.forwarding.wire import MAX_PAYLOAD, SCHOOLS_A_PART, WireError
from app.keys import KeyRing, open_key_ring
from app.verify.certificates.standing import CertificateState
from tests.builders.world import demo_province

NOW = datetime(2026, 7, 11, tzinfo=UTC)
SNAPSHOT = UUID(int=7)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyRing:
    return open_key_ring(tmp_path_factory.mktemp("keys"), NOW)


def told(der: bytes = b"der", reason: str | None = None) -> ToldCertificate:
    return ToldCertificate(
        role=SignerRole.SCHOOL,
        der=der,
        events=(
            ToldEvent(
                state=CertificateState.PENDING, at=NOW, effective_at=None, reason=None, decided_by=None
            ),
            ToldEvent(
                state=CertificateState.REVOKED, at=NOW, effective_at=NOW, reason=reason, decided_by="24133"
            ),
        ),
    )


def school(number: int, certificates: int = 1, size: int = 3) -> ToldSchool:
    return ToldSchool(
        code=f"662430{number:04}",
        name="Trường Tiểu học Lê Lợi",
        is_public=True,
        levels=("02",),
        certificates=tuple(told(bytes(size), "Khoá bị lộ") for _ in range(certificates)),
    )


def read(keys: KeyRing, parts: list[str]) -> list[ToldSchool]:
    return [
        found
        for number, token in enumerate(parts)
        for found in read_registrations(token, keys.public(), snapshot_id=SNAPSHOT, turn=2, number=number)
    ]


def test_schools_come_back_as_they_were_told(keys: KeyRing) -> None:
    schools = [school(number) for number in range(SCHOOLS_A_PART + 1)]
    parts = list(sign_registrations(keys, SNAPSHOT, 2, schools))
    assert (len(parts), read(keys, parts)) == (2, schools)


def test_a_part_never_grows_beyond_what_is_read(keys: KeyRing) -> None:
    schools = [school(number, certificates=20, size=8000) for number in range(8)]
    parts = list(sign_registrations(keys, SNAPSHOT, 2, schools))
    assert max(map(len, parts)) < MAX_PAYLOAD * 4 / 3
    found = read(keys, parts)
    assert max(len(one.certificates) for one in found) <= CERTIFICATES_A_SCHOOL
    assert sum(len(one.certificates) for one in found) == 160
    assert {one.code for one in found} == {one.code for one in schools}


def test_a_part_is_for_its_place_alone(keys: KeyRing) -> None:
    (token,) = sign_registrations(keys, SNAPSHOT, 2, [school(1)])
    for place in (
        {"snapshot_id": UUID(int=8), "turn": 2, "number": 0},
        {"snapshot_id": SNAPSHOT, "turn": 1, "number": 0},
        {"snapshot_id": SNAPSHOT, "turn": 2, "number": 1},
    ):
        with pytest.raises(WireError):
            read_registrations(token, keys.public(), **place)  # type: ignore[arg-type]


def test_what_a_certificate_says_is_read_from_its_octets() -> None:
    credential = next(one for one in demo_province().schools if one.seal_status == "approved").seal
    entry = told(credential.certificate.public_bytes(Encoding.DER)).entry("6624305501")
    assert entry.not_after == credential.certificate.not_valid_after_utc
    assert (entry.school_code, entry.state) == ("6624305501", CertificateState.REVOKED)
    with pytest.raises(ValueError):
        told(b"no certificate").entry("6624305501")
