"""Registrations as a province tells them: schools, certificates, every decision on them, signed. Pure.

The ministry judges signatures by these decisions and by its own trust list. What a certificate says of itself
is read from its octets, not from what the province says beside them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import pybase64
from cryptography import x509

from app.formats.profile import SignerRole
from app.forwarding.wire import (
    MAX_PAYLOAD,
    REGISTRATIONS_TYPE,
    SCHOOLS_A_PART,
    UNREADABLE,
    WireError,
    read_signed,
)
from app.ids import hex32
from app.keys import KeyRing
from app.snapshots.manifest import ISSUER, canonical
from app.verify.certificates.standing import CertificateEntry, CertificateEvent, CertificateState
from app.verify.chain import fingerprint_of

# Certificates of one school in one part; a school with more stands in the next part again.
CERTIFICATES_A_SCHOOL: Final = 8
BYTES_A_PART: Final = MAX_PAYLOAD // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent:
    """One decision on a certificate; ``decided_by`` is the code of the authority whose officer decided."""

    state: CertificateState
    at: datetime
    effective_at: datetime | None
    reason: str | None
    decided_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldCertificate:
    """A certificate as it was registered, with all that was decided on it."""

    role: SignerRole
    der: bytes
    events: tuple[ToldEvent, ...]

    def entry(self, school_code: str) -> CertificateEntry:
        """Give it as judging signatures takes it; ValueError where the octets are no certificate."""
        found = x509.load_der_x509_certificate(self.der)
        return CertificateEntry(
            fingerprint=fingerprint_of(found),
            school_code=school_code,
            role=self.role,
            not_before=found.not_valid_before_utc,
            not_after=found.not_valid_after_utc,
            events=tuple(
                CertificateEvent(
                    state=event.state, at=event.at, effective_at=event.effective_at, reason=event.reason
                )
                for event in self.events
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldSchool:
    """A school whose records stand in the snapshot, with certificates that it has registered."""

    code: str
    name: str
    is_public: bool
    levels: tuple[str, ...]
    certificates: tuple[ToldCertificate, ...]


def sign_registrations(
    keys: KeyRing, snapshot_id: UUID, turn: int, schools: Iterable[ToldSchool]
) -> Iterator[str]:
    """Give the parts of a round's registrations, each signed and of bounded size."""
    for number, part in enumerate(_parts(schools)):
        claims = {
            "iss": ISSUER,
            "snapshot_id": hex32(snapshot_id),
            "round": turn,
            "number": number,
            "schools": part,
        }
        yield keys.sign(canonical(claims), kind=REGISTRATIONS_TYPE)


def _parts(schools: Iterable[ToldSchool]) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    size = 0
    for school in schools:
        for written in _written(school):
            added = len(canonical(written))
            if part and (len(part) == SCHOOLS_A_PART or size + added > BYTES_A_PART):
                yield part
                part, size = [], 0
            part.append(written)
            size += added
    if part:
        yield part


def _written(school: ToldSchool) -> Iterator[dict[str, Any]]:
    certificates = school.certificates
    for first in range(0, max(len(certificates), 1), CERTIFICATES_A_SCHOOL):
        yield {
            "code": school.code,
            "name": school.name,
            "is_public": school.is_public,
            "levels": list(school.levels),
            "certificates": [
                _written_certificate(one) for one in certificates[first : first + CERTIFICATES_A_SCHOOL]
            ],
        }


def _written_certificate(one: ToldCertificate) -> dict[str, Any]:
    return {
        "role": one.role,
        "der": pybase64.b64encode(one.der).decode(),
        "events": [
            {
                "state": event.state,
                "at": event.at.isoformat(),
                "effective_at": None if event.effective_at is None else event.effective_at.isoformat(),
                "reason": event.reason,
                "decided_by": event.decided_by,
            }
            for event in one.events
        ],
    }


def read_registrations(
    token: str, keys: Sequence[Mapping[str, Any]], *, snapshot_id: UUID, turn: int, number: int
) -> Sequence[ToldSchool]:
    """Verify a part of a round's registrations and read it; WireError for any other."""
    claims = read_signed(token, keys, REGISTRATIONS_TYPE)
    try:
        named = (UUID(claims["snapshot_id"]), claims["round"], claims["number"])
        schools = [_school(told) for told in claims["schools"]]
    except UNREADABLE as error:
        raise WireError("registrations") from error
    if named != (snapshot_id, turn, number):
        raise WireError("number")
    return schools


def _school(told: Mapping[str, Any]) -> ToldSchool:
    if type(told["is_public"]) is not bool:
        raise WireError("is_public")
    return ToldSchool(
        code=_text(told["code"]),
        name=_text(told["name"]),
        is_public=told["is_public"],
        levels=tuple(_text(level) for level in told["levels"]),
        certificates=tuple(_certificate(one) for one in told["certificates"]),
    )


def _certificate(told: Mapping[str, Any]) -> ToldCertificate:
    return ToldCertificate(
        role=SignerRole(told["role"]),
        der=pybase64.b64decode(_text(told["der"]), validate=True),
        events=tuple(
            ToldEvent(
                state=CertificateState(event["state"]),
                at=_moment(event["at"]),
                effective_at=None if event["effective_at"] is None else _moment(event["effective_at"]),
                reason=None if event["reason"] is None else _text(event["reason"]),
                decided_by=None if event["decided_by"] is None else _text(event["decided_by"]),
            )
            for event in told["events"]
        ),
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise WireError("text")
    return value


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise WireError("moment")
    return moment
