"""Attacks by algorithms, keys, certificates and times: what signed is not what it says, or nobody's."""

import base64
import hashlib
import hmac
from collections.abc import Iterator
from typing import Final

from cryptography.hazmat.primitives import serialization
from lxml import etree

from tests.builders.xmldsig import (
    CONTENT_ID,
    DS,
    MORE,
    SHA1,
    Template,
    der64,
    reference,
    signing_time_object,
    xades_object,
)
from tests.conformance.attack_cases import bent, fill_digests, set_text
from tests.conformance.case import Case, refused
from tests.conformance.keys import holder
from tests.conformance.odd_cases import xades
from tests.conformance.signing import Signer, signed, signed_octets, unmade

_HMAC: Final = f"{MORE}hmac-sha256"
_PADDING_SHA256: Final = bytes.fromhex("3031300d060960864801650304020105000420")


def key_cases() -> Iterator[Case]:
    """Give every attack of this kind."""
    yield from _algorithms()
    yield from _key_info()
    yield from _times()


def _algorithms() -> Iterator[Case]:
    sha1 = Template(references=(reference(f"#{CONTENT_ID}", digest=SHA1), reference("#time-1")))
    yield refused("attack-digest-sha1", "A SHA-1 digest.", signed(Signer(template=sha1)), "KS-016")
    yield refused(
        "attack-method-rsa-sha1", "Signed with RSA-SHA1.",
        signed(Signer(template=Template(method=f"{DS}rsa-sha1"))), "KS-022",
    )  # fmt: skip
    yield refused(
        "attack-method-hmac", "HMAC keyed with the certificate's public key: anybody can make it.",
        bent(_hmac, unmade(Signer(template=Template(method=_HMAC)))), "KS-022",
    )  # fmt: skip
    yield refused(
        "attack-method-of-another-key", "ECDSA is stated, the certificate's key is RSA.",
        unmade(Signer(template=Template(method=f"{MORE}ecdsa-sha256"))), "KS-023",
    )  # fmt: skip
    for name in ("rsa1024", "p224"):
        yield refused(
            f"attack-key-{name}",
            f"A sound signature by a {name} key.",
            signed(Signer(name=f"seal_{name}")),
            "KS-024",
        )
    yield refused(
        "attack-key-exponent-one", "With the exponent 1 the padded digest is its own signature.",
        bent(_exponent_one, signed(Signer(name="seal_exponent_one"))), "KS-024",
    )  # fmt: skip


def _hmac(item: etree._Element) -> None:
    key = holder("seal").key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    info = fill_digests(item)
    value = hmac.new(key, signed_octets(info), hashlib.sha256).digest()
    item[1][0][0][1].text = base64.b64encode(value).decode()


def _exponent_one(item: etree._Element) -> None:
    digest = _PADDING_SHA256 + hashlib.sha256(signed_octets(fill_digests(item))).digest()
    padded = b"\x00\x01" + b"\xff" * (256 - len(digest) - 3) + b"\x00" + digest
    item[1][0][0][1].text = base64.b64encode(padded).decode()


def _key_info() -> Iterator[Case]:
    same = holder("seal_same_key")
    other = f"<ds:X509Data><ds:X509Certificate>{der64(same.certificate)}</ds:X509Certificate></ds:X509Data>"
    yield refused(
        "attack-certificate-exchanged", "KeyInfo carries another school's certificate.",
        bent(lambda item: set_text(item, "X509Certificate", der64(holder("seal_sha1").certificate))),
        "KS-032",
    )  # fmt: skip
    yield refused(
        "attack-certificate-of-the-same-key", "Another certificate of the same key: it was never registered.",
        signed(Signer(template=Template(key_info=other))), "KS-042",
    )  # fmt: skip
    yield refused(
        "attack-certificate-not-the-one-named", "XAdES names the certificate that was exchanged.",
        bent(
            lambda item: set_text(item, "X509Certificate", der64(same.certificate)),
            signed(Signer(template=xades())),
        ),
        "KS-030",
    )  # fmt: skip
    unnamed = Template(
        references=(reference(f"#{CONTENT_ID}"), reference("#signed-1")),
        objects=(xades_object(holder("seal").certificate, names_certificate=False),),
    )
    yield refused(
        "attack-certificate-not-named", "XAdES properties without a signing certificate.",
        signed(Signer(template=unnamed)), "KS-029",
    )  # fmt: skip
    yield refused(
        "attack-key-without-certificate", "A key's name, and nothing else.",
        signed(Signer(template=Template(key_info="<ds:KeyName>seal</ds:KeyName>"))), "KS-019",
    )  # fmt: skip
    value = "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
    value += "</ds:RSAKeyValue></ds:KeyValue>"
    seal = der64(holder("seal").certificate)
    carried = f"<ds:X509Data><ds:X509Certificate>{seal}</ds:X509Certificate></ds:X509Data>"
    yield refused(
        "attack-key-value-of-another-key", "A KeyValue beside the certificate is another key's.",
        signed(Signer(template=Template(key_info=carried + value))), "KS-021",
    )  # fmt: skip
    retrieved = Template(key_info='<ds:RetrievalMethod URI="http://example.org/key"/>')
    yield refused(
        "attack-key-retrieved", "The key is to be fetched from elsewhere; nothing ever is.",
        unmade(Signer(template=retrieved)), "KS-001",
    )  # fmt: skip
    yield refused(
        "attack-certificate-garbage", "What stands as a certificate is none.",
        bent(lambda item: set_text(item, "X509Certificate", "AAAA")), "KS-020",
    )  # fmt: skip


def _times() -> Iterator[Case]:
    for name, why, template, codes in (
        (
            "missing",
            "No signing time.",
            Template(references=(reference(f"#{CONTENT_ID}"),), objects=()),
            ("KS-025",),
        ),
        (
            "unsigned",
            "A signing time that no reference covers.",
            Template(references=(reference(f"#{CONTENT_ID}"),)),
            ("KS-026",),
        ),
        (
            "unreadable",
            "No such time.",
            Template(objects=(signing_time_object("2026-05-28T25:30:00"),)),
            ("KS-027",),
        ),
        ("contradicting", "Two signed times that differ.", _two_times(), ("KS-028",)),
        (
            "after-reception",
            "Signed tomorrow.",
            Template(objects=(signing_time_object("2026-06-10T09:30:00"),)),
            ("KS-041",),
        ),
    ):
        yield refused(f"attack-time-{name}", why, signed(Signer(template=template)), *codes)


def _two_times() -> Template:
    return Template(
        references=(reference(f"#{CONTENT_ID}"), reference("#time-1"), reference("#signed-1")),
        objects=(
            signing_time_object(),
            xades_object(holder("seal").certificate, time="2026-05-20T09:30:00+07:00"),
        ),
    )
