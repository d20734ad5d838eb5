"""Sign transcripts (ký số học bạ): XMLDSig beside the content, as XAdES-BES or in the e-invoice habit.

Any number of people sign the same content, each in a ``ChuKy`` of ``DanhSachChuKy`` that stands outside it.
Canonicalisation defaults to the exclusive form, which survives being moved from one package to another.
"""

import base64
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from functools import partial
from hashlib import new as new_hash
from typing import Final, Literal
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from app.client.errors import SigningError
from app.client.keys import DigestName, PrivateKey, check_pair, sign_octets, usual_digest
from app.client.packaging import NAMESPACE

DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
SIGNED_PROPERTIES: Final = "http://uri.etsi.org/01903#SignedProperties"
# The legal time of Vietnam; a signing time without offset means this one.
VIETNAM: Final = timezone(timedelta(hours=7))

DIGEST_URIS: Final[dict[DigestName, str]] = {
    "sha256": "http://www.w3.org/2001/04/xmlenc#sha256",
    "sha384": "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "sha512": "http://www.w3.org/2001/04/xmlenc#sha512",
}
_MORE: Final = "http://www.w3.org/2001/04/xmldsig-more#"


class Role(StrEnum):
    """In what capacity a signature stands (vai trò), in the wire's own words."""

    SCHOOL = "NHA_TRUONG"
    HEAD = "THU_TRUONG"
    CLASS_TEACHER = "GVCN"
    SUBJECT_TEACHER = "GVBM"


class Style(StrEnum):
    """How the signing time is bound: XAdES, or a signature property as e-invoices have it."""

    XADES = "xades"
    PROPERTIES = "properties"


