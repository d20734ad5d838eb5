import re

import pytest
from lxml import etree

from app.findings import Finding
from app.formats.parser import parse_secure
from app.verify.policy import ACCEPTANCE
from app.verify.signature import check_signatures
from app.verify.verdict import Indication
from tests.builders import transcripts
from tests.builders.pki import SIGNED_AT, Holder, infrastructure, issue, private_key
from tests.builders.xmldsig import (
    C14N,
    C14N_11,
    CONTENT_ID,
    ENVELOPED,
    EXC_C14N,
    MORE,
    SHA256,
    SHA384,
    SHA512,
    Template,
    add_signature,
    check,
    codes,
    der64,
    layout_of,
    reference,
    reread,
    sign_in_place,
    signed,
    signing_time_object,
    unsigned,
    xades_object,
)

PSS = "http://www.w3.org/2007/05/xmldsig-more#"


def signer(kind: str) -> Holder:
    return issue("Trường thử nghiệm số 1", private_key(kind, 21), infrastructure().authority)


def test_the_e_invoice_habit_is_accepted_and_read() -> None:
    seal = infrastructure().seal

    found = check(signed(seal))

    assert codes(found) == []
    assert found.indication is Indication.PASSED
    assert found.signing_time == SIGNED_AT
    assert found.certificate == seal.certificate
    assert found.intermediates == seal.issuers
    assert found.covers_content
    assert found.covered_parts == frozenset()
    assert found.algorithm == "rsa-sha256"
    assert found.xpath == "/HocBa/DanhSachChuKy/ChuKy/Signature"


@pytest.mark.parametrize(
    ("kind", "method", "name"),
    [
        ("rsa2048", f"{MORE}rsa-sha256", "rsa-sha256"),
        ("rsa3072", f"{MORE}rsa-sha384", "rsa-sha384"),
        ("rsa2048", f"{MORE}rsa-sha512", "rsa-sha512"),
        ("rsa2048e3", f"{MORE}rsa-sha256", "rsa-sha256"),
        ("rsa2048", f"{PSS}sha256-rsa-MGF1", "rsa-pss-sha256"),
        ("rsa2048", f"{PSS}sha384-rsa-MGF1", "rsa-pss-sha384"),
        ("rsa3072", f"{PSS}sha512-rsa-MGF1", "rsa-pss-sha512"),
        ("p256", f"{MORE}ecdsa-sha256", "ecdsa-sha256"),
        ("p384", f"{MORE}ecdsa-sha384", "ecdsa-sha384"),
        ("p521", f"{MORE}ecdsa-sha512", "ecdsa-sha512"),
        ("p521", f"{MORE}ecdsa-sha256", "ecdsa-sha256"),
    ],
)
def test_every_listed_signature_method_is_accepted(kind: str, method: str, name: str) -> None:
    found = check(signed(signer(kind), Template(method=method)))

    assert codes(found) == []
    assert found.algorithm == name


@pytest.mark.parametrize("digest", [SHA256, SHA384, SHA512])
@pytest.mark.parametrize(
    "transforms",
    [(), (C14N,), (C14N_11,), (EXC_C14N,), (ENVELOPED,), (ENVELOPED, EXC_C14N), (ENVELOPED, C14N)],
)
def test_every_listed_transform_and_digest_is_accepted(transforms: tuple[str, ...], digest: str) -> None:
    template = Template(
        references=(
            reference(f"#{CONTENT_ID}", *transforms, digest=digest),
            reference("#time-1", *transforms[-1:] if transforms[-1:] != (ENVELOPED,) else (), digest=digest),
        )
    )

    assert codes(check(signed(infrastructure().seal, template))) == []


@pytest.mark.parametrize("method", [C14N, C14N_11, EXC_C14N])
def test_every_listed_canonicalization_of_signed_info_is_accepted(method: str) -> None:
    template = Template(canonicalization=f'<ds:CanonicalizationMethod Algorithm="{method}"/>')

    assert codes(check(signed(infrastructure().seal, template))) == []


