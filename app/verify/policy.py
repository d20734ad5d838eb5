"""What we accept of a signature: algorithms, keys and limits, as versioned data."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from cryptography.hazmat.primitives import hashes

ENVELOPED_SIGNATURE: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"

HASHES: Final[Mapping[str, type[hashes.HashAlgorithm]]] = MappingProxyType(
    {"sha256": hashes.SHA256, "sha384": hashes.SHA384, "sha512": hashes.SHA512}
)


class Canonicalization(StrEnum):
    """The two families of canonical XML that are accepted, both without comments.

    C14N 1.0 and 1.1 differ only in how attributes of the ``xml`` prefix are inherited; a transcript that
    carries one is refused before anything is canonicalised, so both are computed alike.
    """

    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"


class Scheme(StrEnum):
    """How a signature value is made (RFC 8017; FIPS 186-5)."""

    RSA_PKCS1 = "rsa-pkcs1"
    RSA_PSS = "rsa-pss"
    ECDSA = "ecdsa"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureMethod:
    """One way to sign; digest is None where the document's own parameters name it."""

    scheme: Scheme
    digest: str | None

    @property
    def name(self) -> str:
        """Short name, for example ``rsa-sha256``."""
        family = "rsa" if self.scheme is Scheme.RSA_PKCS1 else self.scheme
        return f"{family}-{self.digest}" if self.digest else family


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureLimits:
    """How much one transcript's signatures may ask us to compute.

    Attributes:
        signatures: of one transcript.
        references: of one signature.
        objects: of one signature.
        certificates: in one KeyInfo.
        certificate_characters: of one certificate's Base64.
        signature_elements: elements inside one signature.
        attributes: attributes and namespace declarations of one transcript together.
        namespace_declarations: of one transcript.
        namespaces_in_scope: at any one element.
        canonical_bytes: produced for one transcript, all digests together.
    """

    signatures: int
    references: int
    objects: int
    certificates: int
    certificate_characters: int
    signature_elements: int
    attributes: int
    namespace_declarations: int
    namespaces_in_scope: int
    canonical_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AcceptancePolicy:
    """What a signature may be made with; compared by identity, so that it can key caches.

    Attributes:
        version: named by every verdict.
        canonicalizations: accepted methods by algorithm URI.
        digests: accepted digest names (as hashlib knows them) by algorithm URI.
        signature_methods: accepted methods by algorithm URI.
        refused: names of known algorithms that are not accepted, by URI.
        rsa_min_bits: shortest RSA modulus.
        rsa_max_bits: longest; beyond it one verification costs too much.
        rsa_min_exponent: smallest public exponent.
        curves: names of accepted elliptic curves.
        certificate_digests: digests that a certificate of the path may be signed with.
        signer_versions: versions of X.509 that a signer's certificate may have; an authority's has to be 3.
        foreign_purposes: names of purposes of a key that alone do not let it sign transcripts, by OID.
        zone_when_missing: the offset meant by a signing time that states none.
        limits: cost limits.
    """

    version: str
    canonicalizations: Mapping[str, Canonicalization]
    digests: Mapping[str, str]
    signature_methods: Mapping[str, SignatureMethod]
    refused: Mapping[str, str]
    rsa_min_bits: int
    rsa_max_bits: int
    rsa_min_exponent: int
    curves: frozenset[str]
    certificate_digests: frozenset[str]
    signer_versions: frozenset[int]
    foreign_purposes: Mapping[str, str]
    zone_when_missing: timezone
    limits: SignatureLimits

    def refused_name(self, uri: str) -> str:
        """Name an algorithm that is not accepted: its usual name where it has one, else its URI."""
        return self.refused.get(uri, uri)


def read_acceptance(toml: str) -> AcceptancePolicy:
    """Read a policy from its TOML text; a missing or unknown entry is a programming error."""
    data: dict[str, Any] = tomllib.loads(toml)
    methods = {
        uri: SignatureMethod(
            scheme=Scheme(row["scheme"]), digest=None if row["digest"] == "parameters" else row["digest"]
        )
        for uri, row in data["signature"].items()
    }
    return AcceptancePolicy(
        version=data["version"],
        canonicalizations=MappingProxyType(
            {uri: Canonicalization(name) for uri, name in data["canonicalization"].items()}
        ),
        digests=MappingProxyType(data["digest"]),
        signature_methods=MappingProxyType(methods),
        refused=MappingProxyType(data["refused"]),
        curves=frozenset(data["keys"].pop("curves")),
        **data["keys"],
        certificate_digests=frozenset(data["certificates"]["digests"]),
        signer_versions=frozenset(data["certificates"]["signer_versions"]),
        foreign_purposes=MappingProxyType(data["foreign_purposes"]),
        zone_when_missing=timezone(timedelta(minutes=data["signing_time"]["offset_minutes_when_missing"])),
        limits=SignatureLimits(**data["limits"]),
    )


_FOLDER: Final = Path(__file__).with_name("policies")
ACCEPTANCE: Final = read_acceptance((_FOLDER / "acceptance-1.toml").read_text("utf-8"))
"""The policy in force."""
