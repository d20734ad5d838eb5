"""The demo's documents: valid, consistent with the circulars, reproducible, signed by those they name."""

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from app.client.packaging import NAMESPACE, parse, standing_alone, transcripts_of
from app.client.signing import DS
from app.demo.marks import learning_level
from app.demo.people import Sex
from app.demo.province import CAST, Province, School, build_province
from app.demo.transcripts import Share, compose_school, package_of, sign_composed, signing_moment
from app.formats.hocba_1_0 import HocBaProfile
from app.formats.schema import compile_schema

AT = datetime(2026, 5, 28, 2, 0, tzinfo=UTC)
NS = {"h": NAMESPACE, "ds": DS}
PUPILS = 12


@pytest.fixture(scope="module")
def province() -> Province:
    return build_province(at=AT, pupils_per_school=PUPILS)


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    return compile_schema(HocBaProfile().schema_path)


def found(element: etree._Element, path: str) -> list[etree._Element]:
    result = element.xpath(path, namespaces=NS)
    assert isinstance(result, list)
    return [item for item in result if isinstance(item, etree._Element)]


def texts(element: etree._Element, path: str) -> list[str]:
    return [item.text or "" for item in found(element, path)]


@pytest.mark.parametrize("position", range(len(CAST["schools"])))
def test_signed_packages_are_valid_and_verify_as_a_school_signs(
    province: Province, schema: etree.XMLSchema, position: int
) -> None:
    school = province.schools[position]
    composed = compose_school(province, school, signed_at=AT)[:2]
    signed = [sign_composed(item, signed_at=AT) for item in composed]
    root = parse(package_of(province, school, signed, created_at=AT))
    schema.assertValid(root)
    for transcript in transcripts_of(root):
        schema.assertValid(parse(standing_alone(transcript)))
        roles = [item.get("vaiTro") for item in found(transcript, ".//h:ChuKy")]
        assert roles[-3:] == ["GVCN", "THU_TRUONG", "NHA_TRUONG"]
        assert set(roles[:-3]) == {"GVBM"}


def test_a_school_without_teachers_certificates_signs_with_head_and_seal(province: Province) -> None:
    composed = compose_school(province, province.schools[0], signed_at=AT)[0]
    signed = sign_composed(composed, signed_at=AT, has_teachers=False)
    assert [item.get("vaiTro") for item in found(signed, ".//h:ChuKy")] == ["THU_TRUONG", "NHA_TRUONG"]
    assert composed.element.find(f"{{{NAMESPACE}}}DanhSachChuKy") is None


def test_subject_teachers_sign_the_subjects_that_name_them(province: Province) -> None:
    school = province.schools[1]
    signed = sign_composed(compose_school(province, school, signed_at=AT)[0], signed_at=AT)
    by_number = {item.person.identity_number: item for item in school.teachers}
    covered = 0
    for slot in found(signed, ".//h:ChuKy[@vaiTro='GVBM']"):
        ids = [item.get("URI", "")[1:] for item in found(slot, ".//ds:Reference[not(@Type)]")]
        numbers = {texts(signed, f".//h:MonHoc[@Id='{item}']/h:GiaoVien/h:SoDinhDanh")[0] for item in ids}
        assert len(numbers) == 1
        named = by_number[numbers.pop()].credential.certificate
        carried = texts(slot, ".//ds:X509Certificate")
        assert carried == [base64.b64encode(named.public_bytes(Encoding.DER)).decode()]
        covered += len(ids)
    assert covered == len(found(signed, ".//h:MonHoc"))


def test_documents_are_the_same_every_time(province: Province) -> None:
    again = build_province(at=AT, pupils_per_school=PUPILS)
    first, second = (
        [
            etree.tostring(item.element)
            for school in built.schools
            for item in compose_school(built, school, signed_at=AT)
        ]
        for built in (province, again)
    )
    assert first == second
    assert len(set(first)) == PUPILS * len(province.schools)


def test_shares_split_the_roll(province: Province) -> None:
    school = province.schools[1]
    shares = [{c.record_id for c in compose_school(province, school, signed_at=AT, share=s)} for s in Share]
    assert [len(item) for item in shares] == [PUPILS // 3] * 3
    assert set.union(*shares) == {c.record_id for c in compose_school(province, school, signed_at=AT)}


@pytest.mark.parametrize(
    ("now", "signed_at"),
    [
        (datetime(2026, 11, 21, tzinfo=UTC), datetime(2026, 5, 28, 9, 0, tzinfo=UTC)),
        (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 2, 28, 23, 50, tzinfo=UTC)),
    ],
)
def test_documents_are_signed_at_the_years_end_and_never_in_the_future(
    now: datetime, signed_at: datetime
) -> None:
    assert signing_moment(now, "2025-2026") == signed_at


