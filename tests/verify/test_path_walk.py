"""Paths that the library does not read: signers of version 1, and RSASSA-PSS as OpenSSL makes it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from app.verify.chain import OwnerClass, TrustAnchor, TrustList, build_path
from app.verify.policy import ACCEPTANCE
from tests.builders.paths import path, refusal, trust
from tests.builders.pki import (
    AUTHORITY,
    SIGNED_AT,
    SIGNER,
    Holder,
    Usage,
    infrastructure,
    issue,
    of_first_version,
    private_key,
)

DAY = timedelta(days=1)
KEPT = Path(__file__).parents[1] / "oracles" / "openssl"
SALT = 222  # what OpenSSL 3.0 takes for a key of 2048 bits: as much as there is room for


@pytest.mark.parametrize("kind", ["rsa2048", "p256"])
def test_a_signers_certificate_may_be_of_version_1(kind: str) -> None:
    people = infrastructure()
    authority = issue("CA", private_key(kind, 111), people.root, usage=AUTHORITY)
    leaf = of_first_version(issue("Trường", private_key(kind, 112), authority), authority)
    assert leaf.certificate.version is x509.Version.v1

    verdict = path(leaf)

    assert verdict.finding is None
    assert verdict.chain == (leaf.certificate, authority.certificate, people.root.certificate)
    assert verdict.owner_class is OwnerClass.PUBLIC_SECTOR
    assert path(leaf, trust(authority)).chain == (leaf.certificate, authority.certificate)


def test_an_authority_may_not_be_of_version_1() -> None:
    people = infrastructure()
    authority = issue("CA", private_key("p256", 113), people.root, usage=AUTHORITY)
    plain = of_first_version(authority, people.root)
    for last in (lambda holder: holder, lambda holder: of_first_version(holder, plain)):
        found = refusal(last(issue("Trường", private_key("p256", 114), plain)))
        assert found.code == "KS-055"
        assert found.facts["issuer"] == "CA"


def test_below_a_certificate_of_version_1_there_is_nothing_less_to_hold() -> None:
    people = infrastructure()

    def below(name: str, issuer: Holder, usage: Usage = AUTHORITY) -> tuple[Holder, Holder]:
        authority = issue(name, private_key("p256", 115), issuer, usage=usage)
        return authority, of_first_version(issue("Trường", private_key("p256", 116), authority), authority)

    short = replace(AUTHORITY, path_length=0)
    last, leaf = below("CA cuối", people.root, short)
    assert path(leaf).finding is None
    _, too_deep = below("CA dưới nữa", last)
    assert refusal(too_deep).code == "KS-040"
    _, constrained = below("CA giới hạn tên", people.root, replace(AUTHORITY, permitted_host="truong.vn"))
    assert refusal(constrained).code == "KS-040"
    lapsed = issue("CA", private_key("p256", 117), people.root, usage=AUTHORITY, not_after=SIGNED_AT - DAY)
    assert refusal(below("CA con", lapsed)[1]).code == "KS-038"
    impostor = issue("CA cuối", private_key("p256", 118), usage=AUTHORITY)
    assert (
        refusal(Holder(key=leaf.key, certificate=leaf.certificate, issuers=impostor.issuers)).code == "KS-039"
    )


def signed_by_pss(
    holder: Holder,
    issuer: Holder,
    *,
    salt: int = SALT,
    further: Sequence[tuple[x509.ExtensionType, bool]] = (),
) -> Holder:
    """Sign a certificate anew with RSASSA-PSS (RFC 4055)."""
    old, digest = holder.certificate, hashes.SHA256()
    assert isinstance(issuer.key, rsa.RSAPrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(old.subject)
        .issuer_name(issuer.certificate.subject)
        .public_key(holder.key.public_key())
        .serial_number(old.serial_number)
        .not_valid_before(old.not_valid_before_utc)
        .not_valid_after(old.not_valid_after_utc)
    )
    for extension, is_critical in (*((one.value, one.critical) for one in old.extensions), *further):
        builder = builder.add_extension(extension, critical=is_critical)
    scheme = padding.PSS(padding.MGF1(digest), salt)
    made = builder.sign(issuer.key, digest, rsa_padding=scheme)
    return Holder(key=holder.key, certificate=made, issuers=(issuer.certificate, *issuer.issuers))


def rsa_authority(name: str, issuer: Holder | None = None, usage: Usage = AUTHORITY) -> Holder:
    made = issue(name, private_key("rsa2048", 121), issuer, usage=usage)
    return made if issuer is None else signed_by_pss(made, issuer)


def below(issuer: Holder, usage: Usage = SIGNER) -> Holder:
    return signed_by_pss(issue("Trường", private_key("p256", 122), issuer, usage=usage), issuer)


@pytest.mark.parametrize("salt", [0, 20, 32, SALT])
def test_certificates_may_be_signed_with_a_salt_of_any_length(salt: int) -> None:
    root = rsa_authority("Root PSS")
    authority = signed_by_pss(rsa_authority("CA PSS", root), root, salt=salt)
    leaf = signed_by_pss(issue("Trường", private_key("p256", 122), authority), authority, salt=salt)

    assert path(leaf, trust(root)).chain == (leaf.certificate, authority.certificate, root.certificate)


def test_a_path_that_is_walked_holds_to_what_the_library_holds_to() -> None:
    root = rsa_authority("Root PSS")
    last = rsa_authority("CA cuối", root, replace(AUTHORITY, path_length=0))
    assert path(below(last), trust(root)).finding is None

    codes = {
        "too deep": refusal(below(rsa_authority("CA dưới nữa", last)), trust(root)),
        "names": refusal(
            below(rsa_authority("CA tên", root, replace(AUTHORITY, permitted_host="truong.vn"))), trust(root)
        ),
        "unknown": refusal(below(last, Usage(critical_unknown=True)), trust(root)),
        "unknown above": refusal(
            below(rsa_authority("CA lạ", root, replace(AUTHORITY, critical_unknown=True))), trust(root)
        ),
        "no authority": refusal(below(rsa_authority("Giáo viên", root, SIGNER)), trust(root)),
        "not for signing": refusal(below(last, Usage(may_sign=False)), trust(root)),
        "elsewhere": refusal(below(last), trust(infrastructure().root)),
        "lapsed": refusal(
            below(
                signed_by_pss(
                    issue(
                        "CA hết hạn", private_key("rsa2048", 121), root, usage=AUTHORITY,
                        not_after=SIGNED_AT - DAY,
                    ),
                    root,
                )
            ),
            trust(root),
        ),
    }  # fmt: skip

    assert {name: found.code for name, found in codes.items()} == {
        "too deep": "KS-040",
        "names": "KS-040",
        "unknown": "KS-040",
        "unknown above": "KS-040",
        "no authority": "KS-055",
        "not for signing": "KS-036",
        "elsewhere": "KS-039",
        "lapsed": "KS-038",
    }


def test_a_signature_with_a_long_salt_has_to_hold() -> None:
    root = rsa_authority("Root PSS")
    impostor = Holder(key=private_key("rsa2048", 123), certificate=root.certificate, issuers=root.issuers)

    assert refusal(below(impostor), trust(root)).code == "KS-039"


def test_a_certificate_of_version_1_is_signed_by_whom_it_names() -> None:
    people = infrastructure()
    authority = issue("CA", private_key("p256", 128), people.root, usage=AUTHORITY)
    impostor = Holder(
        key=private_key("p256", 129), certificate=authority.certificate, issuers=authority.issuers
    )
    seal = issue("Trường", private_key("p256", 130), authority)
    forged = issue("Trường", private_key("p256", 130), impostor)

    assert path(of_first_version(seal, authority)).finding is None
    assert refusal(of_first_version(forged, impostor)).code == "KS-039"


def test_what_says_more_than_has_to_be_read_is_a_path_too() -> None:
    told = replace(AUTHORITY, names_keys=True)
    root = rsa_authority("Root PSS", usage=told)

    assert path(below(root, Usage(names_keys=True)), trust(root)).finding is None


def test_names_that_are_constrained_without_insisting_are_refused_too() -> None:
    root = rsa_authority("Root PSS")
    constraints = x509.NameConstraints([x509.DirectoryName(root.certificate.subject)], None)
    authority = signed_by_pss(rsa_authority("CA tên", root), root, further=((constraints, False),))

    assert refusal(below(authority), trust(root)).code == "KS-040"


def test_a_path_has_an_end() -> None:
    root = last = rsa_authority("CA 0")
    for number in range(1, 7):
        last = rsa_authority(f"CA {number}", last)
    assert len(path(below(last), trust(root)).chain) == 8

    assert refusal(below(rsa_authority("CA 7", last)), trust(root)).code == "KS-040"


@pytest.mark.parametrize(
    ("name", "code"), [("pss-extended", None), ("pss-plain", None), ("mask-sha1", "KS-040")]
)
def test_the_mask_is_made_with_no_weaker_digest(name: str, code: str | None) -> None:
    leaf, authority = x509.load_pem_x509_certificates((KEPT / f"{name}.pem").read_bytes())
    (anchor,) = x509.load_pem_x509_certificates((KEPT / "root.pem").read_bytes())
    anchors = TrustList(
        version="openssl", anchors=(TrustAnchor(certificate=anchor, owner_class=OwnerClass.PUBLIC_SECTOR),)
    )

    found = build_path(leaf, (authority,), anchors, ACCEPTANCE, leaf.not_valid_before_utc + DAY).finding

    assert (found and found.code) == code


def test_authorities_that_certify_each_other_in_circles_are_given_up() -> None:
    keys = [private_key("rsa2048", 124), private_key("rsa2048", 125)]
    one, other = (
        issue(name, key, usage=AUTHORITY) for name, key in zip(("Vòng 1", "Vòng 2"), keys, strict=True)
    )
    crossed = tuple(
        signed_by_pss(
            issue(name, keys[index], usage=replace(AUTHORITY, path_length=length)), issuer
        ).certificate
        for length in range(2, 7)
        for index, (name, issuer) in enumerate((("Vòng 1", other), ("Vòng 2", one)))
    )
    leaf = below(one)
    circle = Holder(key=leaf.key, certificate=leaf.certificate, issuers=crossed)

    assert refusal(circle).code in {"KS-039", "KS-040"}
