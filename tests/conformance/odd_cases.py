"""What independent signers happen to emit: unusual, valid, and accepted without a word."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tests.builders import transcripts
from tests.builders.xmldsig import (
    C14N,
    C14N_11,
    CONTENT_ID,
    EXC_C14N,
    MORE,
    SHA384,
    SHA512,
    Template,
    der64,
    reference,
    signing_time_object,
    xades_object,
)
from tests.conformance.case import ACCEPTED, OUTER, Case, Item, accepted
from tests.conformance.country import CITY_SCHOOL, PRIVATE_SCHOOL
from tests.conformance.keys import holder
from tests.conformance.signing import HEAD, SEAL, Signer, signed

PSS: Final = "http://www.w3.org/2007/05/xmldsig-more#"
XADES_TYPE: Final = ' Type="http://uri.etsi.org/01903#SignedProperties"'
CLASS_TEACHER: Final = Signer(name="class_teacher", role="GVCN")
SUBJECT_TEACHER: Final = Signer(
    name="subject_teacher",
    role="GVBM",
    template=Template(
        references=(reference("#mon-15"), reference("#mon-26"), reference("#time-1")),
        method=f"{MORE}ecdsa-sha384",
    ),
)
# All that name a teacher: see tests.conformance.signing.
EVERY_SUBJECT: Final = replace(
    SUBJECT_TEACHER,
    template=replace(
        SUBJECT_TEACHER.template,
        references=tuple(
            reference(f"#{part}") for part in ("mon-15", "mon-19", "mon-26", "mon-99", "time-1")
        ),
    ),
)


def odd_cases() -> Iterator[Case]:
    """Give every unusual form that is accepted."""
    yield from _methods()
    yield from _canonical_forms()
    yield from _properties()
    yield from _writing()
    yield from _signers()


def xades(unsigned: str = "", references: tuple[str, ...] = (), name: str = "seal") -> Template:
    """Write a XAdES template."""
    return Template(
        references=(
            reference(f"#{CONTENT_ID}", EXC_C14N),
            reference("#signed-1", EXC_C14N, attributes=XADES_TYPE),
            *references,
        ),
        objects=(xades_object(holder(name).certificate, unsigned=unsigned),),
        canonicalization=f'<ds:CanonicalizationMethod Algorithm="{EXC_C14N}"/>',
    )


def _by(template: Template, name: str = "seal") -> bytes:
    return signed(Signer(name=name, template=template))


def _methods() -> Iterator[Case]:
    for name, method, signer in (
        ("rsa-sha384", f"{MORE}rsa-sha384", "seal"),
        ("rsa-sha512", f"{MORE}rsa-sha512", "seal"),
        ("pss-sha256", f"{PSS}sha256-rsa-MGF1", "seal"),
        ("pss-sha384", f"{PSS}sha384-rsa-MGF1", "seal"),
        ("pss-sha512", f"{PSS}sha512-rsa-MGF1", "seal"),
        ("p384-sha384", f"{MORE}ecdsa-sha384", "seal_p384"),
        ("p521-sha512", f"{MORE}ecdsa-sha512", "seal_p521"),
        ("p521-sha256", f"{MORE}ecdsa-sha256", "seal_p521"),
    ):
        yield accepted(f"odd-method-{name}", f"Signed with {name}.", _by(Template(method=method), signer))
    for name, digest in (("sha384", SHA384), ("sha512", SHA512)):
        template = Template(
            references=(reference(f"#{CONTENT_ID}", digest=digest), reference("#time-1", digest=digest))
        )
        yield accepted(f"odd-digest-{name}", f"Digested with {name}.", _by(template))


def _canonical_forms() -> Iterator[Case]:
    root = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:khac="urn:khac"'
    for name, method in (("c14n", C14N), ("c14n11", C14N_11), ("exclusive", EXC_C14N)):
        template = Template(
            references=(reference(f"#{CONTENT_ID}", method), reference("#time-1", method)),
            canonicalization=f'<ds:CanonicalizationMethod Algorithm="{method}"/>',
        )
        yield accepted(
            f"odd-{name}-in-package",
            f"Signed in {name} form inside a package whose root declares further namespaces.",
            signed(Signer(template=template), root=root),
        )
    prefixes = f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="ds #default xsi"/>'
    transform = f'<ds:Transform Algorithm="{EXC_C14N}">{prefixes}</ds:Transform>'
    template = Template(references=(reference(f"#{CONTENT_ID}", transform), reference("#time-1", transform)))
    yield accepted(
        "odd-inclusive-prefixes",
        "Exclusive C14N with InclusiveNamespaces, one prefix declared nowhere near the content.",
        signed(Signer(template=template), root=root),
    )


def _properties() -> Iterator[Case]:
    yield accepted("odd-xades", "XAdES-BES, SigningCertificateV2.", _by(xades()))
    later = "<x:UnsignedProperties><x:UnsignedSignatureProperties><x:SigningTime>2001-01-01T00:00:00Z"
    later += "</x:SigningTime></x:UnsignedSignatureProperties></x:UnsignedProperties>"
    yield accepted(
        "odd-xades-unsigned-properties",
        "Unsigned properties say another time; nobody answers for them, they are not read.",
        _by(xades(unsigned=later)),
    )
    yield accepted(
        "odd-xades-several-references",
        "XAdES that signs content, properties, and a subject of the content besides.",
        _by(xades(references=(reference("#mon-15", EXC_C14N),))),
    )
    for name, time in (("utc", "2026-05-28T02:30:00Z"), ("fraction", "2026-05-28T09:30:00.1234567+07:00")):
        template = Template(objects=(signing_time_object(time),))
        yield accepted(f"odd-signing-time-{name}", f"The signing time is written {time}.", _by(template))
    seal = holder("seal")
    carried = "".join(
        f"<ds:X509Certificate>{der64(item)}</ds:X509Certificate>"
        for item in (holder("authority").certificate, seal.certificate)
    )
    yield accepted(
        "odd-certificates-in-any-order",
        "KeyInfo carries the authority's certificate first.",
        _by(Template(key_info=f"<ds:X509Data>{carried}</ds:X509Data>")),
    )
    yield accepted(
        "odd-certificate-of-version-1",
        "The signer's certificate is X.509 version 1, as OpenSSL before 3.2 issues it by itself.",
        _by(Template(), "seal_first_version"),
    )
    lines = re.sub(r"(.{64})", "\\1\n", der64(seal.certificate))
    one = f"<ds:X509Data><ds:X509Certificate>\n{lines}\n</ds:X509Certificate></ds:X509Data>"
    yield accepted(
        "odd-certificate-in-lines",
        "The certificate is wrapped at 64 characters, and alone: its issuer is known from elsewhere or not.",
        _by(Template(key_info=one + _issuer_apart())),
    )


def _issuer_apart() -> str:
    issuer = holder("authority").certificate
    return f"<ds:X509Data><ds:X509Certificate>{der64(issuer)}</ds:X509Certificate></ds:X509Data>"


def _writing() -> Iterator[Case]:
    """What another writer makes of the same canonical form after signing."""
    for name, why, old, new in (
        (
            "attribute-quotes",
            "Single quotes and blanks in a tag.",
            f'Id="{CONTENT_ID}">',
            f"Id = '{CONTENT_ID}' >",
        ),
        ("character-reference", "A letter written as a character reference.", "Thị Ánh", "Thị &#xC1;nh"),
        (
            "cdata",
            "A text in a CDATA section.",
            "Có ý thức học tập tốt.",
            "<![CDATA[Có ý thức học tập tốt.]]>",
        ),
        ("encoding-in-lower-case", "The declaration says utf-8.", "encoding='UTF-8'", "encoding='utf-8'"),
        ("no-declaration", "No XML declaration.", "<?xml version='1.0' encoding='UTF-8'?>\n", ""),
        ("byte-order-mark", "A byte order mark.", "<?xml", "\ufeff<?xml"),
    ):
        yield accepted(f"odd-{name}", why, signed(after=[(old, new)]))
    yield accepted("odd-line-ends", "CR LF at the end of every line.", signed().replace(b"\n", b"\r\n"))
    template = Template(
        references=(
            reference(f"#{CONTENT_ID}", attributes=' Type="http://www.w3.org/2000/09/xmldsig#Object"'),
            reference("#time-1"),
        )
    )
    ordered = f'URI="#{CONTENT_ID}" Type="http://www.w3.org/2000/09/xmldsig#Object"'
    swapped = f'Type="http://www.w3.org/2000/09/xmldsig#Object"\n  URI="#{CONTENT_ID}"'
    yield accepted(
        "odd-attributes-reordered",
        "The attributes of a Reference stand in another order than when it was signed.",
        signed(Signer(template=template), after=[(ordered, swapped)]),
    )
    yield accepted("odd-prefixes", "Every element of the format has a prefix.", signed(seal=_prefixed))
    yield accepted(
        "odd-signature-without-prefix",
        "The signature is in the default namespace.",
        signed(
            seal=lambda text: text.replace("<ds:", "<").replace("</ds:", "</").replace("xmlns:ds=", "xmlns=")
        ),
    )


def _prefixed(text: str) -> str:
    text = re.sub(r"<(/?)([A-Z]\w*)(?![\w:])", r"<\1hb:\2", text).replace("xmlns=", "xmlns:hb=", 1)
    return text.replace('<hb:SigningTime xmlns="">', "<SigningTime>").replace(
        "</hb:SigningTime", "</SigningTime"
    )


def _signers() -> Iterator[Case]:
    yield accepted(
        "odd-all-sign",
        "Seal, head, class teacher, and a subject teacher for two subjects alone.",
        signed(SEAL, HEAD, CLASS_TEACHER, SUBJECT_TEACHER),
    )
    city = [("66THCS001", CITY_SCHOOL), ("<MaSo>66", "<MaSo>79")]
    yield accepted(
        "odd-city",
        "TP.HCM, where four roles have to sign, and each teacher every subject of theirs.",
        signed(SEAL, HEAD, CLASS_TEACHER, EVERY_SUBJECT, before=city, school_code=CITY_SCHOOL),
        outer={**OUTER, "school_code": CITY_SCHOOL},
    )
    yield accepted(
        "odd-city-subject-unsigned",
        "TP.HCM: all four roles signed, but the subject teacher left out subjects that name them.",
        signed(SEAL, HEAD, CLASS_TEACHER, SUBJECT_TEACHER, before=city, school_code=CITY_SCHOOL),
        "KS-057",
        outer={**OUTER, "school_code": CITY_SCHOOL},
    )
    private = [("66THCS001", PRIVATE_SCHOOL)]
    yield accepted(
        "odd-private-school",
        "A private school's seal from a licensed public authority.",
        signed(Signer(name="seal_licensed"), before=private, school_code=PRIVATE_SCHOOL),
        outer={**OUTER, "school_code": PRIVATE_SCHOOL},
    )
    digitised = [
        ("<ThongTu>", "<TrichLuc>true</TrichLuc><ThongTu>"),
        ("<NamHoc>2025-2026", "<NamHoc>2023-2024"),
        ("05/09/2013", "05/09/2011"),
        ("066313", "066311"),
    ]
    yield accepted(
        "odd-head-for-a-teacher",
        "Digitised from paper: the head signs in the place of a class teacher who has left.",
        signed(HEAD, Signer(name="head", role="GVCN"), before=digitised),
        "KS-050",
    )
    yield Case(
        name="odd-two-transcripts",
        why="Two pupils in one package, each signed for itself.",
        material=joined(signed(), signed(level="02", number=2)),
        items=(Item(outcome=ACCEPTED), Item(outcome=ACCEPTED)),
    )


def joined(*packages: bytes, **header: str) -> bytes:
    """Put the transcripts of several packages into one."""
    items = [
        text[text.index("<HocBa") : text.index("</GoiHocBa>")].strip()
        for text in (package.decode() for package in packages)
    ]
    return transcripts.package(items, **header)  # type: ignore[arg-type]
