"""What other people's signers make in their default settings, sent over HTTP: accepted without a word.

The JDK's javax.xml.crypto, the program xmlsec1, and signxml's XAdES, each with what the format asks for
besides (docs/format.md): a reference to the content by its Id, and a signed signing time.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from lxml import etree
from signxml.util import SigningSettings
from signxml.xades.xades import XAdESSigner

from app.client.packaging import standing_alone
from app.demo.authority import Credential
from app.demo.transcripts import compose_school
from app.formats.parser import parse_secure
from tests.builders.pki import Holder
from tests.builders.world import SIGNED, World
from tests.builders.xmldsig import C14N, DS, MORE, SHA256, XADES, Template, reference, signing_time_object

JAVA: Final = Path(__file__).parents[1] / "oracles" / "java" / "SignTranscript.java"
Sign = Callable[[etree._Element, Credential, Path], etree._Element]


def with_slot(transcript: etree._Element, signature: str | None) -> etree._Element:
    """Give the transcript with one ChuKy of the seal that holds this text, or none yet."""
    slot = "" if signature is None else f'<ChuKy vaiTro="NHA_TRUONG">{signature}</ChuKy>'
    text = standing_alone(transcript).decode()
    return parse_secure(text.replace("</HocBa>", f"<DanhSachChuKy>{slot}</DanhSachChuKy></HocBa>").encode())


def content_reference(transcript: etree._Element) -> str:
    return f"#{transcript[0].get('Id')}"


class PunctualSigner(XAdESSigner):
    """The signer as it comes, but for the time: by itself it writes today's, which is not the service's."""

    def add_signing_time(
        self,
        signed_signature_properties: etree._Element,
        sig_root: etree._Element,
        signing_settings: SigningSettings,
    ) -> None:
        etree.SubElement(signed_signature_properties, f"{{{XADES}}}SigningTime").text = SIGNED.isoformat()


def by_signxml(transcript: etree._Element, seal: Credential, _folder: Path) -> etree._Element:
    signer = PunctualSigner()
    root = with_slot(transcript, f'<ds:Signature xmlns:ds="{DS}" Id="placeholder"/>')
    return signer.sign(
        root, key=seal.key_pem, cert=[seal.certificate], reference_uri=content_reference(transcript)
    )


def by_xmlsec1(transcript: etree._Element, seal: Credential, folder: Path) -> etree._Element:
    """Let it fill in everything that it can, keys and certificates too."""
    template = Template(
        references=(reference(content_reference(transcript)), reference("#time-1")),
        objects=(signing_time_object(SIGNED.isoformat()),),
        key_info="<ds:KeyName/><ds:KeyValue/><ds:X509Data/>",
    )
    signer = Holder(key=seal.key, certificate=seal.certificate)
    paths = {name: folder / name for name in ("template.xml", "signed.xml", "key.pem", "certificate.pem")}
    paths["template.xml"].write_bytes(etree.tostring(with_slot(transcript, template.write(signer))))
    paths["key.pem"].write_bytes(seal.key_pem)
    paths["certificate.pem"].write_bytes(seal.certificate_pem)
    subprocess.run(
        ["xmlsec1", "--sign", "--privkey-pem", f"{paths['key.pem']},{paths['certificate.pem']}",
         "--id-attr:Id", "NoiDung", "--id-attr:Id", "Object",
         "--output", paths["signed.xml"], paths["template.xml"]],
        check=True,
    )  # fmt: skip
    return parse_secure(paths["signed.xml"].read_bytes())


def by_java(transcript: etree._Element, seal: Credential, folder: Path) -> etree._Element:
    """Sign as the JDK's tutorial does: C14N 1.0, the enveloped transform, KeyValue beside X509Data."""
    before, after, store = folder / "before.xml", folder / "after.xml", folder / "seal.p12"
    before.write_bytes(etree.tostring(with_slot(transcript, None), encoding="UTF-8"))
    store.write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"seal", seal.key, seal.certificate, None, serialization.BestAvailableEncryption(b"thu")
        )
    )
    enveloped = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
    order = (before, after, store, "NHA_TRUONG", f"{MORE}rsa-sha256", C14N, SHA256, "properties", enveloped)
    subprocess.run(["java", "-XX:TieredStopAtLevel=1", JAVA, ";".join(map(str, order))], check=True)
    return parse_secure(after.read_bytes())


def needing(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"there is no {program} here")


@pytest.mark.parametrize(
    "sign",
    [
        by_signxml,
        pytest.param(by_xmlsec1, marks=needing("xmlsec1")),
        pytest.param(by_java, marks=needing("java")),
    ],
)
async def test_what_it_signs_by_default_is_accepted(world: World, tmp_path: Path, sign: Sign) -> None:
    school = next(s for s in world.province.schools if s.seal_status == "approved" and s.is_public)
    await world.enrol(school)
    composed = compose_school(world.province, school, signed_at=SIGNED)

    signed = sign(composed[0].element, school.seal, tmp_path)
    result = await world.send(school, world.package(school, [signed]))

    assert [(item["outcome"], item["findings"]) for item in result["items"]] == [("accepted", [])]
    xml = await world.http.get(
        f"/api/v1/records/{result['items'][0]['record_id']}/xml", headers=world.as_(school.code)
    )
    assert xml.content == standing_alone(signed)