def test_xades_is_accepted_and_its_unsigned_properties_are_not_read() -> None:
    seal = infrastructure().seal
    unsigned_time = (
        "<x:UnsignedProperties><x:SigningTime>2001-01-01T00:00:00Z</x:SigningTime></x:UnsignedProperties>"
    )
    template = Template(
        references=(
            reference(f"#{CONTENT_ID}", EXC_C14N),
            reference("#signed-1", EXC_C14N, attributes=' Type="http://uri.etsi.org/01903#SignedProperties"'),
        ),
        objects=(xades_object(seal.certificate, unsigned=unsigned_time),),
    )

    found = check(signed(seal, template))

    assert codes(found) == []
    assert found.signing_time == SIGNED_AT


def test_a_subject_teacher_may_sign_parts_alone() -> None:
    teacher = infrastructure().subject_teacher
    template = Template(references=(reference("#mon-15"), reference("#mon-26"), reference("#time-1")))

    found = check(signed(teacher, template, role="GVBM"))

    assert codes(found) == []
    assert not found.covers_content
    assert found.covered_parts == {"mon-15", "mon-26"}


@pytest.mark.parametrize("role", ["NHA_TRUONG", "THU_TRUONG", "GVCN"])
def test_everybody_else_has_to_sign_the_content(role: str) -> None:
    template = Template(references=(reference("#mon-15"), reference("#time-1")))

    found = check(signed(infrastructure().seal, template, role=role))

    assert codes(found) == ["KS-033"]
    assert found.indication is Indication.FAILED


def test_a_subject_teacher_has_to_sign_something_of_the_content() -> None:
    template = Template(references=(reference("#time-1"),))

    assert codes(check(signed(infrastructure().subject_teacher, template, role="GVBM"))) == ["KS-033"]


def test_several_signers_sign_the_same_content() -> None:
    people = infrastructure()
    root = signed(people.seal)
    root = add_signature(root, people.head, Template(), "THU_TRUONG")
    root = add_signature(root, people.class_teacher, Template(), "GVCN")

    found = check_signatures(layout_of(root), ACCEPTANCE)

    assert [codes(item) for item in found] == [[], [], []]
    assert [item.role for item in found] == ["NHA_TRUONG", "THU_TRUONG", "GVCN"]
    assert [item.position for item in found] == [1, 2, 3]


def test_one_character_of_a_mark_is_one_broken_digest_that_is_named() -> None:
    root = signed(infrastructure().seal)
    mark = next(root.iter("{urn:hocba:1.0}CaNam"))
    assert mark.text == "7.3"
    mark.text = "8.3"

    found = check(reread(root))

    assert codes(found) == ["KS-017"]
    broken: Finding = found.findings[0]
    assert broken.xpath == "/HocBa/DanhSachChuKy/ChuKy/Signature/SignedInfo/Reference[1]"
    assert broken.facts["uri"] == f"#{CONTENT_ID}"
    assert broken.facts["stated"] != broken.facts["computed"]
    assert str(broken.facts["computed"]) in broken.message_vi
    assert found.signing_time is None
    assert not found.covers_content


def test_the_signature_value_must_be_the_certificates() -> None:
    people = infrastructure()
    root = signed(people.seal)
    own = der64(people.seal.certificate)
    stranger = issue("Kẻ mạo danh", private_key("rsa2048", 99), people.authority)
    certificate = next(root.iter("{http://www.w3.org/2000/09/xmldsig#}X509Certificate"))
    assert certificate.text == own
    certificate.text = der64(stranger.certificate)

    assert codes(check(root)) == ["KS-032"]


def test_a_changed_signed_info_and_a_changed_content_are_both_told() -> None:
    root = signed(infrastructure().seal)
    digest = next(root.iter("{http://www.w3.org/2000/09/xmldsig#}DigestValue"))
    digest.text = "A" * 43 + "="

    assert codes(check(root)) == ["KS-017", "KS-032"]


