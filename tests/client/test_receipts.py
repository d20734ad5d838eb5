"""Receipts verify offline, against the right bytes and the right key only."""

import json
from hashlib import sha256
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey
from lxml import etree

from app.client.errors import ProofError
from app.client.packaging import NAMESPACE, pack
from app.client.receipts import check_package, check_transcript, read_receipt

KEY = ECKey.generate_key("P-256", {"kid": "key-1"})
JWKS = {"keys": [{**KEY.as_dict(private=False), "kid": "key-1", "use": "sig", "alg": "ES256"}]}
HOCBA = f'<HocBa xmlns="{NAMESPACE}"><NoiDung Id="hb-1"><HoTen>Y Bhiăo Niê</HoTen></NoiDung></HocBa>'
PACKAGE = (
    f'<GoiHocBa xmlns="{NAMESPACE}" phienBan="1.0"><ThongTinChung><MaGoi>{"1" * 32}</MaGoi>'
    f"<MaTruong>6624305501</MaTruong><NamHoc>2025-2026</NamHoc></ThongTinChung>{HOCBA}</GoiHocBa>"
).encode()


def sign(claims: dict[str, Any], *, key: ECKey = KEY, typ: str = "hocba-receipt", alg: str = "ES256") -> str:
    header = {"alg": alg, "kid": key.kid, "typ": typ}
    return jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=[alg])


def test_an_acknowledgement_holds_for_the_package_in_every_form() -> None:
    package = pack(PACKAGE)
    token = sign({"kind": "acknowledgement", "sha256": package.digest})
    receipt = read_receipt(token + "\n", JWKS)
    assert (receipt.kind, receipt.key_id) == ("acknowledgement", "key-1")
    for material in (PACKAGE, package.gzipped, package.as_json()):
        check_package(receipt, material)


def test_an_acknowledgement_of_other_bytes_is_refused() -> None:
    receipt = read_receipt(sign({"kind": "acknowledgement", "sha256": "0" * 64}), JWKS)
    with pytest.raises(ProofError) as caught:
        check_package(receipt, PACKAGE)
    assert "other content" in caught.value.en


def test_a_receipt_holds_for_the_content_wherever_it_stands() -> None:
    content = etree.fromstring(HOCBA)[0]
    digest = sha256(etree.tostring(content, method="c14n", exclusive=True)).hexdigest()
    receipt = read_receipt(sign({"kind": "acceptance", "content_sha256": digest}), JWKS)
    check_transcript(receipt, HOCBA.encode())
    check_transcript(receipt, HOCBA.replace("<HocBa ", '<HocBa xmlns:a="urn:a" ').encode())
    with pytest.raises(ProofError) as caught:
        check_transcript(receipt, HOCBA.replace("Bhiăo", "Bhiao").encode())
    assert "other content" in caught.value.en
    with pytest.raises(ProofError) as caught:
        check_transcript(receipt, PACKAGE)
    assert "no single HocBa" in caught.value.en


def test_a_receipt_that_does_not_speak_of_the_file_is_refused() -> None:
    receipt = read_receipt(sign({"kind": "acknowledgement", "sha256": "0" * 64}), JWKS)
    with pytest.raises(ProofError) as caught:
        check_transcript(receipt, HOCBA.encode())
    assert "does not speak of this file" in caught.value.en


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        sign({}, key=ECKey.generate_key("P-256", {"kid": "key-1"})),
        sign({}, key=ECKey.generate_key("P-256", {"kid": "key-2"})),
        sign({}).rsplit(".", 1)[0] + ".",
        "eyJhbGciOiJub25lIiwidHlwIjoiaG9jYmEtcmVjZWlwdCJ9.e30.",
    ],
)
def test_forged_receipts_are_refused(token: str) -> None:
    with pytest.raises(ProofError) as caught:
        read_receipt(token, JWKS)
    assert "no valid signature" in caught.value.en


def test_an_access_token_is_no_receipt() -> None:
    with pytest.raises(ProofError) as caught:
        read_receipt(sign({"kind": "acceptance"}, typ="at+jwt"), JWKS)
    assert "no receipt" in caught.value.en


def test_changed_claims_are_refused() -> None:
    head, _, signature = sign({"outcome": "rejected"}).split(".")
    other = sign({"outcome": "accepted"}).split(".")[1]
    with pytest.raises(ProofError) as caught:
        read_receipt(f"{head}.{other}.{signature}", JWKS)
    assert "no valid signature" in caught.value.en
