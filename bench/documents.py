"""What is measured: packages of realistic transcripts in three shapes, and what judging them needs."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from lxml import etree

from app.client.packaging import NAMESPACE, Package, pack
from app.client.signing import Role, sign_transcript
from app.deadlines.calendar import calendar_of
from app.demo.authority import Credential
from app.demo.curriculum import secondary_subjects
from app.demo.province import Province, School, build_province
from app.demo.transcripts import Composed, compose_school, package_of
from app.formats.profile import SignerRole
from app.ingest.judgement import Bars, Origin
from app.ingest.limits import Limits
from app.policies.policy_set import PolicySet
from app.verify.certificates.standing import CertificateEntry, CertificateEvent, CertificateState
from app.verify.chain import OwnerClass, TrustAnchor, TrustList, fingerprint_of
from app.verify.policy import ACCEPTANCE
from app.verify.revocation.known import KnownRevocations
from app.verify.signer_policy import SIGNER_RULES
from app.verify.signers import Entries

SIGNED_AT: Final = datetime(2026, 5, 28, 2, 0, tzinfo=UTC)
RECEIVED_AT: Final = datetime(2026, 6, 9, 2, 0, tzinfo=UTC)
LOWER_SECONDARY: Final = "03"
LIMITS: Final = Limits()
_SUBJECT: Final = f"{{{NAMESPACE}}}MonHoc"
_CODE: Final = f"{{{NAMESPACE}}}Ma"
_COMMENT: Final = f"{{{NAMESPACE}}}NhanXet"
_MARK: Final = f"{{{NAMESPACE}}}CaNam"
_SECONDARY: Final = f"{{{NAMESPACE}}}TrungHoc"
_TEACHER_NUMBER: Final = f"{{{NAMESPACE}}}GiaoVien/{{{NAMESPACE}}}SoDinhDanh"
OPTIONAL_SUBJECTS: Final = ("14", "31")  # tiếng dân tộc thiểu số, ngoại ngữ 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of document.

    Attributes:
        sign: signs an unsigned transcript, in place; it is handed what the authority sends along.
        remarks: how many sentences each comment has besides its own.
    """

    name: str
    sign: Callable[[Composed, etree._Element, Sequence[Certificate]], None]
    remarks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One package, and what it is judged by."""

    shape: str
    package: Package
    school: School
    transcripts: int
    transcript_bytes: int
    signatures: int
    origin: Origin
    entries: Entries
    bars: Bars
    authorities_pem: bytes


def _sealed(composed: Composed, transcript: etree._Element, _: Sequence[Certificate]) -> None:
    _sign_whole(composed, transcript, Role.SCHOOL)


def _three(composed: Composed, transcript: etree._Element, _: Sequence[Certificate]) -> None:
    _sign_whole(composed, transcript, Role.CLASS_TEACHER, Role.HEAD, Role.SCHOOL)


def _as_the_law_wants(composed: Composed, transcript: etree._Element, chain: Sequence[Certificate]) -> None:
    """Sign each subject for itself, by its teacher; then class teacher, head and seal sign the whole.

    Two subjects that a school may offer besides make fourteen. Signers send their authority's certificate
    along with their own, as most tokens do.
    """
    results = next(transcript.iter(_SECONDARY))
    for code in OPTIONAL_SUBJECTS:
        _add_subject(results, code)
    school = composed.school
    for subject in results.iterchildren(_SUBJECT):
        number = subject.findtext(_TEACHER_NUMBER)
        teacher = next(staff for staff in school.teachers if staff.person.identity_number == number)
        _sign(transcript, Role.SUBJECT_TEACHER, teacher.credential, [subject.get("Id", "")], chain)
    _sign_whole(composed, transcript, Role.CLASS_TEACHER, Role.HEAD, Role.SCHOOL, chain=chain)


def _add_subject(results: etree._Element, code: str) -> None:
    """Add a subject with the marks and the teacher of the one that has the lowest mark: no result changes."""
    subjects = [item for item in results.iterchildren(_SUBJECT) if _mark(item) is not None]
    added = deepcopy(min(subjects, key=lambda item: _mark(item) or 0))
    added.set("Id", f"{added.get('Id', '').rpartition('-')[0]}-{code}")
    for element in added.iterchildren(_CODE):
        element.text = code
    subjects[-1].addnext(added)


def _mark(subject: etree._Element) -> float | None:
    written = subject.findtext(_MARK, "")
    return float(written) if written[:1].isdigit() else None


def _sign_whole(
    composed: Composed, transcript: etree._Element, *roles: Role, chain: Sequence[Certificate] = ()
) -> None:
    school = composed.school
    credentials = {
        Role.CLASS_TEACHER: composed.school_class.teacher.credential,
        Role.HEAD: school.head.credential,
        Role.SCHOOL: school.seal,
    }
    for role in roles:
        _sign(transcript, role, credentials[role], None, chain)


def _sign(
    transcript: etree._Element,
    role: Role,
    held: Credential,
    parts: Sequence[str] | None,
    chain: Sequence[Certificate],
) -> None:
    sign_transcript(
        transcript,
        role=role,
        key=held.key,
        certificate=held.certificate,
        signed_at=SIGNED_AT,
        covers="content" if parts is None else parts,
        chain=chain,
    )


def _written(composed: Composed, remarks: int) -> etree._Element:
    """Copy an unsigned transcript with comments as long as a conscientious teacher's."""
    transcript = etree.fromstring(etree.tostring(composed.element))
    texts = [text for subject in secondary_subjects(LOWER_SECONDARY) for text in _remarks(subject.comments)]
    random = Random(composed.record_id.int)  # noqa: S311 - S311: invented comments need a seed, not secrecy
    for comment in transcript.iter(_COMMENT):
        comment.text = " ".join((comment.text or "", *random.sample(texts, k=remarks)))
    return transcript


