"""Keys and certificates of a signer (khóa bí mật, chứng thư số), and what each key may sign with."""

from dataclasses import dataclass
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from app.client.errors import SigningError

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
DigestName = Literal["sha256", "sha384", "sha512"]

DIGESTS: Final[dict[DigestName, hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_EC_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_EC_DIGESTS: Final[dict[str, DigestName]] = {
    "secp256r1": "sha256",
    "secp384r1": "sha384",
    "secp521r1": "sha512",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A signature made with a named JOSE algorithm (RFC 7518, 3.1)."""

    algorithm: str
    signature: bytes


def load_private_key(material: bytes, password: bytes | None = None) -> PrivateKey:
    """Read a private key from PEM or DER (PKCS#8, PKCS#1, SEC 1).

    Raises:
        SigningError: it is no key, the password does not open it, or it is neither RSA nor ECDSA.
    """
    is_pem = b"-----BEGIN" in material
    load = serialization.load_pem_private_key if is_pem else serialization.load_der_private_key
    try:
        key = load(material, password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningError(
            "Không đọc được khóa bí mật: cần tệp PEM hoặc DER, và đúng mật khẩu nếu khóa được mã hóa.",
            "The private key cannot be read: PEM or DER is needed, and the password if it is encrypted.",
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise SigningError("Khóa phải là RSA hoặc ECDSA.", "The key must be RSA or ECDSA.")
    return key


def load_certificate(material: bytes) -> x509.Certificate:
    """Read a certificate from PEM or DER; of several in one PEM file the first, which is the signer's own.

    Raises:
        SigningError: there is no certificate in it.
    """
    is_pem = b"-----BEGIN" in material
    try:
        return (
            x509.load_pem_x509_certificate(material) if is_pem else x509.load_der_x509_certificate(material)
        )
    except ValueError as error:
        raise SigningError(
            "Không đọc được chứng thư số: cần tệp PEM hoặc DER.",
            "The certificate cannot be read: PEM or DER is needed.",
        ) from error


def check_pair(key: PrivateKey, certificate: x509.Certificate) -> None:
    """Refuse a key that is not the certificate's (SigningError)."""
    if key.public_key() != certificate.public_key():
        raise SigningError(
            "Khóa bí mật và chứng thư số không thuộc cùng một cặp.",
            "The private key and the certificate do not belong together.",
        )


def usual_digest(key: PrivateKey) -> DigestName:
    """Name the hash that matches the key's strength: SHA-256 for RSA, the curve's own for ECDSA."""
    return "sha256" if isinstance(key, rsa.RSAPrivateKey) else _EC_DIGESTS.get(key.curve.name, "sha256")


def sign_octets(key: PrivateKey, octets: bytes, *, digest: DigestName, is_pss: bool = False) -> bytes:
    """Sign octets the way XML Signature and JOSE write it: RSA as it is, ECDSA as r and s side by side."""
    algorithm = DIGESTS[digest]
    if isinstance(key, rsa.RSAPrivateKey):
        if not is_pss:
            return key.sign(octets, padding.PKCS1v15(), algorithm)
        # RFC 8017, 9.1: MGF1 with the same hash, salt as long as the hash; verifiers assume both.
        return key.sign(octets, padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm)
    first, second = decode_dss_signature(key.sign(octets, ec.ECDSA(algorithm)))
    width = (key.curve.key_size + 7) // 8
    return first.to_bytes(width, "big") + second.to_bytes(width, "big")


def prove(key: PrivateKey, octets: bytes) -> Proof:
    """Sign octets with the key's usual JOSE algorithm: RS256, ES256, ES384 or ES512."""
    digest = usual_digest(key)
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else _EC_ALGORITHMS[key.curve.name]
    return Proof(algorithm=algorithm, signature=sign_octets(key, octets, digest=digest))
