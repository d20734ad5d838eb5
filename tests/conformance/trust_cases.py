"""Whose certificate signed, until when, for which school and in which role."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tests.builders.xmldsig import CONTENT_ID, Template, reference
from tests.conformance.case import OUTER, Case, accepted, held, refused
from tests.conformance.country import CITY_SCHOOL, PRIVATE_SCHOOL
from tests.conformance.odd_cases import CLASS_TEACHER, SUBJECT_TEACHER
from tests.conformance.signing import HEAD, SEAL, Signer, signed

_SEALS: Final = (
    ("expired", "The certificate had expired when it signed.", ("KS-035",)),
    ("future", "The certificate was not valid yet when it signed.", ("KS-034",)),
    ("encipherment", "The certificate is for encipherment, not for signing.", ("KS-036",)),
    ("web_server", "The certificate is for a web server and nothing else.", ("KS-058",)),
    ("sha1", "The authority signed the certificate with SHA-1.", ("KS-037",)),
    ("lapsed_authority", "The authority's own certificate had expired.", ("KS-038",)),
    ("self_signed", "Nobody but the signer vouches for the certificate.", ("KS-039",)),
    ("too_deep", "An authority that may not have one below it has one.", ("KS-040",)),
    ("no_authority", "A school's own certificate issued it, and a school is no authority.", ("KS-055",)),
    ("unregistered", "A sound certificate that the school never registered.", ("KS-042",)),
    ("elsewhere", "The seal of another approved school.", ("KS-043",)),
    ("rejected", "The authority refused the certificate.", ("KS-046",)),
    ("suspended", "The certificate was suspended when it signed.", ("KS-047",)),
    ("revoked", "The certificate was revoked before it signed.", ("KS-048",)),
    ("listed_revoked", "The authority's own list named it before it signed.", ("KS-060",)),
    ("below_revoked", "The authority that issued it had been revoked by the root.", ("KS-063",)),
    ("licensed", "A public school's seal from a licensed public authority.", ("KS-052",)),
)


def trust_cases() -> Iterator[Case]:
    """Give every case of trust."""
    for name, why, codes in _SEALS:
        yield refused(f"trust-{name.replace('_', '-')}", why, signed(Signer(name=f"seal_{name}")), *codes)
    yield held(
        "trust-pending", "A certificate that awaits its approval: the transcript waits with it.",
        signed(Signer(name="seal_pending")), "KS-044",
    )  # fmt: skip
    yield held(
        "trust-listed-held", "The authority's list has it on hold: the transcript waits for its decision.",
        signed(Signer(name="seal_listed_held")), "KS-062",
    )  # fmt: skip
    yield from _roles()
    yield from _late()


def _roles() -> Iterator[Case]:
    yield refused(
        "trust-head-as-seal", "The head's certificate in the seal's place.",
        signed(Signer(name="head")), "KS-045",
    )  # fmt: skip
    yield refused(
        "trust-teacher-as-seal", "A teacher's certificate in the seal's place.",
        signed(Signer(name="class_teacher")), "KS-042",
    )  # fmt: skip
    yield refused("trust-head-alone", "The head signed, the seal is missing.", signed(HEAD), "KS-051")
    city = [("66THCS001", CITY_SCHOOL), ("<MaSo>66", "<MaSo>79")]
    yield refused(
        "trust-city-without-teachers", "TP.HCM: seal and head alone.",
        signed(SEAL, HEAD, before=city, school_code=CITY_SCHOOL),
        "KS-051", outer={**OUTER, "school_code": CITY_SCHOOL},
    )  # fmt: skip
    yield refused(
        "trust-private-school-unregistered", "Another school's seal at a private school.",
        signed(before=[("66THCS001", PRIVATE_SCHOOL)], school_code=PRIVATE_SCHOOL),
        "KS-043", outer={**OUTER, "school_code": PRIVATE_SCHOOL},
    )  # fmt: skip
    yield refused(
        "trust-other-identity-number", "A namesake's certificate: the identity number differs.",
        signed(SEAL, Signer(name="other_identity", role="GVCN")), "KS-049",
    )  # fmt: skip
    yield refused(
        "trust-other-name", "Somebody else signs as the class teacher.",
        signed(SEAL, Signer(name="other_name", role="GVCN")), "KS-054",
    )  # fmt: skip
    yield refused(
        "trust-head-for-a-teacher", "The head may sign for a teacher only what is digitised from paper.",
        signed(SEAL, Signer(name="head", role="GVCN")), "KS-049",
    )  # fmt: skip
    nobody = [("<GiaoVien><HoTen>Trần Văn Đức</HoTen><SoDinhDanh>066085000003</SoDinhDanh></GiaoVien>", "")]
    first = Signer(
        name="subject_teacher", role="GVBM",
        template=replace(
            SUBJECT_TEACHER.template, references=(reference("#mon-19"), reference("#time-1"))
        ),
    )  # fmt: skip
    yield refused(
        "trust-subject-without-a-teacher", "A subject is signed whose teacher the content does not name.",
        signed(SEAL, first, before=nobody), "KS-053",
    )  # fmt: skip
    whole = Template(
        references=(reference(f"#{CONTENT_ID}"), reference("#time-1")), method=SUBJECT_TEACHER.template.method
    )
    yield accepted(
        "trust-subject-teacher-signs-all", "A subject teacher signs the whole content.",
        signed(SEAL, CLASS_TEACHER, Signer(name="subject_teacher", role="GVBM", template=whole)),
    )  # fmt: skip


def _late() -> Iterator[Case]:
    not_completed = [("Lop>true", "Lop>false"), ("<DuocLenLop>true", "<DuocLenLop>false")]
    yield accepted(
        "time-after-the-school-cut-off", "Between the cut-off and the final one: taken, and marked late.",
        signed(), "TH-003", time="2026-07-05T02:00:00+00:00",
    )  # fmt: skip
    yield refused(
        "time-after-the-final-cut-off", "After the final cut-off, and no extension.",
        signed(), "TH-002", time="2026-08-25T17:00:00+00:00",
    )  # fmt: skip
    yield refused(
        "time-after-a-hard-cut-off", "A pupil who had not completed the class, after the only cut-off.",
        signed(before=not_completed), "TH-002", time="2026-08-26T02:00:00+00:00",
    )  # fmt: skip
    yield accepted(
        "time-last-moment", "The last second before the cut-off.",
        signed(), time="2026-06-30T16:59:59+00:00",
    )  # fmt: skip
