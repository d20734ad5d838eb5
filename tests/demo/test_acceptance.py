"""The demo's documents pass the service's own rules and signature checks, without as much as a warning."""

from datetime import UTC, datetime
from importlib.resources import files

import pytest

from app.client.packaging import parse, standing_alone, transcripts_of
from app.client.signing import Canonicalisation, Style, sign_transcript
from app.demo.authority import Authority, KeyKind, OwnerClass, found_authority, issue_seal
from app.demo.province import CAST, Province, build_province
from app.demo.transcripts import compose_school, package_of, sign_composed
from app.formats.hocba_1_0 import HocBaProfile
from app.verify.policy import AcceptancePolicy, read_acceptance
from app.verify.signature import check_signatures
from app.verify.verdict import Indication

AT = datetime(2026, 5, 28, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def province() -> Province:
    return build_province(at=AT, pupils_per_school=12)


@pytest.fixture(scope="module")
def acceptance() -> AcceptancePolicy:
    toml = files("app.verify").joinpath("policies/acceptance-1.toml").read_text(encoding="utf-8")
    return read_acceptance(toml)


@pytest.mark.parametrize("position", range(len(CAST["schools"])))
def test_rules_find_nothing(province: Province, position: int) -> None:
    profile, school = HocBaProfile(), province.schools[position]
    composed = compose_school(province, school, signed_at=AT)
    root = parse(package_of(province, school, [item.element for item in composed], created_at=AT))
    envelope = profile.envelope(root[0])
    found = [
        (item.code, item.xpath)
        for transcript in transcripts_of(root)
        for item in profile.read(transcript, envelope).findings
    ]
    assert found == []


@pytest.mark.parametrize("position", range(len(CAST["schools"])))
def test_every_signature_holds(province: Province, acceptance: AcceptancePolicy, position: int) -> None:
    profile, school = HocBaProfile(), province.schools[position]
    composed = compose_school(province, school, signed_at=AT)[0]
    layout = profile.layout(parse(standing_alone(sign_composed(composed, signed_at=AT))))
    checks = check_signatures(layout, acceptance)
    assert [(item.indication, item.findings) for item in checks] == [(Indication.PASSED, ())] * len(checks)
    assert checks[-1].signing_time == AT
    assert [item.covers_content for item in checks[-3:]] == [True] * 3
    assert {part for item in checks for part in item.covered_parts} == set(layout.parts)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return found_authority(OwnerClass.PUBLIC_SECTOR, at=AT)


@pytest.mark.parametrize("canonicalisation", list(Canonicalisation))
@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("scheme", ["rsa", "pss", "ecdsa"])
def test_everything_the_sender_can_sign_holds(
    *,
    province: Province,
    acceptance: AcceptancePolicy,
    authority: Authority,
    scheme: str,
    style: Style,
    canonicalisation: Canonicalisation,
) -> None:
    school = province.schools[0]
    kind = KeyKind.P_256 if scheme == "ecdsa" else KeyKind.RSA_2048
    seal = issue_seal(authority, school_name=school.name, locality="Buôn Hồ", at=AT, kind=kind)
    transcript = compose_school(province, school, signed_at=AT)[0].element
    sign_transcript(
        transcript,
        role="NHA_TRUONG",
        key=seal.key,
        certificate=seal.certificate,
        signed_at=AT,
        style=style,
        canonicalisation=canonicalisation,
        is_pss=scheme == "pss",
    )
    checks = check_signatures(HocBaProfile().layout(parse(standing_alone(transcript))), acceptance)
    assert [(item.indication, item.findings) for item in checks] == [(Indication.PASSED, ())]
    assert checks[0].signing_time == AT
