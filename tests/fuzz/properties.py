"""What has to hold whatever is sent; hypothesis and atheris both hold it against what they make up."""

import base64
import gzip
from functools import cache
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography import x509
from lxml import etree
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from app.findings import Finding, has_errors
from app.formats.parser import parse_secure
from app.formats.profile import FormatProfile
from app.formats.registry import profile_for
from app.ingest.envelope import OuterFields, decode_payload, unpack
from app.ingest.examination import Examination, ExaminedItem, examine
from app.ingest.limits import Limits
from app.ingest.splitting import OpenedPackage, split
from app.verify.policy import ACCEPTANCE
from app.verify.verdict import Indication
from tests.builders.xmlsec_judge import accepted_by_xmlsec
from tests.conformance.case import CASES, OUTER
from tests.fuzz.recipes import Recipe, mutated

_Q: Final = "{urn:hocba:1.0}"
_DS: Final = "{http://www.w3.org/2000/09/xmldsig#}"
LIMITS: Final = Limits(unpacked_bytes=4 << 20)
OUTER_FIELDS: Final = OuterFields(
    package_id=UUID(OUTER["package_id"]),
    school_code=OUTER["school_code"],
    school_year=OUTER["school_year"],
    schema_version=OUTER["schema_version"],
)
_SEEDS: Final = (
    "odd-xades", "odd-c14n-in-package", "odd-exclusive-in-package", "odd-all-sign", "odd-two-transcripts",
    "odd-signature-without-prefix", "odd-inclusive-prefixes", "odd-method-p521-sha512",
)  # fmt: skip


@cache
def profile() -> FormatProfile:
    """Give the format that is fuzzed."""
    found = profile_for("1.0")
    assert found is not None
    return found


@cache
def seeds() -> tuple[bytes, ...]:
    """Give the packages that everything is made from: they are sound."""
    return tuple((Path(CASES) / name / "package.xml").read_bytes() for name in _SEEDS)


@cache
def signed_contents() -> frozenset[bytes]:
    """Give everything that the keys of the kit have signed in the seeds, in canonical form."""
    return frozenset(
        canonical(content) for seed in seeds() for content in parse_secure(seed).iter(f"{_Q}NoiDung")
    )


def canonical(content: etree._Element) -> bytes:
    """Give an element's exclusive canonical form."""
    return etree.tostring(content, method="c14n", exclusive=True, with_comments=False, with_tail=False)


def decoding_never_raises(octets: bytes) -> None:
    """Base64, gzip and splitting answer whatever the bytes are."""
    assert isinstance(decode_payload(octets), bytes | Finding)
    unpacked = unpack(octets, LIMITS)
    assert isinstance(unpacked, bytes | Finding)
    for xml in (octets, unpacked):
        if isinstance(xml, bytes):
            opened = split(xml, profile(), LIMITS)
            assert isinstance(opened, OpenedPackage) or opened


def wrapping_never_lies(recipe: Recipe) -> None:
    """A package whose wrapping was changed is refused, or gives the very bytes that were wrapped."""
    xml = recipe.choose(seeds())
    packed = gzip.compress(xml, 1, mtime=0)
    changed = mutated(packed, recipe) if recipe.number(2) else packed
    text = base64.b64encode(changed)
    if recipe.number(2):
        text = mutated(text, recipe)
    decoded = decode_payload(text)
    if isinstance(decoded, bytes):
        unpacked = unpack(decoded, LIMITS)
        assert isinstance(unpacked, Finding) or unpacked == xml


def judged(xml: bytes) -> Examination:
    """Examine a package as it would come over the wire; all its texts can be written in both languages."""
    examined = examine(gzip.compress(xml, 1, mtime=0), OUTER_FIELDS, profile(), LIMITS, ACCEPTANCE)
    for found in (*examined.findings, *(found for item in examined.items for found in item.findings)):
        assert found.message_vi
        assert found.message_en
    return examined


def is_acceptable(item: ExaminedItem) -> bool:
    """Say whether a transcript would be accepted as far as its bytes tell: form, rules, signatures."""
    return (
        bool(item.checks)
        and not has_errors(item.findings)
        and all(check.indication is Indication.PASSED for check in item.checks)
    )


def nothing_forged_is_accepted(recipe: Recipe) -> int:
    """Whatever a recipe makes of a sound package, only what was signed is accepted; gives how much was."""
    accepted = 0
    for item in judged(mutated(recipe.choose(seeds()), recipe)).items:
        if not is_acceptable(item):
            continue
        accepted += 1
        transcript = parse_secure(item.xml)
        assert canonical(transcript[0]) in signed_contents()
        for position in range(len(item.checks)):
            assert accepted_by_xmlsec(transcript, position) or accepted_by_signxml(item.xml, position)
    return accepted


def accepted_by_signxml(xml: bytes, position: int) -> bool:
    """Ask signxml for one signature of a transcript."""
    root = etree.fromstring(xml)
    signature = root[1][position][0]
    carried = signature.findtext(f".//{_DS}X509Certificate") or ""
    for other in list(root[1]):
        if other is not signature.getparent():
            root[1].remove(other)
    try:
        XMLVerifier().verify(
            root,
            x509_cert=x509.load_der_x509_certificate(base64.b64decode(carried)),
            expect_config=SignatureConfiguration(
                require_x509=True, expect_references=len(signature[0].findall(f"{_DS}Reference"))
            ),
        )
    except (SignXMLException, ValueError, AssertionError, KeyError, TypeError, etree.LxmlError):
        return False
    return True
