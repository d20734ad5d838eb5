"""When a signature says it was made, and to which certificate it says it belongs.

XAdES (ETSI EN 319 132-1, 5.2.1 SigningTime and 5.2.2 SigningCertificateV2), or the habit of Vietnamese
e-invoices (QĐ 1450/QĐ-TCT): ds:Object/SignatureProperties/SignatureProperty/SigningTime. Either counts only
where a verified reference of the same signature covers it. Unsigned properties are not read.
"""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta, timezone
from hmac import compare_digest
from typing import Final

from lxml import etree

from app.findings import Finding
from app.verify.key_info import CarriedCertificate
from app.verify.place import SignaturePlace
from app.verify.policy import AcceptancePolicy
from app.verify.references import XADES
from app.verify.structure import SignatureForm, ds, read_base64

_DATE_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_SIGNED_PROPERTIES: Final = tuple(
    f"{{{XADES}}}{name}" for name in ("QualifyingProperties", "SignedProperties", "SignedSignatureProperties")
)
_PROPERTIES: Final = (ds("SignatureProperties"), ds("SignatureProperty"))
# The habit writes it with xmlns="", some signers in XMLDSig's own namespace.
_PROPERTY_TIMES: Final = ("SigningTime", ds("SigningTime"))
_SIGNING_TIME: Final = f"{{{XADES}}}SigningTime"
_CERT_DIGEST: Final = f"{{{XADES}}}CertDigest"
_DIGEST_METHOD: Final = ds("DigestMethod")
_DIGEST_VALUE: Final = ds("DigestValue")
_SIGNING_CERTIFICATES: Final = (f"{{{XADES}}}SigningCertificateV2", f"{{{XADES}}}SigningCertificate")


def read_date_time(text: str, zone_when_missing: timezone) -> datetime | None:
    """Read an xs:dateTime as an aware moment; None where it is none, or no real date and time."""
    match = _DATE_TIME.fullmatch(text.strip())
    if match is None:
        return None
    *parts, fraction, zone = match.groups()
    year, month, day, hour, minute, second = map(int, parts)
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        offset = _zone(zone) if zone else zone_when_missing
        moment = datetime(year, month, day, hour, minute, second, microsecond, offset)
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    # XML Schema 1.0, 3.2.7.3: at most 14 hours.
    if hours * 60 + minutes > 14 * 60 or minutes > 59:
        raise ValueError(text)
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if text[0] == "-" else 1))


def read_signing_time(
    form: SignatureForm, covered: AbstractSet[etree._Element], policy: AcceptancePolicy, place: SignaturePlace
) -> datetime | Finding:
    """Give the signed signing time.

    Refuses: none (KS-025), one that no verified reference covers (KS-026), one that is no date and time
    (KS-027), several that differ (KS-028).
    """
    stated = list(_stated_times(form))
    if not stated:
        return place.finding("KS-025")
    signed = [element for element in stated if _is_covered(element, covered)]
    if not signed:
        return place.finding("KS-026", stated[0])
    moments: list[datetime] = []
    for element in signed:
        moment = read_date_time(element.text or "", policy.zone_when_missing)
        if moment is None:
            return place.finding("KS-027", element)
        moments.append(moment)
    if any(moment != moments[0] for moment in moments):
        return place.finding("KS-028", signed[-1])
    return moments[0]


def _stated_times(form: SignatureForm) -> Iterator[etree._Element]:
    for signed in _signed_properties(form):
        yield from signed.iterchildren(_SIGNING_TIME)
    for prop in _descend(form.objects, _PROPERTIES):
        yield from prop.iterchildren(*_PROPERTY_TIMES)


def _signed_properties(form: SignatureForm) -> list[etree._Element]:
    return _descend(form.objects, _SIGNED_PROPERTIES)


def _descend(start: Iterable[etree._Element], path: Iterable[str]) -> list[etree._Element]:
    level = list(start)
    for tag in path:
        level = [child for element in level for child in element.iterchildren(tag)]
    return level


def _is_covered(element: etree._Element, covered: AbstractSet[etree._Element]) -> bool:
    return any(ancestor in covered for ancestor in element.iterancestors())


def check_signing_certificate(
    form: SignatureForm,
    covered: AbstractSet[etree._Element],
    signer: CarriedCertificate,
    *,
    policy: AcceptancePolicy,
    place: SignaturePlace,
) -> Finding | None:
    """Hold the signer's certificate against the one that the signed XAdES properties name.

    Without it the certificate in KeyInfo, which is not signed, could be exchanged for another of the same
    key. Refuses: signed properties that name none (KS-029), or another (KS-030), a digest that is not
    accepted (KS-016).
    """
    for properties in _signed_properties(form):
        if _is_covered(properties, covered):
            flaw = _naming_flaw(properties, signer, policy, place)
            if flaw is not None:
                return flaw
    return None


def _naming_flaw(
    properties: etree._Element, signer: CarriedCertificate, policy: AcceptancePolicy, place: SignaturePlace
) -> Finding | None:
    named = [cert for holder in properties.iterchildren(*_SIGNING_CERTIFICATES) for cert in holder]
    if not named:
        return place.finding("KS-029", properties)
    refused: Finding | None = None
    for cert in named:
        digest = next(cert.iterchildren(_CERT_DIGEST), None)
        method = None if digest is None else next(digest.iterchildren(_DIGEST_METHOD), None)
        value = None if digest is None else next(digest.iterchildren(_DIGEST_VALUE), None)
        if method is None or value is None:
            continue
        uri = method.get("Algorithm", "")
        name = policy.digests.get(uri)
        if name is None:
            refused = place.finding("KS-016", method, algorithm=policy.refused_name(uri))
        elif compare_digest(signer.digest(name), read_base64(value) or b""):
            return None
    return refused or place.finding("KS-030", named[0])