def test_another_seed_gives_other_look_up_codes(province: Province) -> None:
    school = province.schools[0]
    codes: list[set[UUID]] = [
        {item.record_id for item in compose_school(province, school, signed_at=AT, seed=seed)}
        for seed in (66, 67)
    ]
    assert codes[0].isdisjoint(codes[1])


def secondary(province: Province) -> list[School]:
    return [school for school in province.schools if school.level != "02"]


def test_secondary_marks_averages_levels_and_awards_agree(province: Province) -> None:
    levels = set()
    for school in secondary(province):
        strong = CAST["levels"][school.level]["strong_subjects"]
        for composed in compose_school(province, school, signed_at=AT):
            scored = [
                [round(float(value) * 10) for value in row]
                for subject in found(composed.element, ".//h:MonHoc")
                if (row := texts(subject, "h:HocKy1|h:HocKy2|h:CaNam"))[0] != "D"
            ]
            assert all(abs((first + 2 * second) / 3 - year) <= 0.5 for first, second, year in scored)
            stated = texts(composed.element, ".//h:HocTap/*")
            for column, level in enumerate(stated):
                judged = learning_level(
                    [row[column] for row in scored], comments_reached=[True], strong_subjects=strong
                )
                assert judged == level
            award = texts(composed.element, ".//h:KhenThuong")
            assert bool(award) == (stated[2] == "T")
            completed = texts(composed.element, ".//h:HoanThanhLop")
            assert completed == ["false" if stated[2] == "CD" else "true"]
            levels.add(stated[2])
    assert levels == {"T", "K", "D", "CD"}


def test_primary_results_agree_with_the_circular(province: Province) -> None:
    seen = set()
    for composed in compose_school(province, province.schools[0], signed_at=AT):
        marks = [int(value) for value in texts(composed.element, ".//h:DiemKiemTra")]
        subjects = set(texts(composed.element, ".//h:MucDat"))
        traits = set(texts(composed.element, ".//h:TieuHoc/h:PhamChat/*|.//h:NangLuc/*"))
        overall = texts(composed.element, ".//h:XepLoai")[0]
        seen.add(overall)
        if overall in {"HTXS", "HTT"}:
            assert subjects == traits == {"T"}
            assert min(marks) >= (9 if overall == "HTXS" else 7)
        elif overall == "HT":
            assert subjects <= {"T", "H"}
            assert min(marks) >= 5
        else:
            assert "C" in subjects
            assert min(marks) < 5
    assert seen == {"HTXS", "HTT", "HT", "CHT"}


def test_computing_begins_in_grade_three(province: Province) -> None:
    composed = compose_school(province, province.schools[0], signed_at=AT)
    first, last = composed[0], composed[-1]
    assert (first.school_class.grade, last.school_class.grade) == (1, 5)
    assert not found(first.element, ".//h:TinHoc")
    assert found(last.element, ".//h:TinHoc")
    assert len(found(first.element, ".//h:MonHoc")) == 8
    assert len(found(last.element, ".//h:MonHoc")) == 12


def test_only_final_grades_complete_a_level(province: Province) -> None:
    grades = {
        composed.school_class.grade
        for school in province.schools
        for composed in compose_school(province, school, signed_at=AT)
        if found(composed.element, ".//h:HoanThanhCap")
    }
    assert grades == {5, 9, 12}


def test_the_profile_reads_what_the_demo_means(province: Province) -> None:
    composed = compose_school(province, province.schools[2], signed_at=AT)[0]
    facts = HocBaProfile().read(sign_composed(composed, signed_at=AT), None).facts
    assert facts is not None
    person = composed.pupil.person
    assert facts.record_id == composed.record_id
    assert (facts.full_name, facts.born_on, facts.identity_number) == (
        person.full_name,
        person.born_on,
        person.identity_number,
    )
    assert facts.sex == {Sex.MALE: "1", Sex.FEMALE: "2"}[person.sex]
    assert facts.issued_on == AT.date()
    assert len(facts.people) >= 3


def test_the_cast_has_every_kind_of_school_and_seal(province: Province) -> None:
    assert {school.level for school in province.schools} == {"02", "03", "04", "05"}
    assert {school.seal_status for school in province.schools} == {"approved", "pending", "none"}
    assert len({school.code for school in province.schools}) == len(province.schools)
    for school in province.schools:
        assert school.managed_by == ("66" if school.level in {"04", "05"} else school.commune.code)
        assert sum(len(item.pupils) for item in school.classes) == PUPILS
    sent = [code for software in province.software for code in software.schools]
    assert sorted(sent) == sorted(school.code for school in province.schools)
