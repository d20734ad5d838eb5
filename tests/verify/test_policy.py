from datetime import UTC, datetime, timedelta

from app.verify.policy import ACCEPTANCE, Canonicalization, Scheme, SignatureMethod

MORE = "http://www.w3.org/2001/04/xmldsig-more#"


def test_only_what_the_format_lists_is_accepted() -> None:
    assert set(ACCEPTANCE.digests.values()) == {"sha256", "sha384", "sha512"}
    assert len(ACCEPTANCE.digests) == 3
    assert len(ACCEPTANCE.signature_methods) == 10
    assert {method.scheme for method in ACCEPTANCE.signature_methods.values()} == set(Scheme)
    assert set(ACCEPTANCE.canonicalizations.values()) == set(Canonicalization)
    assert not any("omments" in uri for uri in ACCEPTANCE.canonicalizations)
    assert ACCEPTANCE.rsa_min_bits == 2048
    assert ACCEPTANCE.curves == {"secp256r1", "secp384r1", "secp521r1"}


def test_nothing_is_both_accepted_and_refused() -> None:
    accepted = {*ACCEPTANCE.canonicalizations, *ACCEPTANCE.digests, *ACCEPTANCE.signature_methods}

    assert not accepted & set(ACCEPTANCE.refused)


def test_refused_algorithms_have_names_and_unknown_ones_their_uri() -> None:
    assert ACCEPTANCE.refused_name(f"{MORE}hmac-sha256") == "HMAC-SHA256"
    assert ACCEPTANCE.refused_name("urn:la") == "urn:la"


def test_methods_have_short_names() -> None:
    names = {method.name for method in ACCEPTANCE.signature_methods.values()}

    assert {"rsa-sha256", "rsa-pss-sha256", "ecdsa-sha512"} <= names
    assert SignatureMethod(scheme=Scheme.RSA_PSS, digest=None).name == "rsa-pss"


def test_a_time_without_offset_is_the_legal_time_of_viet_nam() -> None:
    moment = datetime(2026, 5, 28, 9, 0, tzinfo=ACCEPTANCE.zone_when_missing)

    assert moment == datetime(2026, 5, 28, 2, 0, tzinfo=UTC)
    assert moment.utcoffset() == timedelta(hours=7)
