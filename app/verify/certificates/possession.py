"""Certificates as they are handed in, and the proof that whoever hands one in holds its private key."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from app.errors import DomainError

MAX_CERTIFICATE_CHARACTERS: Final = 20_000
# Beyond this one verification costs more than a stranger may ask of us.
MAX_RSA_BITS: Final = 8192
_PEM_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_PRIVATE_KEY: Final = b"PRIVATE KEY-----"

# Algorithms by their JOSE names (RFC 7518, 3.1); each curve has one.
_RSA_ALGORITHMS: Final = frozenset({"RS256", "PS256"})
_CURVES: Final[dict[str, tuple[str, type[hashes.HashAlgorithm]]]] = {
    "ES256": ("secp256r1", hashes.SHA256),
    "ES384": ("secp384r1", hashes.SHA384),
    "ES512": ("secp521r1", hashes.SHA512),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A signature over ``possession_message``; ECDSA as DER or as r and s side by side."""

    algorithm: str
    signature: bytes


def possession_message(nonce: str) -> bytes:
    """Give the octets to sign; the prefix keeps the signature from meaning anything elsewhere."""
    return b"hocba-possession:" + nonce.encode("ascii")


def read_certificate(content: bytes) -> x509.Certificate:
    """Read exactly one certificate, PEM or DER.

    Refuses with QH-030 content that holds a private key, and with QH-025 everything that is not one X.509
    certificate whose key can be read.
    """
    if _PRIVATE_KEY in content:
        raise DomainError("QH-030")
    try:
        if _PEM_BEGIN in content:
            (certificate,) = x509.load_pem_x509_certificates(content)
        else:
            certificate = x509.load_der_x509_certificate(content)
        # Names, key and extensions are read lazily; what is unreadable shall show here, and only here.
        certificate.public_key()
        _ = (certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string())
        _ = (list(certificate.extensions), certificate.not_valid_before_utc, certificate.not_valid_after_utc)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise DomainError("QH-025") from error
    return certificate


def to_pem(der: bytes) -> str:
    """Write a stored certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode()


@lru_cache(maxsize=4096)
def key_fingerprint(certificate: x509.Certificate) -> str:
    """Give the SHA-256 of the public key (SubjectPublicKeyInfo), 64 hex digits: equal for the same key."""
    spki = certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()


def check_possession(certificate: x509.Certificate, proof: Proof, nonce: str) -> None:
    """Check that the proof was made with the certificate's own key.

    Refuses with QH-028 an algorithm that is unknown or not for this kind of key, and with QH-027 a
    signature that does not verify.
    """
    key, message = certificate.public_key(), possession_message(nonce)
    try:
        if (
            isinstance(key, rsa.RSAPublicKey)
            and key.key_size <= MAX_RSA_BITS
            and proof.algorithm in _RSA_ALGORITHMS
        ):
            key.verify(proof.signature, message, _padding(proof.algorithm), hashes.SHA256())
        elif (
            isinstance(key, ec.EllipticCurvePublicKey)
            and _CURVES.get(proof.algorithm, ("",))[0] == key.curve.name
        ):
            digest = _CURVES[proof.algorithm][1]()
            key.verify(_as_der(proof.signature, key), message, ec.ECDSA(digest))
        else:
            raise DomainError("QH-028", algorithm=proof.algorithm)
    except (InvalidSignature, ValueError) as error:
        raise DomainError("QH-027", algorithm=proof.algorithm) from error


def _padding(algorithm: str) -> padding.AsymmetricPadding:
    if algorithm == "PS256":
        return padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
    return padding.PKCS1v15()


def _as_der(signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """Give an ECDSA signature as DER; of the raw form's length it is taken for raw (RFC 7518, 3.4)."""
    width = (key.curve.key_size + 7) // 8
    if len(signature) != 2 * width:
        return signature
    r, s = (int.from_bytes(half, "big") for half in (signature[:width], signature[width:]))
    return encode_dss_signature(r, s)
