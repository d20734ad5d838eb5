"""Certification paths that the library does not read, walked step by step (RFC 5280, 6.1). Pure.

It takes signers' certificates of version 3 alone, and of RSASSA-PSS (RFC 4055) only plain RSA keys and salts
as long as the digest; OpenSSL 3.0 makes neither by itself. What would have names or policies processed is no
path here: too strict, never too lax.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import PublicKeyAlgorithmOID, SignatureAlgorithmOID

MAX_PATH_LENGTH: Final = 8
# Signatures verified for one path: authorities that certify each other in circles cost no more.
_MOST_TRIES: Final = 64
# What a certificate of such a path may say as critical, because it is read here or by whoever asked.
_READ: Final = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
    }
)
# What restricts those below, critical or not.
_RESTRICTING: Final = frozenset(
    {x509.NameConstraints.oid, x509.PolicyConstraints.oid, x509.InhibitAnyPolicy.oid}
)


def walk(
    leaf: x509.Certificate,
    anchors: tuple[x509.Certificate, ...],
    pool: tuple[x509.Certificate, ...],
    at: datetime,
) -> tuple[x509.Certificate, ...] | None:
    """Give a path from a signer's certificate to an anchor, as of a moment, that the library passes by.

    What the signer's certificate is for, and how strong keys and digests are, is left to whoever asks.
    """
    found = _upwards((leaf,), anchors, pool, at, iter(range(_MOST_TRIES)))
    return next((path for path in found if any(map(_is_unread, path))), None)


def _upwards(
    path: tuple[x509.Certificate, ...],
    anchors: tuple[x509.Certificate, ...],
    pool: tuple[x509.Certificate, ...],
    at: datetime,
    tries: Iterator[int],
) -> Iterator[tuple[x509.Certificate, ...]]:
    last = path[-1]
    if last in anchors:
        yield path
        return
    if not _is_read_whole(last) or len(path) == MAX_PATH_LENGTH:
        return
    for issuer in (*anchors, *pool):
        if issuer in path or issuer.subject != last.issuer or not _may_stand_above(path, issuer, at):
            continue
        if next(tries, None) is None:
            return
        if has_issued(issuer, last) and _is_masked_as_digested(issuer, last):
            yield from _upwards((*path, issuer), anchors, pool, at, tries)


def _is_unread(certificate: x509.Certificate) -> bool:
    """Say whether the library passes a certificate by that RFC 5280 lets stand in a path."""
    return (
        (certificate.version is x509.Version.v1 and not len(certificate.extensions))
        or certificate.signature_algorithm_oid == SignatureAlgorithmOID.RSASSA_PSS
        or certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS
    )


def _is_read_whole(certificate: x509.Certificate) -> bool:
    """RFC 5280, 6.1.4 (o) and 6.1.5 (f): nothing critical is left unread."""
    return all(not one.critical or one.oid in _READ for one in certificate.extensions)


def _may_stand_above(path: tuple[x509.Certificate, ...], issuer: x509.Certificate, at: datetime) -> bool:
    """RFC 5280, 6.1.3 (a) (2) and 6.1.4 (k to n); what names and policies are held against is refused."""
    if not is_authority(issuer) or not issuer.not_valid_before_utc <= at <= issuer.not_valid_after_utc:
        return False
    if any(extension.oid in _RESTRICTING for extension in issuer.extensions):
        return False
    allowed = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    return issuer.version is x509.Version.v3 and (allowed is None or len(path) - 1 <= allowed)


def is_authority(certificate: x509.Certificate) -> bool:
    """Say whether a certificate may issue others (RFC 5280, 4.2.1.9 and 4.2.1.3)."""
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as missing:
        return missing.oid == x509.KeyUsage.oid
    return usage.key_cert_sign


def has_issued(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    """Say whether one certificate names the other's holder and is signed with the other's key."""
    if issuer.subject != subject.issuer:
        return False
    try:
        subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _is_masked_as_digested(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    """RFC 4055, 3.1: ask of RSASSA-PSS, whatever the salt, that the mask is made with the message's digest.

    It has a digest of its own, which may be SHA-1 where the other is not.
    """
    if subject.signature_algorithm_oid != SignatureAlgorithmOID.RSASSA_PSS:
        return True
    key, digest = issuer.public_key(), subject.signature_hash_algorithm
    assert isinstance(key, rsa.RSAPublicKey)
    assert digest is not None
    scheme = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
    try:
        key.verify(subject.signature, subject.tbs_certificate_bytes, scheme, digest)
    except InvalidSignature:
        return False
    return True
