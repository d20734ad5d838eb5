"""The words of a verification, after ETSI EN 319 102-1: values that are stored, never exceptions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509

from app.findings import Finding
from app.formats.profile import SignerRole


class Indication(StrEnum):
    """EN 319 102-1, 5.1.2: the three answers a validation can have."""

    PASSED = "passed"
    FAILED = "failed"
    INDETERMINATE = "indeterminate"  # not decidable yet: approval or revocation data is awaited


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureCheck:
    """What the document alone says of one signature: mathematics and profile, no trust.

    Attributes:
        position: 1-based place among the transcript's signatures.
        role: the role it claims.
        xpath: where the signature stands in the package.
        line: the same as a line of the unpacked XML.
        indication: PASSED or FAILED; trust is judged afterwards.
        findings: every reason for FAILED, and warnings.
        certificate: the signer's certificate as the document carries it; it only names, never grants.
        fingerprint: SHA-256 of that certificate's DER, 64 hex digits.
        intermediates: further certificates in KeyInfo, for path building only.
        signing_time: the signed signing time, aware; None where it is missing or not signed.
        covers_content: whether a verified reference names the whole content element.
        covered_parts: Ids of the parts of the content that verified references name.
        algorithm: short name of the signature method, for example ``rsa-sha256``.
    """

    position: int
    role: SignerRole
    xpath: str
    line: int
    indication: Indication
    findings: tuple[Finding, ...]
    certificate: x509.Certificate | None
    fingerprint: str | None
    intermediates: tuple[x509.Certificate, ...]
    signing_time: datetime | None
    covers_content: bool
    covered_parts: frozenset[str]
    algorithm: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSummary:
    """One judged signature as it is stored beside the record."""

    position: int
    role: SignerRole
    indication: Indication
    fingerprint: str | None  # SHA-256 of the certificate's DER, 64 hex digits
    subject: str | None
    signing_time: datetime | None
    algorithm: str | None
    evidence: tuple[Mapping[str, str | int | None], ...] = ()  # of revocation, one a certificate, leaf first


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What holds for one transcript: the worst of its signatures and of the signer policy.

    Attributes:
        indication: FAILED refuses, INDETERMINATE holds, PASSED accepts.
        findings: all reasons, of all signatures.
        signers: every signature's own answer.
        policy_version: which acceptance and signer policies were applied.
    """

    indication: Indication
    findings: tuple[Finding, ...]
    signers: tuple[SignerSummary, ...]
    policy_version: str
