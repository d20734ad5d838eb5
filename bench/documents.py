"""What is measured: packages of realistic transcripts in three shapes, and what judging them needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.serialization import Encoding
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One kind of document: who signs it."""

    name: str
    sign: Callable[[Composed], etree._Element]


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


def _sealed(composed: Composed) -> etree._Element:
    return _signed(composed, Role.SCHOOL)


def _three(composed: Composed) -> etree._Element:
    return _signed(composed, Role.CLASS_TEACHER, Role.HEAD, Role.SCHOOL)


def _as_the_law_wants(composed: Composed) -> etree._Element:
    """Sign each subject for itself, by its teacher; then class teacher, head and seal sign the whole."""
    transcript = _copy(composed)
    for subject in list(transcript.iter(_SUBJECT)):
        teacher = composed.school.teacher_of(subject.findtext(_CODE, ""), composed.school_class)
        _sign(transcript, Role.SUBJECT_TEACHER, teacher.credential, [subject.get("Id", "")])
    for role in (Role.CLASS_TEACHER, Role.HEAD, Role.SCHOOL):
        _sign(transcript, role, _credential(composed, role))
    return transcript


def _signed(composed: Composed, *roles: Role) -> etree._Element:
    transcript = _copy(composed)
    for role in roles:
        _sign(transcript, role, _credential(composed, role))
    return transcript


def _sign(
    transcript: etree._Element, role: Role, held: Credential, parts: Sequence[str] | None = None
) -> None:
    sign_transcript(
        transcript,
        role=role,
        key=held.key,
        certificate=held.certificate,
        signed_at=SIGNED_AT,
        covers="content" if parts is None else parts,
    )


def _credential(composed: Composed, role: Role) -> Credential:
    school = composed.school
    return {
        Role.CLASS_TEACHER: composed.school_class.teacher.credential,
        Role.HEAD: school.head.credential,
        Role.SCHOOL: school.seal,
    }[role]


def _copy(composed: Composed) -> etree._Element:
    """Copy an unsigned transcript with comments as long as a conscientious teacher's."""
    transcript = etree.fromstring(etree.tostring(composed.element))
    remarks = [text for subject in secondary_subjects(LOWER_SECONDARY) for text in _remarks(subject.comments)]
    random = Random(composed.record_id.int)  # noqa: S311 - S311: invented comments need a seed, not secrecy
    for comment in transcript.iter(_COMMENT):
        comment.text = " ".join((comment.text or "", *random.sample(remarks, k=4)))
    return transcript


def _remarks(comments: Mapping[str, Sequence[str]]) -> list[str]:
    return [text for texts in comments.values() for text in texts]


SHAPES: Final = (
    Shape(name="seal alone", sign=_sealed),
    Shape(name="three XAdES", sign=_three),
    Shape(name="as the law wants it", sign=_as_the_law_wants),
)


def build_loads(transcripts: int, wanted: frozenset[str] | None = None) -> list[Load]:
    """Build one package of each shape from a lower secondary school's pupils."""
    province = build_province(at=SIGNED_AT, school_year="2025-2026", pupils_per_school=transcripts)
    school = next(s for s in province.schools if s.level == LOWER_SECONDARY and s.is_public)
    composed = compose_school(province, school, signed_at=SIGNED_AT)
    return [
        _load(province, school, shape, [shape.sign(item) for item in composed])
        for shape in SHAPES
        if wanted is None or shape.name in wanted
    ]


def _load(province: Province, school: School, shape: Shape, signed: list[etree._Element]) -> Load:
    package = pack(package_of(province, school, signed, created_at=RECEIVED_AT))
    sizes = [len(etree.tostring(transcript)) for transcript in signed]
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