def test_the_same_signature_twice_is_refused() -> None:
    root = signed(infrastructure().seal)
    text = reread(root)
    first = text[1][0]
    copy = reread(root)[1][0]
    copy[0].attrib.pop("Id")
    for element in copy.iter("{http://www.w3.org/2000/09/xmldsig#}Object"):
        element.attrib.pop("Id")
    first.addnext(copy)

    found = check_signatures(layout_of(text), ACCEPTANCE)

    assert [codes(item) for item in found] == [[], ["KS-031"]]


def test_the_signers_certificate_may_stand_anywhere_in_key_info() -> None:
    seal = infrastructure().seal
    certificates = "".join(
        f"<ds:X509Certificate>{der64(item)}</ds:X509Certificate>"
        for item in (*seal.issuers, seal.certificate)
    )
    found = check(signed(seal, Template(key_info=f"<ds:X509Data>{certificates}</ds:X509Data>")))

    assert codes(found) == []
    assert found.certificate == seal.certificate


def test_a_transcript_without_signatures_has_no_checks() -> None:
    root = unsigned()
    root[1].remove(root[1][0])

    assert check_signatures(layout_of(root), ACCEPTANCE) == ()


def test_every_refusal_of_form_is_told_at_once() -> None:
    template = Template(
        references=(reference("http://example.org/x", "http://www.w3.org/TR/1999/REC-xslt-19991116"),),
        canonicalization=f'<ds:CanonicalizationMethod Algorithm="{C14N}#WithComments"/>',
        method="http://www.w3.org/2000/09/xmldsig#hmac-sha1",
        key_info="<ds:KeyName>khóa</ds:KeyName>",
        objects=(signing_time_object(),),
    )
    root = reread(unsigned(signature=template.write(infrastructure().seal)))
    for element in root.iter("{http://www.w3.org/2000/09/xmldsig#}SignatureValue"):
        element.text = "AAAA"

    assert codes(check(root)) == ["KS-014", "KS-022", "KS-019", "KS-010", "KS-014"]


def test_a_signature_without_prefixes_is_accepted() -> None:
    seal = infrastructure().seal
    text = Template().write(seal).replace("ds:", "").replace("xmlns:ds=", "xmlns=")
    root = unsigned(signature=text)
    sign_in_place(root, root[1][0][0], seal)

    assert codes(check(reread(root))) == []


@pytest.mark.parametrize("method", [C14N, C14N_11, EXC_C14N])
def test_a_transcript_with_prefixes_and_namespaces_of_its_package_is_accepted(method: str) -> None:
    seal = infrastructure().seal
    template = Template(
        references=(reference(f"#{CONTENT_ID}", method), reference("#time-1", method)),
        canonicalization=f'<ds:CanonicalizationMethod Algorithm="{method}"/>',
    )
    text = etree.tostring(unsigned(signature=template.write(seal)), encoding="unicode")
    names = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:khac="urn:khac"'
    text = re.sub(r"<(/?)([A-Z]\w*)(?![\w:])", r"<\1hb:\2", text).replace(
        'hb:HocBa xmlns="urn:hocba:1.0"', f'hb:HocBa xmlns:hb="urn:hocba:1.0" {names}'
    )
    text = text.replace('<hb:SigningTime xmlns="">', "<SigningTime>").replace(
        "/hb:SigningTime", "/SigningTime"
    )
    root = parse_secure(text.encode())
    sign_in_place(root, root[1][0][0], seal)

    found = check(reread(root))

    assert codes(found) == []
    assert found.covers_content


def test_a_signature_copied_from_another_transcript_is_refused() -> None:
    root = signed(infrastructure().seal)
    item = transcripts.transcript("03", number=2, signature="")
    other = parse_secure(transcripts.standing_alone(item))
    other[1][0].append(root[1][0][0])

    assert codes(check(reread(other))) == ["KS-012"]


def test_a_signature_copied_from_another_transcript_of_the_same_id_is_refused() -> None:
    root = signed(infrastructure().seal)
    other = parse_secure(transcripts.standing_alone(transcripts.transcript("02", signature="")))
    other[1][0].append(root[1][0][0])

    assert codes(check(reread(other))) == ["KS-017"]
