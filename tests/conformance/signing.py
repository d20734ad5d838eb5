"""Signing the kit's packages by libxmlsec1 where they stand, the same bytes every time.

What is random in a signature is made once more, fixed: ECDSA by RFC 6979, PSS with a salt of zeros.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from app.formats.parser import parse_secure
from tests.builders import transcripts
from tests.builders.pki import Holder
from tests.builders.xmldsig import DS, Template, sign_in_place
from tests.conformance.keys import holder

Changes = Sequence[tuple[str, str]]
# Most subjects go without their teacher: hundreds of cases are to stay small.
_TEACHERS: Final = re.compile(
    r"(</CaNam>)<GiaoVien>.*?</GiaoVien>(?=</MonHoc>\n<MonHoc Id=.mon-(?!15|69|05))"
)
HASHES: Final[dict[str, type[hashes.HashAlgorithm]]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}


@dataclass(frozen=True, kw_only=True)
class Signer:
    """Who signs, how, and in what role."""

    name: str = "seal"
    template: Template = field(default_factory=Template)
    role: str = "NHA_TRUONG"


SEAL: Final = Signer()
HEAD: Final = Signer(name="head", role="THU_TRUONG")


def signed(
    *signers: Signer,
    level: str = "03",
    number: int = 1,
    before: Changes = (),
    after: Changes = (),
    root: str = "",
    seal: Callable[[str], str] | None = None,
    **header: str,
) -> bytes:
    """Give a package of one transcript, signed as it stands in there.

    Args:
        signers: the seal alone where none is named.
        level: the school level of the test transcript.
        number: which test transcript.
        before: replacements in the transcript's text before it is signed.
        after: replacements in the package's text after it was signed.
        root: further attributes of the package's root.
        seal: rewrites the unsigned package once more.
        header: what the header says otherwise.
    """
    all_signers = signers or (SEAL,)
    item = changed(unsigned(all_signers, level, number), before)
    text = transcripts.package([item], **header).decode()  # type: ignore[arg-type]
    text = text.replace('phienBan="1.0"', f'phienBan="1.0"{root}', 1)
    document = parse_secure((seal(text) if seal else text).encode())
    for element, signer in zip(list(document.iter(f"{{{DS}}}Signature")), all_signers, strict=True):
        sign(document, element, holder(signer.name))
    written = etree.tostring(document, encoding="UTF-8", xml_declaration=True).decode()
    return changed(f"{written}\n", after).encode()


def unsigned(signers: Sequence[Signer], level: str = "03", number: int = 1) -> str:
    """Write a test transcript with the signers' templates in it, their Ids numbered apart."""
    slots = ""
    for position, signer in enumerate(signers, start=1):
        text = signer.template.write(holder(signer.name))
        for name in ("sig", "time", "signed"):
            text = text.replace(f'"{name}-1"', f'"{name}-{position}"')
            text = text.replace(f'"#{name}-1"', f'"#{name}-{position}"')
        text = text.replace(transcripts.record_id(1), transcripts.record_id(number))
        slots += f'<ChuKy vaiTro="{signer.role}">{text}</ChuKy>'
    item = _TEACHERS.sub(r"\1", transcripts.transcript(level, number=number, signature="@"))
    return item.replace('<ChuKy vaiTro="NHA_TRUONG">@</ChuKy>', slots)


def unmade(signer: Signer = SEAL, before: Changes = ()) -> bytes:
    """Give a package whose signature nobody could make: it has to be refused before it is computed."""
    item = changed(unsigned((signer,)), before)
    item = item.replace("<ds:SignatureValue/>", "<ds:SignatureValue>AAAA</ds:SignatureValue>")
    return transcripts.package([item.replace("<ds:DigestValue/>", "<ds:DigestValue>AAAA</ds:DigestValue>")])


def changed(text: str, changes: Changes) -> str:
    """Replace each first occurrence; what is not there cannot be changed."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def sign(document: etree._Element, signature: etree._Element, signer: Holder) -> None:
    """Fill in a signature's digests and value."""
    sign_in_place(document, signature, signer)
    info, value = signature[0], signature[1]
    method = info[1].get("Algorithm", "")
    exact = signed_octets(info)
    if isinstance(signer.key, ec.EllipticCurvePrivateKey):
        value.text = _encode(_ecdsa(signer.key, exact, method.rpartition("-")[2]))
    elif method.endswith("-rsa-MGF1"):
        value.text = _encode(_pss(signer.key, exact, method.rpartition("#")[2].partition("-")[0]))


def signed_octets(info: etree._Element) -> bytes:
    """Give the canonical form of SignedInfo, exclusive or, written out alone, inclusive."""
    if info[0].get("Algorithm", "").endswith("xml-exc-c14n#"):
        return etree.tostring(info, method="c14n", exclusive=True, with_tail=False)
    return etree.tostring(etree.fromstring(etree.tostring(info, with_tail=False)), method="c14n")


def _ecdsa(key: ec.EllipticCurvePrivateKey, message: bytes, digest: str) -> bytes:
    scheme = ec.ECDSA(HASHES[digest](), deterministic_signing=True)
    width = (key.curve.key_size + 7) // 8
    pair = decode_dss_signature(key.sign(message, scheme))
    return b"".join(number.to_bytes(width, "big") for number in pair)


def _pss(key: rsa.RSAPrivateKey, message: bytes, digest: str) -> bytes:
    """RFC 8017, 8.1.1 with a salt of zeros."""
    size = hashlib.new(digest).digest_size
    hashed = hashlib.new(digest, bytes(8) + hashlib.new(digest, message).digest() + bytes(size)).digest()
    length = (key.key_size + 7) // 8
    block = bytes(length - 2 * size - 2) + b"\x01" + bytes(size)
    mask = b"".join(
        hashlib.new(digest, hashed + counter.to_bytes(4, "big")).digest()
        for counter in range(-(-len(block) // size))
    )
    masked = bytearray(one ^ other for one, other in zip(block, mask, strict=False))
    masked[0] &= 0x7F
    numbers = key.private_numbers()
    encoded = int.from_bytes(bytes(masked) + hashed + b"\xbc", "big")
    return pow(encoded, numbers.d, numbers.public_numbers.n).to_bytes(length, "big")


def _encode(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
