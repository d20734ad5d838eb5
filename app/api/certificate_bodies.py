"""What travels in requests and answers about certificates."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from app.api.texts import Asked, Moment, Prose, SchoolCode, UuidText
from app.findings import CATALOGUE
from app.ids import hex32
from app.verify.certificates.checks import Check, CheckName
from app.verify.certificates.decisions import Action, Decision, RevocationReason
from app.verify.certificates.possession import MAX_CERTIFICATE_CHARACTERS, to_pem
from app.verify.certificates.registry import HistoryLine, Registration
from app.verify.certificates.standing import CertificateState
from app.verify.verdict import Indication

MAX_DECISIONS = 500


class ChallengeIn(Asked):
    """Trường sẽ đăng ký chứng thư số / the school that will register."""

    school_code: SchoolCode


class ChallengeOut(BaseModel):
    """Chuỗi cần ký để chứng minh sở hữu khoá / the nonce to sign."""

    challenge_id: str
    nonce: str
    expires_at: datetime


class ProofIn(Asked):
    """Chữ ký lên ``hocba-possession:`` + nonce bằng khoá của chứng thư số / the proof of possession."""

    challenge_id: UuidText
    signature: Annotated[str, Field(max_length=4096, description="base64 (RFC 4648 §4)")]
    algorithm: Annotated[str, Field(max_length=16, examples=["RS256", "ES256"])]


class RegistrationIn(Asked):
    """Đăng ký chứng thư số / a registration."""

    school_code: SchoolCode
    role: Literal["NHA_TRUONG", "THU_TRUONG"]
    certificate: Annotated[
        str, Field(max_length=MAX_CERTIFICATE_CHARACTERS, description="PEM, hoặc base64 của DER / of DER")
    ]
    proof: ProofIn
    renews: UuidText | None = None


class ReasonIn(Asked):
    """Lý do / a reason."""

    reason: Prose | None = None


class SuspensionIn(ReasonIn):
    """Tạm dừng / a suspension."""

    effective_at: Moment | None = None


class RevocationIn(SuspensionIn):
    """Thu hồi / a revocation (RFC 5280, 5.3.1)."""

    reason_code: RevocationReason | None = None


class DecisionsIn(RevocationIn):
    """Một quyết định cho nhiều chứng thư số / one decision on many certificates."""

    certificate_ids: Annotated[list[UuidText], Field(min_length=1, max_length=MAX_DECISIONS)]
    action: Action

    def decision(self) -> Decision:
        """Give what is decided on each."""
        return Decision(
            action=self.action,
            reason=self.reason,
            reason_code=self.reason_code,
            effective_at=self.effective_at,
        )


class ProblemOut(BaseModel):
    """Vì sao không quyết định được / why one was not decided."""

    code: str
    title: str
    title_en: str
    detail: str
    detail_en: str

    @classmethod
    def of(cls, code: str, facts: dict[str, str | int]) -> Self:
        """Write out a refusal."""
        cause = CATALOGUE[code]
        return cls(
            code=code,
            title=cause.title_vi,
            title_en=cause.title_en,
            detail=cause.detail_vi.format(**facts),
            detail_en=cause.detail_en.format(**facts),
        )


class DecisionOut(BaseModel):
    """Kết quả của một chứng thư số / what became of one."""

    certificate_id: str
    state: CertificateState | None = None
    problem: ProblemOut | None = None


class DecisionsOut(BaseModel):
    """Kết quả theo thứ tự đã gửi / results in the order asked."""

    results: list[DecisionOut]


class CheckOut(BaseModel):
    """Một kiểm tra tự động / one automatic check."""

    name: CheckName
    indication: Indication
    code: str | None
    message_vi: str | None
    message_en: str | None

    @classmethod
    def of(cls, check: Check) -> Self:
        """Write out a check."""
        reason = check.finding
        return cls(
            name=check.name,
            indication=check.indication,
            code=None if reason is None else reason.code,
            message_vi=None if reason is None else reason.message_vi,
            message_en=None if reason is None else reason.message_en,
        )


class HistoryOut(BaseModel):
    """Một dòng lịch sử / one line of the history."""

    source: CertificateState | None
    target: CertificateState
    at: datetime
    effective_at: datetime | None
    actor_kind: str
    actor_id: str
    reason: str | None
    reason_code: str | None

    @classmethod
    def of(cls, line: HistoryLine) -> Self:
        """Write out a line."""
        return cls(
            source=line.source,
            target=line.target,
            at=line.at,
            effective_at=line.effective_at,
            actor_kind=line.actor_kind,
            actor_id=line.actor_id,
            reason=line.reason,
            reason_code=line.reason_code,
        )


class CertificateOut(BaseModel):
    """Một chứng thư số đã đăng ký / a registered certificate."""

    certificate_id: str
    school_code: str
    school_name: str
    role: str
    state: CertificateState
    fingerprint: str = Field(description="SHA-256 của DER / of the DER")
    key_fingerprint: str = Field(description="SHA-256 của khoá công khai / of the public key")
    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    renews: str | None
    registered_at: datetime

    @classmethod
    def of(cls, found: Registration) -> Self:
        """Write out a registration."""
        return cls(**_fields(found))


class CertificateDetail(CertificateOut):
    """Chứng thư số với kiểm tra và lịch sử / a certificate with checks and history."""

    pem: str
    checks: list[CheckOut]
    history: list[HistoryOut]

    @classmethod
    def whole(cls, found: Registration, checks: Sequence[Check], lines: Sequence[HistoryLine]) -> Self:
        """Write out all that is known of a registration."""
        return cls(
            **_fields(found),
            pem=to_pem(found.der),
            checks=[CheckOut.of(check) for check in checks],
            history=[HistoryOut.of(line) for line in lines],
        )


def _fields(found: Registration) -> dict[str, Any]:
    return {
        "certificate_id": hex32(found.id),
        "school_code": found.school_code,
        "school_name": found.school_name,
        "role": found.role,
        "state": found.state,
        "fingerprint": found.fingerprint,
        "key_fingerprint": found.key_fingerprint,
        "subject": found.subject,
        "issuer": found.issuer,
        "serial_number": found.serial_number,
        "not_before": found.not_before,
        "not_after": found.not_after,
        "renews": _hex(found.renews),
        "registered_at": found.registered_at,
    }


def _hex(value: UUID | None) -> str | None:
    return None if value is None else hex32(value)
