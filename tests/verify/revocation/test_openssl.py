"""Lists and answers that OpenSSL makes: those kept here, and new ones where the program is on the machine."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509

from app.findings import Finding
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.answer import RevocationAnswer, RevocationStatus
from app.verify.revocation.crl import crl_flaw, parse_crl, revocation_list
from app.verify.revocation.known import KnownRevocations
from app.verify.revocation.ocsp import ocsp_answer

KEPT: Final = Path(__file__).with_name("openssl")
NOW: Final = datetime(2034, 1, 1, tzinfo=UTC)
SIGNED_AT: Final = datetime(2026, 5, 28, tzinfo=UTC)
REVOKED_AT: Final = datetime(2026, 5, 20, tzinfo=UTC)
STOLEN_AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module", params=["kept", "new"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "kept":
        return KEPT
    program = shutil.which("openssl")
    if program is None or not subprocess.check_output([program, "version"]).startswith(b"OpenSSL 3"):
        pytest.skip("OpenSSL 3 is not on this machine")
    made = tmp_path_factory.mktemp("openssl")
    subprocess.run(["sh", KEPT / "make.sh", made], check=True)
    return made


def certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


@pytest.mark.parametrize(
    ("name", "moment", "status"),
    [
        ("good", SIGNED_AT, RevocationStatus.GOOD),
        ("stolen", SIGNED_AT, RevocationStatus.REVOKED),
        ("stolen", STOLEN_AT, RevocationStatus.REVOKED),
        ("stolen", datetime(2025, 12, 31, tzinfo=UTC), RevocationStatus.GOOD),
        ("held", SIGNED_AT, RevocationStatus.ON_HOLD),
        ("held", datetime(2026, 5, 19, tzinfo=UTC), RevocationStatus.GOOD),
    ],
)
def test_a_list(folder: Path, name: str, moment: datetime, status: RevocationStatus) -> None:
    crl = parse_crl((folder / "list.crl").read_bytes())
    assert not isinstance(crl, Finding)
    assert crl_flaw(crl, certificate(folder, "ca"), ACCEPTANCE, NOW) is None
    answer = revocation_list(crl).answer(certificate(folder, name))
    assert answer.evidence is not None
    assert answer.evidence.number == 0xA1
    assert answer.status_at(moment) is status


@pytest.mark.parametrize("by", ["", "-direct"])
@pytest.mark.parametrize(
    ("name", "status"), [("good", RevocationStatus.GOOD), ("stolen", RevocationStatus.REVOKED)]
)
def test_an_answer(folder: Path, name: str, by: str, status: RevocationStatus) -> None:
    content = (folder / f"{name}{by}.ocsp").read_bytes()
    issuer = certificate(folder, "ca")
    answer = ocsp_answer(
        content, certificate(folder, name), issuer, ACCEPTANCE, NOW, known=KnownRevocations()
    )
    assert isinstance(answer, RevocationAnswer)
    assert answer.status_at(SIGNED_AT) is status
    assert answer.revoked_at == (REVOKED_AT if name == "stolen" else None)
    other = ocsp_answer(
        content, certificate(folder, "held"), issuer, ACCEPTANCE, NOW, known=KnownRevocations()
    )
    assert isinstance(other, Finding)
    assert other.code == "KS-082"
