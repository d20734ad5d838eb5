"""The kit's own public-key infrastructure: fixed keys, committed, worth nothing outside of tests.

``python -m tests.conformance.keys`` makes them anew; every case is then to be built again.
"""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.builders.pki import (
    AUTHORITY,
    NOT_BEFORE,
    SIGNER,
    Holder,
    PrivateKey,
    Usage,
    issue,
    of_first_version,
    weakly_signed,
    with_exponent_one,
)
from tests.builders.revocation import Revoked, make_crl

FOLDER: Final = Path(__file__).with_name("pki")
NOT_AFTER: Final = datetime(2045, 1, 1, tzinfo=UTC)
LAPSED: Final = datetime(2026, 1, 1, tzinfo=UTC)
LISTED: Final = datetime(2026, 5, 10, tzinfo=UTC)
LATER: Final = datetime(2026, 6, 1, tzinfo=UTC)
ENCIPHERMENT: Final = Usage(may_sign=False, may_certify=False)
WEB_SERVER: Final = Usage(purposes=(ExtendedKeyUsageOID.SERVER_AUTH,))
_COMMON: Final = "TEST CA public sector"
SHORT_PATH: Final = Usage(is_authority=True, may_sign=False, may_certify=True, path_length=0)


@cache
def holder(name: str) -> Holder:
    """Give a holder of the kit with key, certificate and issuers as they were committed."""
    material = (FOLDER / f"{name}.pem").read_bytes()
    key = serialization.load_pem_private_key(material, None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    certificate, *issuers = x509.load_pem_x509_certificates(material)
    return Holder(key=key, certificate=certificate, issuers=tuple(issuers))


def write_all(folder: Path = FOLDER) -> None:
    """Make every key and certificate of the kit."""
    folder.mkdir(exist_ok=True)
    for name, made in {**_authorities(), **_people()}.items():
        (folder / f"{name}.pem").write_bytes(
            made.pem
            + b"".join(
                item.public_bytes(serialization.Encoding.PEM) for item in (made.certificate, *made.issuers)
            )
        )


@cache
def _authorities() -> dict[str, Holder]:
    root = _issue("TEST Root CA (public sector)", _ec(384), None, AUTHORITY)
    public_root = _issue("TEST Root CA (licensed)", _ec(384), None, AUTHORITY)
    authority = _issue(_COMMON, _rsa(2048), root, AUTHORITY)
    short = _issue("TEST CA of a short path", _ec(256), root, SHORT_PATH)
    return {
        "root": root,
        "public_root": public_root,
        "authority": authority,
        "public_authority": _issue("TEST CA licensed", _ec(256), public_root, AUTHORITY),
        "lapsed_authority": _issue("TEST CA lapsed", _ec(256), root, AUTHORITY, not_after=LAPSED),
        "revoked_authority": _issue("TEST CA revoked", _ec(256), root, AUTHORITY),
        "below_short": _issue("TEST CA too deep", _ec(256), short, AUTHORITY),
    }


def _people() -> dict[str, Holder]:
    made = _authorities()
    authority = made["authority"]
    seal = _issue("TEST Trường thử nghiệm số 1", _rsa(2048), authority)
    sha1 = _issue("TEST SHA-1", _rsa(2048), authority)
    exponent = _issue("TEST exponent 1", _rsa(2048), authority)
    unsigned_by_anybody = _issue("TEST self-signed", _ec(256), None)
    people = {
        "seal": seal,
        "seal_same_key": _issue("TEST the same key, another name", seal.key, authority),
        "seal_sha1": weakly_signed(sha1, authority, "sha1"),
        "seal_exponent_one": with_exponent_one(exponent, authority),
        "seal_rsa1024": _issue("TEST RSA-1024", _rsa(1024), authority),
        "seal_p224": _issue("TEST P-224", ec.generate_private_key(ec.SECP224R1()), authority),
        "seal_p384": _issue("TEST P-384", _ec(384), authority),
        "seal_p521": _issue("TEST P-521", _ec(521), authority),
        "seal_expired": _issue("TEST expired", _ec(256), authority, not_after=LAPSED),
        "seal_future": _issue("TEST not yet valid", _ec(256), authority, not_before=LATER),
        "seal_encipherment": _issue("TEST encipherment", _ec(256), authority, ENCIPHERMENT),
        "seal_lapsed_authority": _issue("TEST below a lapsed CA", _ec(256), made["lapsed_authority"]),
        "seal_too_deep": _issue("TEST below a path too long", _ec(256), made["below_short"]),
        "seal_self_signed": unsigned_by_anybody,
        "seal_first_version": of_first_version(_issue("TEST version 1", _ec(256), authority), authority),
        "seal_no_authority": _issue("TEST below a signer", _ec(256), seal),
        "seal_web_server": _issue("TEST web server", _ec(256), authority, WEB_SERVER),
        "seal_licensed": _issue("TEST licensed", _ec(256), made["public_authority"]),
        "head": _issue("Y Bhăm Êban", _ec(256), authority, user_id="CCCD:066080000002"),
        "class_teacher": _issue("H'Blơm Niê", _ec(256), authority, user_id="CCCD:066190000001"),
        "subject_teacher": _issue("Trần Văn Đức", _ec(384), authority, user_id="CCCD:066085000003"),
        "other_identity": _issue("H'Blơm Niê", _ec(256), authority, user_id="CCCD:066190999999"),
        "other_name": _issue("Nguyễn Văn Khác", _ec(256), authority),
    }
    people["seal_below_revoked"] = _issue("TEST below a revoked CA", _ec(256), made["revoked_authority"])
    for state in ("listed_revoked", "listed_held"):
        people[f"seal_{state}"] = _issue(f"TEST {state}", _ec(256), authority)
    for state in ("pending", "rejected", "suspended", "revoked", "unregistered", "elsewhere"):
        people[f"seal_{state}"] = _issue(f"TEST {state}", _ec(256), authority)
    return people


def lists() -> dict[str, bytes]:
    """Make the revocation lists of root and authority."""
    hold, lost = x509.ReasonFlags.certificate_hold, x509.ReasonFlags.key_compromise
    serial = {
        name: holder(name).certificate.serial_number
        for name in ("revoked_authority", "seal_listed_revoked", "seal_listed_held")
    }
    entries = {
        "root": {serial["revoked_authority"]: Revoked(at=LISTED, reason=lost)},
        "authority": {
            serial["seal_listed_revoked"]: Revoked(at=LISTED, reason=lost),
            serial["seal_listed_held"]: Revoked(at=LISTED, reason=hold),
        },
    }
    return {
        name: make_crl(
            (holder(name).certificate, holder(name).key),
            this_update=LISTED,
            lasts=NOT_AFTER - LISTED,
            revoked=revoked,
        )
        for name, revoked in entries.items()
    }


def _issue(
    name: str,
    key: PrivateKey,
    issuer: Holder | None,
    usage: Usage = SIGNER,
    *,
    not_before: datetime = NOT_BEFORE,
    not_after: datetime = NOT_AFTER,
    user_id: str | None = None,
) -> Holder:
    made = issue(name, key, issuer, usage=usage, not_before=not_before, not_after=not_after, user_id=user_id)
    # The trust list holds the anchors and the common authority: nobody sends them along.
    return replace(
        made,
        issuers=tuple(item for item in made.issuers if item.subject != item.issuer and not _is_listed(item)),
    )


def _is_listed(certificate: x509.Certificate) -> bool:
    return _COMMON in certificate.subject.rfc4514_string()


def _ec(bits: int) -> ec.EllipticCurvePrivateKey:
    curves: dict[int, ec.EllipticCurve] = {256: ec.SECP256R1(), 384: ec.SECP384R1(), 521: ec.SECP521R1()}
    return ec.generate_private_key(curves[bits])


def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def fingerprint(name: str) -> str:
    """Give the SHA-256 of a holder's certificate."""
    return holder(name).certificate.fingerprint(hashes.SHA256()).hex()


if __name__ == "__main__":
    write_all()
    holder.cache_clear()
    for name, content in lists().items():
        (FOLDER / f"{name}.crl").write_bytes(content)
