"""What the sender signs, judged by others: xmlsec (libxmlsec1), signxml, and the xmlsec1 program."""

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import SignatureMethod
from signxml.exceptions import InvalidDigest
from signxml.verifier import SignatureConfiguration, XMLVerifier
from signxml.xades.xades import XAdESVerifier

from app.client.errors import SigningError
from app.client.keys import PrivateKey
from app.client.packaging import NAMESPACE, parse, standing_alone
from app.client.signing import DS, XADES, Canonicalisation, Role, Style, canonical, sign_transcript
from tests.builders.xmlsec_judge import accepted_by_xmlsec

SIGNED_AT = datetime(2026, 5, 28, 9, 30, tzinfo=UTC)
CONTENT_ID = "hb-0123456789abcdef0123456789abcdef"
PACKAGE = f"""<GoiHocBa xmlns="{NAMESPACE}" xmlns:khac="urn:khac" phienBan="1.0"><ThongTinChung/>
<HocBa><NoiDung Id="{CONTENT_ID}"><HoTen>H’Nuôn Êban</HoTen><MonHoc Id="mon-01"><CaNam>8.5</CaNam></MonHoc>
<MonHoc Id="mon-02"><CaNam>Đ</CaNam></MonHoc></NoiDung></HocBa></GoiHocBa>"""
KEYS: dict[str, Callable[[], PrivateKey]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
}


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[PrivateKey, x509.Certificate]]:
    return {name: (key := make(), self_signed(key)) for name, make in KEYS.items()}


def self_signed(key: PrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Trường THCS Ngô Mây")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 77).not_valid_before(
        SIGNED_AT - timedelta(days=90)
    )
    return builder.not_valid_after(SIGNED_AT + timedelta(days=900)).sign(key, hashes.SHA256())


def hocba() -> etree._Element:
    return parse(PACKAGE.encode())[1]


@pytest.mark.parametrize("canonicalisation", list(Canonicalisation))
@pytest.mark.parametrize("style", list(Style))
@pytest.mark.parametrize("name", list(KEYS))
def test_libxmlsec_accepts_what_we_sign(
    pairs: dict[str, Any], name: str, style: Style, canonicalisation: Canonicalisation
) -> None:
    key, certificate = pairs[name]
    transcript = hocba()
    sign_transcript(
        transcript,
        role=Role.SCHOOL,
        key=key,
        certificate=certificate,
        signed_at=SIGNED_AT,
        style=style,
        canonicalisation=canonicalisation,
    )
    assert accepted_by_xmlsec(transcript)
    transcript[0][0].text = "H’Nuôn Êbaň"
    assert not accepted_by_xmlsec(transcript)


@pytest.mark.parametrize("canonicalisation", [Canonicalisation.EXCLUSIVE, Canonicalisation.INCLUSIVE])
@pytest.mark.parametrize("name", list(KEYS))
def test_signxml_accepts_our_xades(
    pairs: dict[str, Any], name: str, canonicalisation: Canonicalisation
) -> None:
    key, certificate = pairs[name]
    transcript = hocba()
    sign_transcript(
        transcript,
        role=Role.HEAD,
        key=key,
        certificate=certificate,
        signed_at=SIGNED_AT,
        canonicalisation=canonicalisation,
    )
    alone = standing_alone(transcript)
    verified = XAdESVerifier().verify(
        alone, x509_cert=certificate, expect_references=2, expect_signature_policy=None
    )
    covered = {item.signed_xml.get("Id") for item in verified if item.signed_xml is not None}
    assert CONTENT_ID in covered
    with pytest.raises(InvalidDigest):
        XAdESVerifier().verify(alone.replace(b">8.5<", b">9.5<"), x509_cert=certificate, expect_references=2)


def test_signxml_accepts_pss_and_sha512(pairs: dict[str, Any]) -> None:
    key, certificate = pairs["rsa"]
    transcript = hocba()
    sign_transcript(
        transcript,
        role=Role.SCHOOL,
        key=key,
        certificate=certificate,
        signed_at=SIGNED_AT,
        digest="sha512",
        is_pss=True,
    )
    config = SignatureConfiguration(
        expect_references=2,
        signature_methods=frozenset({SignatureMethod.SHA512_RSA_MGF1}),
    )
    XMLVerifier().verify(standing_alone(transcript), x509_cert=certificate, expect_config=config)


@pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="the xmlsec1 program is not here")
@pytest.mark.parametrize("style", list(Style))
def test_the_xmlsec1_program_accepts_a_stored_transcript(
    pairs: dict[str, Any], style: Style, tmp_path: Path
) -> None:
    key, certificate = pairs["rsa"]
    transcript = hocba()
    sign_transcript(
        transcript,
        role=Role.SCHOOL,
        key=key,
        certificate=certificate,
        signed_at=SIGNED_AT,
        style=style,
        canonicalisation=Canonicalisation.INCLUSIVE,
    )
    document, trusted = tmp_path / "hocba.xml", tmp_path / "seal.pem"
    document.write_bytes(standing_alone(transcript))
    trusted.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    command = ["xmlsec1", "--verify", "--pubkey-cert-pem", str(trusted)]
    for element in ("NoiDung", "SignedProperties", "SignatureProperties"):
        namespace = {"NoiDung": NAMESPACE, "SignedProperties": XADES}.get(element, DS)
        command += ["--id-attr:Id", f"{namespace}:{element}"]
    done = subprocess.run([*command, document], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_several_people_sign_the_same_content(pairs: dict[str, Any]) -> None:
    transcript = hocba()
    for role, name in zip(Role, KEYS, strict=True):
        key, certificate = pairs[name]
        covers = ["mon-02"] if role is Role.SUBJECT_TEACHER else "content"
        sign_transcript(
            transcript, role=role, key=key, certificate=certificate, signed_at=SIGNED_AT, covers=covers
        )
    assert [accepted_by_xmlsec(transcript, position) for position in range(4)] == [True] * 4
    ids = [item.get("Id") for item in transcript.iter(f"{{{DS}}}Signature")]
    assert len(set(ids)) == 4
    transcript.find(f".//{{{NAMESPACE}}}MonHoc/{{{NAMESPACE}}}CaNam").text = "9.5"  # type: ignore[union-attr]
    assert [accepted_by_xmlsec(transcript, position) for position in range(4)] == [False] * 3 + [True]


def test_the_invoice_signing_time_has_no_offset_and_no_namespace(pairs: dict[str, Any]) -> None:
    key, certificate = pairs["p256"]
    transcript = hocba()
    sign_transcript(
        transcript,
        role=Role.SCHOOL,
        key=key,
        certificate=certificate,
        signed_at=SIGNED_AT,
        style=Style.PROPERTIES,
    )
    alone = etree.fromstring(standing_alone(transcript))
    assert alone.findtext(f".//{{{DS}}}SignatureProperty/SigningTime") == "2026-05-28T16:30:00"


def test_the_inclusive_form_keeps_namespaces_in_scope() -> None:
    expected = f'<NoiDung xmlns="{NAMESPACE}" xmlns:khac="urn:khac" Id="{CONTENT_ID}">'.encode()
    content = hocba()[0]
    assert canonical(content, Canonicalisation.INCLUSIVE).startswith(expected)
    assert canonical(content, Canonicalisation.EXCLUSIVE).startswith(
        f'<NoiDung xmlns="{NAMESPACE}" Id="{CONTENT_ID}">'.encode()
    )


def refuse(pairs: dict[str, Any], transcript: etree._Element | None = None, **changes: Any) -> str:
    key, certificate = pairs["p256"]
    arguments: dict[str, Any] = {
        "role": Role.SCHOOL,
        "key": key,
        "certificate": certificate,
        "signed_at": SIGNED_AT,
        **changes,
    }
    with pytest.raises(SigningError) as caught:
        sign_transcript(hocba() if transcript is None else transcript, **arguments)
    return caught.value.en


def test_a_foreign_key_is_refused(pairs: dict[str, Any]) -> None:
    assert "belong together" in refuse(pairs, certificate=pairs["rsa"][1])


def test_a_signing_time_without_offset_is_refused(pairs: dict[str, Any]) -> None:
    assert "offset" in refuse(pairs, signed_at=SIGNED_AT.replace(tzinfo=None))


def test_a_seal_over_a_part_is_refused(pairs: dict[str, Any]) -> None:
    assert "must cover the whole content" in refuse(pairs, covers=["mon-01"])


@pytest.mark.parametrize("parts", [["mon-09"], []])
def test_a_part_that_is_not_there_is_refused(pairs: dict[str, Any], parts: list[str]) -> None:
    assert "No element carries the Id" in refuse(pairs, role=Role.SUBJECT_TEACHER, covers=parts)


def test_no_transcript_is_refused(pairs: dict[str, Any]) -> None:
    assert "no HocBa" in refuse(pairs, parse(PACKAGE.encode()))


def test_xml_attributes_are_refused(pairs: dict[str, Any]) -> None:
    transcript = hocba()
    transcript[0].set("{http://www.w3.org/XML/1998/namespace}lang", "vi")
    assert "xml:*" in refuse(pairs, transcript)
