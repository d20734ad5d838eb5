"""Answers of an authority's online responder (OCSP, RFC 6960). Pure: fetching is elsewhere."""

import hashlib
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID

from app.findings import Finding, finding
from app.verify.policy import AcceptancePolicy
from app.verify.revocation.answer import Evidence, EvidenceKind, RevocationAnswer, RevocationStatus
from app.verify.revocation.known import KnownRevocations
from app.verify.signature_value import is_strong

_STATUSES: Final = {
    ocsp.OCSPCertStatus.GOOD: RevocationStatus.GOOD,
    ocsp.OCSPCertStatus.REVOKED: RevocationStatus.REVOKED,
    ocsp.OCSPCertStatus.UNKNOWN: RevocationStatus.UNKNOWN,
}


def ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """Write the question, in DER.

    The SHA-1 in it names the issuer and protects nothing; responders are only obliged to know that one
    (RFC 6960, 4.3; RFC 5019).
    """
    asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1()).build()  # noqa: S303 - a name
    return asked.public_bytes(Encoding.DER)


def ocsp_answer(
    content: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    acceptance: AcceptancePolicy,
    now: datetime,
    *,
    known: KnownRevocations,
) -> RevocationAnswer | Finding:
    """Read what a responder says of a certificate, or give the reason why it is not believed.

    Refuses what cannot be read or is no answer (KS-080), a responder that is neither the issuer nor named by
    it for this (KS-081), a responder that was revoked itself (KS-084), an answer about another certificate
    (KS-082), one from the future (KS-083), and a critical extension that is not understood (KS-077).

    Args:
        content: DER.
        certificate: whom it is asked about.
        issuer: who issued that.
        acceptance: what keys and digests are accepted.
        now: aware.
        known: what is known of revocations already, a responder's own among them.
    """
    name = issuer.subject.rfc4514_string()
    response = _parse(content)
    if isinstance(response, str):
        return finding("KS-080", issuer=name, status=response)
    flaw = _flaw(response, issuer, acceptance, known)
    if flaw is not None:
        return flaw
    single = next((found for found in response.responses if _is_about(found, certificate, issuer)), None)
    if single is None:
        return finding("KS-082", issuer=name)
    if single.this_update_utc > now:
        return finding("KS-083", issuer=name, since=single.this_update_utc.isoformat())
    return _read(single, content)


def _parse(content: bytes) -> ocsp.OCSPResponse | str:
    """Read a successful response to its end, or name its status (RFC 6960, 2.3)."""
    try:
        response = ocsp.load_der_ocsp_response(content)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return response.response_status.name.lower()
        _ = ([single.hash_algorithm for single in response.responses], list(response.extensions))
        _ = (response.certificates, response.signature_hash_algorithm)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        return "unreadable"
    return response


def _flaw(
    response: ocsp.OCSPResponse,
    issuer: x509.Certificate,
    acceptance: AcceptancePolicy,
    known: KnownRevocations,
) -> Finding | None:
    name = issuer.subject.rfc4514_string()
    critical = next((found for found in response.extensions if found.critical), None)
    if critical is not None and not isinstance(critical.value, x509.OCSPNonce):
        return finding("KS-077", issuer=name, extension=critical.oid.dotted_string)
    responder = _responder(response, issuer, acceptance)
    if responder is None:
        return finding("KS-081", issuer=name)
    return finding("KS-084", issuer=name) if _is_revoked(responder, issuer, known) else None


def _is_revoked(responder: x509.Certificate, issuer: x509.Certificate, known: KnownRevocations) -> bool:
    """RFC 6960, 4.2.2.2.1: a delegate's own revocation counts, unless its issuer says not to look for it.

    Whatever the moment: who has a responder's stolen key dates its answers at will.
    """
    if responder == issuer or any(
        extension.oid == ExtensionOID.OCSP_NO_CHECK for extension in responder.extensions
    ):
        return False
    return known.answer(responder).status in {RevocationStatus.REVOKED, RevocationStatus.ON_HOLD}


def _read(single: ocsp.OCSPSingleResponse, content: bytes) -> RevocationAnswer:
    """Read one answer; without a next update, it speaks of the time up to its own moment alone."""
    is_held = single.revocation_reason is x509.ReasonFlags.certificate_hold
    return RevocationAnswer(
        status=RevocationStatus.ON_HOLD if is_held else _STATUSES[single.certificate_status],
        evidence=Evidence(
            kind=EvidenceKind.OCSP,
            sha256=hashlib.sha256(content).hexdigest(),
            number=None,
            produced_at=single.this_update_utc,
            next_update=single.next_update_utc or single.this_update_utc,
        ),
        revoked_at=single.revocation_time_utc,
        reason=single.revocation_reason or x509.ReasonFlags.unspecified,
    )


def _is_about(
    single: ocsp.OCSPSingleResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> bool:
    """RFC 6960, 4.1.1: serial number, and the digests of the issuer's name and key."""
    algorithm: HashAlgorithm = single.hash_algorithm
    if not isinstance(algorithm, SHA1 | SHA256) or single.serial_number != certificate.serial_number:
        return False
    asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm).build()
    return (asked.issuer_name_hash, asked.issuer_key_hash) == (
        single.issuer_name_hash,
        single.issuer_key_hash,
    )


def _responder(
    response: ocsp.OCSPResponse, issuer: x509.Certificate, acceptance: AcceptancePolicy
) -> x509.Certificate | None:
    """RFC 6960, 4.2.2.2: give who signed: the issuer, or somebody whom the issuer made its responder."""
    digest = response.signature_hash_algorithm
    if digest is None or digest.name not in acceptance.certificate_digests:
        return None
    responders = (
        issuer,
        *(c for c in response.certificates if _is_responder(c, issuer, response, acceptance)),
    )
    return next((c for c in responders if _has_signed(c, response, digest, acceptance)), None)


def _is_responder(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    response: ocsp.OCSPResponse,
    acceptance: AcceptancePolicy,
) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        digest = certificate.signature_hash_algorithm
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return (
        ExtendedKeyUsageOID.OCSP_SIGNING in usage
        and digest is not None
        and digest.name in acceptance.certificate_digests
        and certificate.not_valid_before_utc <= response.produced_at_utc <= certificate.not_valid_after_utc
    )


def _has_signed(
    certificate: x509.Certificate,
    response: ocsp.OCSPResponse,
    digest: HashAlgorithm,
    acceptance: AcceptancePolicy,
) -> bool:
    key = certificate.public_key()
    if not is_strong(key, acceptance):
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(digest))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def responder_addresses(certificate: x509.Certificate) -> tuple[str, ...]:
    """Give where a certificate says that its responder is (RFC 5280, 4.2.2.1), in its order."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    return tuple(
        described.access_location.value
        for described in access
        if described.access_method == AuthorityInformationAccessOID.OCSP
        and isinstance(described.access_location, x509.UniformResourceIdentifier)
    )
