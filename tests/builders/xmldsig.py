"""Signatures for tests, made by libxmlsec1 from a template, whatever the template says, sound or hostile.

The judge of these tests never makes the signatures that it judges.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from app.formats.hocba_1_0.profile import HocBaProfile
from app.formats.parser import parse_secure
from app.formats.profile import SignedLayout
from app.verify.policy import ACCEPTANCE
from app.verify.signature import check_signatures
from app.verify.verdict import SignatureCheck
from tests.builders import transcripts
from tests.builders.pki import Holder

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
C14N: Final = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_11: Final = "http://www.w3.org/2006/12/xml-c14n11"
EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#sha384"
SHA512: Final = "http://www.w3.org/2001/04/xmlenc#sha512"
SHA1: Final = "http://www.w3.org/2000/09/xmldsig#sha1"
MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"
CONTENT_ID: Final = f"hb-{transcripts.record_id(1)}"
HEAD: Final = f'<ds:Signature xmlns:ds="{DS}" Id="sig-1">'


def reference(
    uri: str | None,
    *transforms: str,
    digest: str = SHA256,
    attributes: str = "",
) -> str:
    """Write a Reference; a transform is an algorithm's URI, or a whole element."""
    elements = "".join(
        item if item.startswith("<") else f'<ds:Transform Algorithm="{item}"/>' for item in transforms
    )
    listed = f"<ds:Transforms>{elements}</ds:Transforms>" if elements else ""
    target = "" if uri is None else f' URI="{uri}"'
    return (
        f"<ds:Reference{target}{attributes}>{listed}"
        f'<ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue/></ds:Reference>'
    )


def signing_time_object(time: str = "2026-05-28T09:30:00", identifier: str = "time-1") -> str:
    """Write the e-invoice habit: a signature property without namespace and without offset."""
    return (
        f'<ds:Object Id="{identifier}"><ds:SignatureProperties><ds:SignatureProperty Target="#sig-1">'
        f'<SigningTime xmlns="">{time}</SigningTime>'
        "</ds:SignatureProperty></ds:SignatureProperties></ds:Object>"
    )


def xades_object(
    certificate: x509.Certificate,
    *,
    time: str = "2026-05-28T09:30:00+07:00",
    digest: str = SHA256,
    names_certificate: bool = True,
    unsigned: str = "",
) -> str:
    """Write XAdES-BES properties."""
    value = base64.b64encode(certificate.fingerprint(hashes.SHA256())).decode()
    named = (
        f"<x:SigningCertificateV2><x:Cert><x:CertDigest>"
        f'<ds:DigestMethod Algorithm="{digest}"/><ds:DigestValue>{value}</ds:DigestValue>'
        f"</x:CertDigest></x:Cert></x:SigningCertificateV2>"
    )
    return (
        f'<ds:Object><x:QualifyingProperties xmlns:x="{XADES}" Target="#sig-1">'
        f'<x:SignedProperties Id="signed-1"><x:SignedSignatureProperties>'
        f"<x:SigningTime>{time}</x:SigningTime>{named if names_certificate else ''}"
        f"</x:SignedSignatureProperties></x:SignedProperties>{unsigned}</x:QualifyingProperties></ds:Object>"
    )


@dataclass(frozen=True, kw_only=True)
class Template:
    """A signature to be made; the defaults are the e-invoice habit of Vietnamese software."""

    references: Sequence[str] = (reference(f"#{CONTENT_ID}"), reference("#time-1"))
    objects: Sequence[str] = field(default_factory=lambda: (signing_time_object(),))
    canonicalization: str = f'<ds:CanonicalizationMethod Algorithm="{C14N}"/>'
    method: str | None = None
    key_info: str | None = None

    def write(self, signer: Holder) -> str:
        is_rsa = isinstance(signer.key, rsa.RSAPrivateKey)
        method = self.method or f"{MORE}{'rsa' if is_rsa else 'ecdsa'}-sha256"
        element = method if method.startswith("<") else f'<ds:SignatureMethod Algorithm="{method}"/>'
        certificates = "".join(
            f"<ds:X509Certificate>{der64(item)}</ds:X509Certificate>"
            for item in (signer.certificate, *signer.issuers)
        )
        key_info = certificates and f"<ds:X509Data>{certificates}</ds:X509Data>"
        return (
            f"{HEAD}<ds:SignedInfo>{self.canonicalization}{element}{''.join(self.references)}</ds:SignedInfo>"
            f"<ds:SignatureValue/>"
            f"<ds:KeyInfo>{key_info if self.key_info is None else self.key_info}</ds:KeyInfo>"
            f"{''.join(self.objects)}</ds:Signature>"
        )


def der64(certificate: x509.Certificate) -> str:
    """Write a certificate as KeyInfo carries it."""
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


def unsigned(*, level: str = "03", signature: str = "") -> etree._Element:
    """Parse the test transcript with this signature's text in its one place."""
    item = transcripts.transcript(level, signature=signature.replace("{", "{{").replace("}", "}}"))
    return parse_secure(transcripts.standing_alone(item))


def signed(signer: Holder, template: Template | None = None, *, role: str = "NHA_TRUONG") -> etree._Element:
    """Give the test transcript with one signature that libxmlsec1 made from the template."""
    root = unsigned(signature=(template or Template()).write(signer))
    root[1][0].set("vaiTro", role)
    sign_in_place(root, root[1][0][0], signer)
    return reread(root)


def sign_in_place(root: etree._Element, signature: etree._Element, signer: Holder) -> None:
    """Fill in all digests and the value of a signature."""
    context = xmlsec.SignatureContext()
    for element in root.iter(etree.Element):
        if element.get("Id") is not None:
            context.register_id(element, "Id")
    context.key = xmlsec.Key.from_memory(signer.pem, xmlsec.constants.KeyDataFormatPem)
    context.sign(signature)


def add_signature(root: etree._Element, signer: Holder, template: Template, role: str) -> etree._Element:
    """Add another signature to a transcript; its own Ids are numbered apart from the others'."""
    number = len(root[1]) + 1
    text = (
        template.write(signer).replace('Id="sig-1"', f'Id="sig-{number}"').replace("#sig-1", f"#sig-{number}")
    )
    text = text.replace("time-1", f"time-{number}").replace("signed-1", f"signed-{number}")
    holder = f'<ChuKy xmlns="urn:hocba:1.0" vaiTro="{role}">{text}</ChuKy>'
    serialised = etree.tostring(root, encoding="unicode").replace(
        "</DanhSachChuKy>", f"{holder}</DanhSachChuKy>"
    )
    root = parse_secure(serialised.encode())
    sign_in_place(root, root[1][-1][0], signer)
    return reread(root)


def reread(root: etree._Element) -> etree._Element:
    """Write a transcript out and read it again, as everything that comes over the wire is."""
    return parse_secure(etree.tostring(root, encoding="utf-8"))


def layout_of(root: etree._Element) -> SignedLayout:
    """Give the real profile's layout."""
    return HocBaProfile().layout(root)


def check(root: etree._Element) -> SignatureCheck:
    """Check a transcript with one signature under the policy in force."""
    (only,) = check_signatures(layout_of(root), ACCEPTANCE)
    return only


def codes(found: SignatureCheck) -> list[str]:
    """Give the codes of a check's findings, in order; each has its facts for both languages."""
    assert all(item.message_vi and item.message_en for item in found.findings)
    return [item.code for item in found.findings]
