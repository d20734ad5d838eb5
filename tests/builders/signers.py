"""Signers of one transcript, as checks that hold by themselves, and the registry that knows them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from app.formats.profile import NamedPerson, SignerRole
from app.verify.certificates.standing import CertificateEntry, CertificateEvent, CertificateState
from app.verify.chain import OwnerClass, TrustAnchor, TrustList
from app.verify.policy import ACCEPTANCE
from app.verify.signer_policy import SIGNER_RULES, SignerPolicy
from app.verify.signers import Entries, judge
from app.verify.verdict import Indication, SignatureCheck, Verdict
from tests.builders.pki import (
    NOT_AFTER,
    NOT_BEFORE,
    RECEIVED_AT,
    SIGNED_AT,
    Holder,
    infrastructure,
)

SCHOOL = "66THCS001"
DAY = timedelta(days=1)
PEOPLE = (
    NamedPerson(role=SignerRole.HEAD, full_name="Y Bhăm Êban", identity_number="066080000002"),
    NamedPerson(role=SignerRole.CLASS_TEACHER, full_name="H'Blơm Niê", identity_number="066190000001"),
    NamedPerson(
        role=SignerRole.SUBJECT_TEACHER,
        full_name="Trần Văn Đức",
        identity_number="066085000003",
        parts=frozenset({"mon-15", "mon-26"}),
    ),
    NamedPerson(
        role=SignerRole.SUBJECT_TEACHER,
        full_name="Lê Thị Hoa",
        identity_number=None,
        parts=frozenset({"mon-19"}),
    ),
)
PENDING, APPROVED, REJECTED, SUSPENDED, REVOKED = CertificateState


def trust() -> TrustList:
    people = infrastructure()
    return TrustList(
        version="trust-7",
        anchors=(
            TrustAnchor(certificate=people.root.certificate, owner_class=OwnerClass.PUBLIC_SECTOR),
            TrustAnchor(certificate=people.public_root.certificate, owner_class=OwnerClass.LICENSED_PUBLIC),
        ),
    )


TRUST = trust()


def policy(
    *, province: str = "66", is_digitised: bool = False, school_is_public: bool = True
) -> SignerPolicy:
    return SIGNER_RULES.select(
        province=province,
        level="03",
        school_year="2025-2026",
        is_digitised=is_digitised,
        school_is_public=school_is_public,
    )


def sound(
    holder: Holder,
    role: SignerRole = SignerRole.SCHOOL,
    *,
    at: datetime = SIGNED_AT,
    parts: frozenset[str] = frozenset(),
) -> SignatureCheck:
    """A signature that holds by itself."""
    return SignatureCheck(
        position=1,
        role=role,
        xpath="/GoiHocBa/HocBa[1]/DanhSachChuKy/ChuKy[1]/Signature",
        line=77,
        indication=Indication.PASSED,
        findings=(),
        certificate=holder.certificate,
        fingerprint=holder.fingerprint,
        intermediates=holder.issuers,
        signing_time=at,
        covers_content=not parts,
        covered_parts=parts,
        algorithm="rsa-sha256",
    )


def entry(
    holder: Holder,
    *states: CertificateState,
    role: SignerRole = SignerRole.SCHOOL,
    school: str = SCHOOL,
    at: datetime = SIGNED_AT - DAY,
) -> CertificateEntry:
    return CertificateEntry(
        fingerprint=holder.fingerprint,
        school_code=school,
        role=role,
        not_before=NOT_BEFORE,
        not_after=NOT_AFTER,
        events=tuple(
            CertificateEvent(state=state, at=at + timedelta(hours=hour)) for hour, state in enumerate(states)
        ),
    )


def register(*entries: CertificateEntry) -> Entries:
    known: dict[str, list[CertificateEntry]] = {}
    for item in entries:
        known.setdefault(item.fingerprint, []).append(item)
    return known


def judged(
    checks: Sequence[SignatureCheck],
    entries: Entries | None = None,
    *,
    rules: SignerPolicy | None = None,
    people: Sequence[NamedPerson] = PEOPLE,
    received_at: datetime = RECEIVED_AT,
) -> Verdict:
    seal, head = infrastructure().seal, infrastructure().head
    usual = register(entry(seal, PENDING, APPROVED), entry(head, PENDING, APPROVED, role=SignerRole.HEAD))
    return judge(
        checks,
        people=people,
        entries=usual if entries is None else entries,
        school_code=SCHOOL,
        trust=TRUST,
        policy=rules or policy(),
        acceptance=ACCEPTANCE,
        received_at=received_at,
    )


def codes(verdict: Verdict) -> list[str]:
    assert all(item.message_vi and item.message_en for item in verdict.findings)
    return [item.code for item in verdict.findings]


SEAL = sound(infrastructure().seal)