class Canonicalisation(StrEnum):
    """The canonical forms the format allows, without comments."""

    EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
    INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
    INCLUSIVE_11 = "http://www.w3.org/2006/12/xml-c14n11"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One thing a signature covers, by the Id it carries."""

    element_id: str
    type_uri: str | None = None


def sign_transcript(
    transcript: etree._Element,
    *,
    role: Role | str,
    key: PrivateKey,
    certificate: x509.Certificate,
    signed_at: datetime,
    style: Style | str = Style.XADES,
    covers: Literal["content"] | Sequence[str] = "content",
    canonicalisation: Canonicalisation = Canonicalisation.EXCLUSIVE,
    digest: DigestName | None = None,
    is_pss: bool = False,
    chain: Sequence[x509.Certificate] = (),
) -> etree._Element:
    """Add one signature to a transcript, in place, and give the new ``ChuKy`` element.

    Args:
        transcript: a ``HocBa`` element, alone or inside its package.
        role: the capacity; it must agree with what the certificate is registered or named for.
        key: the signer's private key, RSA (2048 bits and more) or ECDSA (P-256, P-384, P-521).
        certificate: the signer's certificate; it goes into KeyInfo and, for XAdES, under the signature.
        signed_at: the signing time, aware.
        style: XAdES ``SigningTime`` with ``SigningCertificateV2``, or a ``SignatureProperty``.
        covers: the whole content, or the Ids of the parts a subject teacher answers for.
        canonicalisation: the form in which everything of this signature is digested.
        digest: the hash for digests and signature; by default the one that matches the key.
        is_pss: sign with RSASSA-PSS instead of PKCS#1 v1.5.
        chain: further certificates of the path, to be carried in KeyInfo.

    Raises:
        SigningError: the element is no HocBa with content, a part is missing, the moment has no offset,
            or key and certificate do not match.
    """
    role, style = Role(role), Style(style)
    check_pair(key, certificate)
    if signed_at.tzinfo is None:
        raise SigningError("Thời điểm ký phải có múi giờ.", "The signing time needs an offset.")
    content = _content_of(transcript)
    targets = _covered(content, covers, role)
    algorithm = digest or usual_digest(key)
    signature_list = _signature_list(transcript)
    signature_id = f"sig-{content.get('Id', '').removeprefix('hb-')}-{len(signature_list) + 1}"
    is_xades = style is Style.XADES
    bound = Reference(
        element_id=f"{signature_id}-{'signed' if is_xades else 'properties'}",
        type_uri=SIGNED_PROPERTIES if is_xades else None,
    )
    references = [*(Reference(element_id=target) for target in targets), bound]
    statement = (
        _signed_properties(signature_id, bound.element_id, signed_at, certificate, algorithm)
        if is_xades
        else _signature_properties(signature_id, bound.element_id, signed_at)
    )
    slot = _append_template(
        signature_list,
        role=role,
        signature_id=signature_id,
        method=_method_uri(key, algorithm, is_pss=is_pss),
        references="".join(_reference(item, canonicalisation, algorithm) for item in references),
        canonicalisation=canonicalisation,
        certificates=[certificate, *chain],
        statement=statement,
    )
    sign = partial(sign_octets, key, digest=algorithm, is_pss=is_pss)
    _fill(transcript, slot, canonicalisation, algorithm, sign)
    return slot


def canonical(element: etree._Element, method: Canonicalisation) -> bytes:
    """Write an element in canonical form, with the namespaces in scope where it stands, without comments."""
    # Canonical XML 1.1 differs from 1.0 in xml:id and xml:base alone; _content_of refuses both.
    if method is Canonicalisation.EXCLUSIVE:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    # lxml writes a false xmlns="" on grandchildren of an inclusive subtree; a document's root is exact.
    alone = etree.fromstring(etree.tostring(element, with_tail=False))
    return etree.tostring(alone, method="c14n", with_comments=False)


def _content_of(transcript: etree._Element) -> etree._Element:
    content = transcript.find(f"{{{NAMESPACE}}}NoiDung")
    if transcript.tag != f"{{{NAMESPACE}}}HocBa" or content is None or not content.get("Id"):
        raise SigningError(
            "Phần tử cần ký không phải HocBa có NoiDung mang thuộc tính Id.",
            "What is to be signed is no HocBa with a NoiDung that carries an Id.",
        )
    if transcript.xpath("//@xml:*"):
        raise SigningError(
            "Tài liệu mang thuộc tính xml:*; bỏ chúng trước khi ký, vì mỗi cách chuẩn hóa hiểu một khác.",
            "The document carries xml:* attributes; remove them, canonicalisations disagree about them.",
        )
    return content


def _covered(content: etree._Element, covers: Literal["content"] | Sequence[str], role: Role) -> list[str]:
    if covers == "content":
        return [content.get("Id", "")]
    if role is not Role.SUBJECT_TEACHER:
        raise SigningError(
            f"Vai trò {role} phải ký toàn bộ NoiDung; chỉ GVBM được ký riêng môn học.",
            f"{role} must cover the whole content; only GVBM may sign single subjects.",
        )
    known = {element.get("Id") for element in content.iter(etree.Element)}
    missing = [part for part in covers if part not in known]
    if missing or not covers:
        raise SigningError(
            f"Không có phần tử mang Id: {', '.join(missing) or '(danh sách rỗng)'}.",
            f"No element carries the Id: {', '.join(missing) or '(empty list)'}.",
        )
    return list(covers)


def _signature_list(transcript: etree._Element) -> etree._Element:
    found = transcript.find(f"{{{NAMESPACE}}}DanhSachChuKy")
    return found if found is not None else etree.SubElement(transcript, f"{{{NAMESPACE}}}DanhSachChuKy")


def _method_uri(key: PrivateKey, digest: DigestName, *, is_pss: bool) -> str:
    if not isinstance(key, rsa.RSAPrivateKey):
        return f"{_MORE}ecdsa-{digest}"
    return f"http://www.w3.org/2007/05/xmldsig-more#{digest}-rsa-MGF1" if is_pss else f"{_MORE}rsa-{digest}"


def _reference(reference: Reference, method: Canonicalisation, digest: DigestName) -> str:
    kind = f' Type="{reference.type_uri}"' if reference.type_uri else ""
    # Inclusive C14N 1.0 is what a reference without transforms means; e-invoice signers write none.
    transforms = (
        ""
        if method is Canonicalisation.INCLUSIVE
        else f'<ds:Transforms><ds:Transform Algorithm="{method}"/></ds:Transforms>'
    )
    return (
        f'<ds:Reference URI="#{escape(reference.element_id)}"{kind}>{transforms}'
        f'<ds:DigestMethod Algorithm="{DIGEST_URIS[digest]}"/><ds:DigestValue/></ds:Reference>'
    )


def _signed_properties(
    signature_id: str, own_id: str, signed_at: datetime, certificate: x509.Certificate, digest: DigestName
) -> str:
    der = certificate.public_bytes(serialization.Encoding.DER)
    value = base64.b64encode(new_hash(digest, der).digest()).decode()
    return (
        f'<xades:QualifyingProperties xmlns:xades="{XADES}" Target="#{signature_id}">'
        f'<xades:SignedProperties Id="{own_id}"><xades:SignedSignatureProperties>'
        f"<xades:SigningTime>{signed_at.isoformat(timespec='seconds')}</xades:SigningTime>"
        f"<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>"
        f'<ds:DigestMethod Algorithm="{DIGEST_URIS[digest]}"/><ds:DigestValue>{value}</ds:DigestValue>'
        "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>"
        "</xades:SignedProperties></xades:QualifyingProperties>"
    )


def _signature_properties(signature_id: str, own_id: str, signed_at: datetime) -> str:
    local = signed_at.astimezone(VIETNAM).replace(tzinfo=None).isoformat(timespec="seconds")
    return (
        f'<ds:SignatureProperties Id="{own_id}"><ds:SignatureProperty Target="#{signature_id}">'
        f'<SigningTime xmlns="">{local}</SigningTime></ds:SignatureProperty></ds:SignatureProperties>'
    )


def _append_template(
    signature_list: etree._Element,
    *,
    role: Role,
    signature_id: str,
    method: str,
    references: str,
    canonicalisation: Canonicalisation,
    certificates: Iterable[x509.Certificate],
    statement: str,
) -> etree._Element:
    carried = "".join(
        f"<ds:X509Certificate>{_base64_der(certificate)}</ds:X509Certificate>" for certificate in certificates
    )
    # Parsed from text, not built node by node: so libxml2 keeps the xmlns="" of an e-invoice SigningTime.
    wrapped = etree.fromstring(
        f'<DanhSachChuKy xmlns="{NAMESPACE}"><ChuKy vaiTro="{role}">'
        f'<ds:Signature xmlns:ds="{DS}" Id="{signature_id}"><ds:SignedInfo>'
        f'<ds:CanonicalizationMethod Algorithm="{canonicalisation}"/>'
        f'<ds:SignatureMethod Algorithm="{method}"/>'
        f"{references}</ds:SignedInfo><ds:SignatureValue/>"
        f"<ds:KeyInfo><ds:X509Data>{carried}</ds:X509Data></ds:KeyInfo>"
        f"<ds:Object>{statement}</ds:Object></ds:Signature></ChuKy></DanhSachChuKy>"
    )
    slot = wrapped[0]
    signature_list.append(slot)
    return slot


def _base64_der(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


def _fill(
    transcript: etree._Element,
    slot: etree._Element,
    method: Canonicalisation,
    digest: DigestName,
    sign: Callable[[bytes], bytes],
) -> None:
    """Compute digests where everything stands now, then the signature value over SignedInfo."""
    by_id = {element.get("Id"): element for element in transcript.iter(etree.Element) if element.get("Id")}
    signed_info = slot[0][0]
    for reference in signed_info.iterfind(f"{{{DS}}}Reference"):
        target = by_id[reference.get("URI", "").removeprefix("#")]
        value = new_hash(digest, canonical(target, method)).digest()
        reference[-1].text = base64.b64encode(value).decode()
    slot[0][1].text = base64.b64encode(sign(canonical(signed_info, method))).decode()
