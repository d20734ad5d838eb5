"""The mathematics of a signature value: RSA PKCS #1 v1.5 and PSS (RFC 8017), ECDSA (FIPS 186-5).

The algorithm is the document's, the key the certificate's; a key of the wrong kind never gets as far as a
computation, so that nothing (an HMAC, say) can be keyed with public octets.
"""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from app.findings import Finding
from app.verify.key_info import CarriedCertificate, PublicKey
from app.verify.place import SignaturePlace
from app.verify.policy import HASHES, AcceptancePolicy, Scheme, SignatureMethod
from app.verify.structure import DSMORE, SignatureForm, ds

# RFC 9231, 2.3.9: what RSASSA-PSS means where a parameter is left out.
_PSS_DEFAULT_DIGEST: Final = "sha256"
_MGF1: Final = "http://www.w3.org/2007/05/xmldsig-more#MGF1"


def read_method(
    form: SignatureForm, policy: AcceptancePolicy, place: SignaturePlace
) -> SignatureMethod | Finding:
    """Give how the signature was made; KS-022 names what is not accepted."""
    element = form.signature_method
    uri = element.get("Algorithm", "")
    method = policy.signature_methods.get(uri)
    if method is None:
        return place.finding("KS-022", element, algorithm=policy.refused_name(uri))
    if method.digest is not None:
        if len(element):
            return place.finding("KS-022", element, algorithm=f"{method.name} + {element[0].tag}")
        return method
    digest = _pss_digest(element, policy)
    if digest is None:
        return place.finding("KS-022", element, algorithm="rsa-pss (RSAPSSParams)")
    return SignatureMethod(scheme=method.scheme, digest=digest)


def _pss_digest(element: etree._Element, policy: AcceptancePolicy) -> str | None:
    """Read RSAPSSParams: one digest for message and mask, a salt as long, the usual trailer; None else."""
    stated: dict[str, etree._Element] = {
        str(child.tag).removeprefix(f"{{{DSMORE}}}"): child for params in element for child in params
    }
    digests = [child.get("Algorithm", "") for params in element for child in params.iter(ds("DigestMethod"))]
    message = stated.pop("DigestMethod", stated.pop(ds("DigestMethod"), None))
    name = policy.digests.get(message.get("Algorithm", "")) if message is not None else _PSS_DEFAULT_DIGEST
    if name is None or any(policy.digests.get(uri) != name for uri in digests):
        return None
    mask = stated.pop("MaskGenerationFunction", None)
    if mask is None and name != _PSS_DEFAULT_DIGEST:
        return None
    if mask is not None and (
        mask.get("Algorithm") != _MGF1 or (not len(mask) and name != _PSS_DEFAULT_DIGEST)
    ):
        return None
    salt, trailer = stated.pop("SaltLength", None), stated.pop("TrailerField", None)
    salt_length = (salt.text or "").strip() if salt is not None else "32"
    if salt_length != str(HASHES[name].digest_size) or stated:
        return None
    return name if trailer is None or (trailer.text or "").strip() == "1" else None


def check_key(
    carried: CarriedCertificate, method: SignatureMethod, policy: AcceptancePolicy, place: SignaturePlace
) -> Finding | None:
    """Refuse a key that is too weak or of no accepted kind (KS-024), or not of the method's (KS-023)."""
    key = carried.public_key
    if key is None:
        return place.finding("KS-024", key=carried.certificate.public_key_algorithm_oid.dotted_string)
    if not _is_of_scheme(key, method):
        return place.finding("KS-023", algorithm=method.name)
    return None if fits(carried, method, policy) else place.finding("KS-024", key=describe_key(key))


def fits(carried: CarriedCertificate, method: SignatureMethod, policy: AcceptancePolicy) -> bool:
    """Say whether a certificate's key may have signed in this way."""
    key = carried.public_key
    return (
        key is not None
        and _is_of_scheme(key, method)
        and is_strong(key, policy, exponent=carried.rsa_exponent)
    )


def _is_of_scheme(key: PublicKey, method: SignatureMethod) -> bool:
    return isinstance(key, ec.EllipticCurvePublicKey) is (method.scheme is Scheme.ECDSA)


def is_strong(key: object, policy: AcceptancePolicy, *, exponent: int | None = None) -> bool:
    """Say whether the policy takes a key of this kind and size; an RSA key's exponent may be at hand."""
    if isinstance(key, rsa.RSAPublicKey):
        exponent = exponent or key.public_numbers().e
        is_sized = policy.rsa_min_bits <= key.key_size <= policy.rsa_max_bits
        return is_sized and exponent >= policy.rsa_min_exponent and exponent % 2 == 1
    return isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in policy.curves


def describe_key(key: object) -> str:
    """Name a key's kind and size for people."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size} (e={key.public_numbers().e})"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.lstrip("_")


def is_valid(key: PublicKey, method: SignatureMethod, value: bytes, message: bytes) -> bool:
    """Say whether the value is this key's signature of the message; a malformed value is not."""
    assert method.digest is not None
    digest = HASHES[method.digest]()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            # XMLDSig 1.1, 6.4.3: r and s side by side, each as long as the curve's order.
            width = (key.curve.key_size + 7) // 8
            if len(value) != 2 * width:
                return False
            r, s = int.from_bytes(value[:width], "big"), int.from_bytes(value[width:], "big")
            key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
        elif method.scheme is Scheme.RSA_PSS:
            key.verify(value, message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        else:
            key.verify(value, message, padding.PKCS1v15(), digest)
    except InvalidSignature:
        return False
    return True