def _remarks(comments: Mapping[str, Sequence[str]]) -> list[str]:
    return [text for texts in comments.values() for text in texts]


SHAPES: Final = (
    Shape(name="seal alone", sign=_sealed, remarks=10),
    Shape(name="three XAdES", sign=_three, remarks=12),
    Shape(name="as the law wants it", sign=_as_the_law_wants, remarks=12),
)


def build_loads(transcripts: int, wanted: frozenset[str] | None = None) -> list[Load]:
    """Build one package of each shape from a lower secondary school's pupils."""
    province = build_province(at=SIGNED_AT, school_year="2025-2026", pupils_per_school=transcripts)
    school = next(s for s in province.schools if s.level == LOWER_SECONDARY and s.is_public)
    composed = compose_school(province, school, signed_at=SIGNED_AT)
    return [
        build_load(province, school, shape, sign_all(province, school, shape, composed))
        for shape in SHAPES
        if wanted is None or shape.name in wanted
    ]


def sign_all(
    province: Province, school: School, shape: Shape, composed: Sequence[Composed]
) -> list[etree._Element]:
    """Sign a school's transcripts in one shape."""
    chain = _chain_of(province, school)
    return [_signed(item, shape, chain) for item in composed]


def _chain_of(province: Province, school: School) -> list[Certificate]:
    """Give the certificates between a school's signers and the anchor."""
    wanted = school.seal.certificate.issuer
    return [
        authority.issuing.certificate
        for authority in province.authorities
        if authority.issuing.certificate.subject == wanted
    ]


def _signed(composed: Composed, shape: Shape, chain: Sequence[Certificate]) -> etree._Element:
    transcript = _written(composed, shape.remarks)
    shape.sign(composed, transcript, chain)
    return transcript


def build_load(province: Province, school: School, shape: Shape, signed: list[etree._Element]) -> Load:
    """Put signed transcripts into one package, with what judging it needs."""
    package = pack(package_of(province, school, signed, created_at=RECEIVED_AT))
    sizes = [len(etree.tostring(transcript, encoding="utf-8")) for transcript in signed]
    return Load(
        shape=shape.name,
        package=package,
        school=school,
        transcripts=len(signed),
        transcript_bytes=sum(sizes) // len(sizes),
        signatures=sum(1 for _ in signed[0].iter("{http://www.w3.org/2000/09/xmldsig#}Signature")),
        origin=Origin(
            package_id=UUID(package.package_id),
            school_id=1,
            school_code=school.code,
            province_code=province.department.code,
            school_is_public=school.is_public,
            school_year=2025,
            received_at=RECEIVED_AT,
            is_atomic=False,
        ),
        entries=_register(school),
        bars=Bars(
            trust=_trust(province),
            rules=SIGNER_RULES,
            acceptance=ACCEPTANCE,
            calendar=calendar_of(province.department.code, ()),
            extensions=(),
            policies=PolicySet(),
            revocations=KnownRevocations(),
        ),
        authorities_pem=b"".join(
            certificate.public_bytes(Encoding.PEM)
            for authority in province.authorities
            for certificate in authority.anchors
        ),
    )


def _register(school: School) -> Entries:
    entries: dict[str, list[CertificateEntry]] = {}
    for role, certificate in (
        (SignerRole.SCHOOL, school.seal.certificate),
        (SignerRole.HEAD, school.head.credential.certificate),
    ):
        fingerprint = fingerprint_of(certificate)
        states = (CertificateState.PENDING, CertificateState.APPROVED)
        entries[fingerprint] = [
            CertificateEntry(
                fingerprint=fingerprint,
                school_code=school.code,
                role=role,
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
                events=tuple(
                    CertificateEvent(state=state, at=SIGNED_AT - timedelta(days=9 - number))
                    for number, state in enumerate(states)
                ),
            )
        ]
    return entries


def _trust(province: Province) -> TrustList:
    return TrustList(
        version="bench",
        anchors=tuple(
            TrustAnchor(certificate=item.root.certificate, owner_class=OwnerClass(item.owner_class))
            for item in province.authorities
        ),
        intermediates=tuple(item.issuing.certificate for item in province.authorities),
    )
