"""Certificates handed in the way a school's software does it."""

import base64
from collections.abc import Mapping

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.builders.pki import Holder, PrivateKey


def sign_possession(key: PrivateKey, nonce: str, algorithm: str, *, is_raw: bool = False) -> bytes:
    """Sign a nonce as the protocol asks."""
    message = b"hocba-possession:" + nonce.encode()
    if isinstance(key, rsa.RSAPrivateKey):
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if algorithm == "PS256":
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return key.sign(message, scheme, hashes.SHA256())
    digests = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}
    der = key.sign(message, ec.ECDSA(digests[algorithm]))
    if not is_raw:
        return der
    width = (key.curve.key_size + 7) // 8
    return b"".join(part.to_bytes(width, "big") for part in decode_dss_signature(der))


def usual_algorithm(key: PrivateKey) -> str:
    """Name the algorithm of a key."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    return {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}[key.curve.name]


def pem(certificate: x509.Certificate) -> str:
    """Write a certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def registration(
    holder: Holder, challenge: Mapping[str, str], school_code: str, role: str = "NHA_TRUONG"
) -> dict[str, object]:
    """Make the body of a registration with a proof that holds."""
    algorithm = usual_algorithm(holder.key)
    signature = sign_possession(holder.key, challenge["nonce"], algorithm)
    return {
        "school_code": school_code,
        "role": role,
        "certificate": pem(holder.certificate),
        "proof": {
            "challenge_id": challenge["challenge_id"],
            "signature": base64.b64encode(signature).decode(),
            "algorithm": algorithm,
        },
    }


async def enrol(
    http: httpx.AsyncClient, token: str, holder: Holder, school_code: str, role: str = "NHA_TRUONG"
) -> str:
    """Register a certificate over HTTP and give its id."""
    headers = {"Authorization": f"Bearer {token}"}
    opened = await http.post(
        "/api/v1/certificates/challenges", json={"school_code": school_code}, headers=headers
    )
    assert opened.status_code == 201, opened.text
    answer = await http.post(
        "/api/v1/certificates",
        json=registration(holder, opened.json(), school_code, role),
        headers=headers,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["certificate_id"])
