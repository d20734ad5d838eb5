"""RFC 5280 by NIST's public suite: every path of PKITS, with its revocation lists.

The suite asks for revocation data, so each case is judged as under the policy ``require``. Its expected
verdict is in the name of the signer's certificate: Valid... or Invalid....
"""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

import cryptography_vectors
import pytest
from cryptography import x509

import app
from app.findings import Finding
from app.verify.chain import OwnerClass, TrustAnchor, TrustList, build_path
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.answer import RevocationStatus
from app.verify.revocation.crl import RevocationList, crl_flaw, parse_crl, revocation_list
from app.verify.revocation.known import KnownRevocations

# Some certificates of the suite have the serial number 0 or a negative one, as it means to.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")

SUITE: Final = Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"
AT: Final = datetime(2026, 6, 1, tzinfo=UTC)
GROUPS: Final = tomllib.loads(Path(__file__).with_name("pkits-divergences.toml").read_text("utf-8"))["group"]
DIFFERENT: Final[Mapping[str, str]] = {name: group["verdict"] for group in GROUPS for name in group["cases"]}
CASES: Final = sorted(path.stem for path in (SUITE / "certs").glob("*EE.crt"))


@cache
def authorities() -> tuple[x509.Certificate, ...]:
    return tuple(
        x509.load_der_x509_certificate(path.read_bytes())
        for path in sorted((SUITE / "certs").glob("*.crt"))
        if not path.stem.endswith("EE") and not path.stem.startswith("DSAParametersInherited")
    )


@cache
def root() -> x509.Certificate:
    content = (SUITE / "certs" / "TrustAnchorRootCertificate.crt").read_bytes()
    return x509.load_der_x509_certificate(content)


@cache
def trust() -> TrustList:
    anchor = TrustAnchor(certificate=root(), owner_class=OwnerClass.PUBLIC_SECTOR)
    return TrustList(version="pkits", anchors=(anchor,))


@cache
def refused_lists() -> Mapping[str, str]:
    """The code by which each list of the suite is refused; the others are in ``known``."""
    refused = {}
    for path in sorted((SUITE / "crls").glob("*.crl")):
        judged = judge_list(path)
        if isinstance(judged, str):
            refused[path.stem] = judged
    return refused


@cache
def judge_list(path: Path) -> RevocationList | str:
    crl = parse_crl(path.read_bytes())
    if isinstance(crl, Finding):
        return crl.code
    code = "KS-071"
    for issuer in authorities():
        if issuer.subject == crl.issuer:
            flaw = crl_flaw(crl, issuer, ACCEPTANCE, AT)
            if flaw is None:
                return revocation_list(crl)
            code = flaw.code
    return code


@cache
def known() -> KnownRevocations:
    lists: dict[x509.Name, list[RevocationList]] = {}
    for path in sorted((SUITE / "crls").glob("*.crl")):
        judged = judge_list(path)
        if isinstance(judged, RevocationList):
            lists.setdefault(judged.issuer, []).append(judged)
    return KnownRevocations(lists=lists)


def verdict_on(name: str) -> str:
    try:
        leaf = x509.load_der_x509_certificate((SUITE / "certs" / f"{name}.crt").read_bytes())
    except ValueError:
        return "unreadable"
    intermediates = tuple(c for c in authorities() if c != root())
    path = build_path(leaf, intermediates, trust(), ACCEPTANCE, AT)
    if path.finding is not None:
        return path.finding.code
    statuses = [known().answer(certificate).status_at(AT) for certificate in path.chain[:-1]]
    return next((status for status in statuses if status is not RevocationStatus.GOOD), "ok")


def test_the_whole_suite_is_here() -> None:
    assert len(CASES) == 223
    assert set(DIFFERENT) <= set(CASES)
    assert len(DIFFERENT) == sum(len(group["cases"]) for group in GROUPS)


@pytest.mark.parametrize("name", CASES)
def test_a_case_has_the_suites_verdict_or_one_that_is_explained(name: str) -> None:
    verdict = verdict_on(name)
    if name in DIFFERENT:
        assert verdict == DIFFERENT[name]
        is_as_the_suite_says = (name.startswith("Valid") and verdict == "ok") or (
            name.startswith("Invalid") and verdict != "ok"
        )
        assert not is_as_the_suite_says, "explained, but not different: take it off the list"
    else:
        assert name.startswith(("Valid", "Invalid"))
        assert (verdict == "ok") == name.startswith("Valid")


def test_each_list_that_tells_only_a_part_is_refused_for_what_it_is() -> None:
    refused = refused_lists()
    assert refused["BadCRLSignatureCACRL"] == "KS-072"
    assert refused["BadCRLIssuerNameCACRL"] == "KS-071"
    assert refused["DSACACRL"] == "KS-073"
    assert refused["keyUsageCriticalcRLSignFalseCACRL"] == "KS-074"
    assert refused["indirectCRLCA1CRL"] == "KS-075"
    assert refused["deltaCRLCA1deltaCRL"] == "KS-076"
    assert refused["UnknownCRLExtensionCACRL"] == "KS-077"
    assert refused["UnknownCRLEntryExtensionCACRL"] == "KS-077"
    assert refused["onlySomeReasonsCA2CRL1"] == "KS-078"
    assert refused["onlyContainsAttributeCertsCACRL"] == "KS-078"
    assert len(refused) == 27


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: str(group["title"]))
def test_every_divergence_is_told_in_the_documents(group: Mapping[str, str]) -> None:
    page = (Path(app.__file__).parents[1] / "docs" / "divergences.md").read_text("utf-8")
    assert f"| {group['title']} |" in page
    assert group["why"] in page
