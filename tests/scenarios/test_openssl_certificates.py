"""Certificates that OpenSSL makes by itself, from the trust list to the receipt.

Those kept beside the script that made them, and new ones where the program is on the machine.
"""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree

from app.client.packaging import Package, pack
from app.formats.parser import parse_secure
from tests.builders import transcripts
from tests.builders.enrolment import enrol, pem
from tests.builders.pki import Holder
from tests.builders.world import World
from tests.builders.xmldsig import Template, sign_in_place, signing_time_object

KEPT: Final = Path(__file__).parents[1] / "oracles" / "openssl"
KINDS: Final = ("rsa2048", "rsa3072", "prime256v1", "secp384r1", "secp521r1", "pss")
NAMES: Final = tuple(f"{kind}-{form}" for kind in KINDS for form in ("plain", "extended"))


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


def holder(folder: Path, name: str) -> Holder:
    material = (folder / f"{name}.pem").read_bytes()
    key = serialization.load_pem_private_key(material, None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    certificate, *issuers = x509.load_pem_x509_certificates(material)
    return Holder(key=key, certificate=certificate, issuers=tuple(issuers))


def school_year_after(moment: datetime) -> int:
    """Give the year in which the first school year after a moment ends: nothing of it is late."""
    return moment.year + 2


def package(signers: list[Holder], school_code: str, ends_in: int) -> Package:
    """Write a package of one pupil's transcript for each signer, sealed by it."""
    school_year = f"{ends_in - 1}-{ends_in}"
    items = []
    for number, signer in enumerate(signers, start=1):
        text = Template(objects=(signing_time_object(f"{ends_in}-05-28T09:30:00"),)).write(signer)
        text = text.replace(transcripts.record_id(1), transcripts.record_id(number))
        item = transcripts.transcript(number=number, school_year=school_year, signature=text)
        root = parse_secure(transcripts.standing_alone(item.replace(transcripts.SCHOOL_CODE, school_code)))
        sign_in_place(root, root[1][0][0], signer)
        items.append(etree.tostring(root, encoding="unicode"))
    xml = transcripts.package(items, package_id=uuid4().hex, school_code=school_code, school_year=school_year)
    return pack(xml)


async def test_what_openssl_issues_by_itself_signs_transcripts(world: World, folder: Path) -> None:
    signers = [holder(folder, name) for name in NAMES]
    ends_in = school_year_after(max(signer.certificate.not_valid_before_utc for signer in signers))
    world.clock.now = datetime(ends_in, 5, 20, 1, tzinfo=UTC)
    school = world.school("03")
    for name, kind in (
        ("root", "anchor"),
        ("authority", "intermediate"),
        ("authority-pss", "intermediate"),
    ):
        listed = await world.http.post(
            "/api/v1/trust-anchors",
            json={
                "certificate": (folder / f"{name}.pem").read_text(),
                "owner_class": "public_sector",
                "kind": kind,
            },
            headers=world.as_("quantri"),
        )
        assert listed.status_code == 201, listed.text
    token = world.as_(school.code)["Authorization"].removeprefix("Bearer ")
    for signer in signers:
        registered = await enrol(world.http, token, signer, school.code)
        await world.approve(school, registered)
        shown = await world.http.get(
            f"/api/v1/certificates/{registered}", headers=world.as_(world.authority_of(school))
        )
        checks = {check["name"]: check["indication"] for check in shown.json()["checks"]}
        assert checks.pop("revocation") == "indeterminate"  # such an authority publishes nothing
        assert set(checks.values()) == {"passed"}, shown.text

    world.clock.now += timedelta(days=10)
    result = await world.send(school, package(signers, school.code, ends_in))

    assert [(item["outcome"], item["findings"]) for item in result["items"]] == [("accepted", [])] * len(
        NAMES
    )
    for item, signer in zip(result["items"], signers, strict=True):
        record = await world.http.get(f"/api/v1/records/{item['record_id']}", headers=world.as_(school.code))
        (signature,) = record.json()["signatures"]
        assert signature["fingerprint"] == signer.fingerprint


def test_what_is_kept_is_of_both_versions() -> None:
    versions = {name: holder(KEPT, name).certificate.version for name in NAMES}

    assert versions == {
        name: x509.Version.v1 if name.endswith("plain") else x509.Version.v3 for name in NAMES
    }
    assert pem(holder(KEPT, NAMES[0]).issuers[0]) == (KEPT / "authority.pem").read_text()
