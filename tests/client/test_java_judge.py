"""The JDK's XML Signature, with secure validation on, accepts what the sender signs."""

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from app.client.packaging import NAMESPACE, standing_alone
from app.client.signing import Canonicalisation, Role, Style, sign_transcript
from app.demo.authority import KeyKind, OwnerClass, found_authority, issue_seal
from app.demo.province import build_province
from app.demo.transcripts import compose_school, sign_composed

AT = datetime(2026, 5, 28, 2, 0, tzinfo=UTC)
SOURCE = Path(__file__).parents[1] / "oracles/java/VerifyTranscript.java"

pytestmark = pytest.mark.skipif(shutil.which("java") is None, reason="no Java on this machine")


def judged(document: Path) -> list[str]:
    done = subprocess.run(["java", SOURCE, document], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_signed_transcript_of_the_demo_is_valid_and_a_changed_one_is_not(tmp_path: Path) -> None:
    province = build_province(at=AT, pupils_per_school=1)
    composed = compose_school(province, province.schools[1], signed_at=AT)[0]
    xml = standing_alone(sign_composed(composed, signed_at=AT))
    (tmp_path / "right.xml").write_bytes(xml)
    answers = judged(tmp_path / "right.xml")
    assert answers == ["valid"] * 10
    name = composed.pupil.person.full_name.encode()
    (tmp_path / "changed.xml").write_bytes(xml.replace(b"<HoTen>" + name, b"<HoTen>X" + name))
    content_id = f"#hb-{composed.record_id.hex}"
    # The subject teachers signed their subjects alone: those still hold.
    assert judged(tmp_path / "changed.xml") == ["valid"] * 7 + [f"invalid {content_id}"] * 3


def test_every_form_of_signature_is_valid(tmp_path: Path) -> None:
    authority = found_authority(OwnerClass.PUBLIC_SECTOR, at=AT)
    transcript = etree.fromstring(
        f'<HocBa xmlns="{NAMESPACE}"><NoiDung Id="hb-{"0" * 32}"><HoTen>Y Bhiăo Niê</HoTen></NoiDung></HocBa>'
    )
    seals = [
        issue_seal(authority, school_name="Trường", locality="Buôn Hồ", at=AT, kind=kind) for kind in KeyKind
    ]
    forms = [
        (seal, style, method, is_pss)
        for seal, schemes in zip(seals, ([False, True], [False]), strict=True)
        for style in Style
        for method in Canonicalisation
        for is_pss in schemes
    ]
    for seal, style, method, is_pss in forms:
        sign_transcript(
            transcript,
            role=Role.SCHOOL,
            key=seal.key,
            certificate=seal.certificate,
            signed_at=AT,
            style=style,
            canonicalisation=method,
            is_pss=is_pss,
        )
    (tmp_path / "forms.xml").write_bytes(standing_alone(transcript))
    assert judged(tmp_path / "forms.xml") == ["valid"] * len(forms)
