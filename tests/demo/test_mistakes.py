"""Each mistake is wrong in its own way, and only in that."""

from datetime import UTC, datetime

import pytest
from lxml import etree

from app.client.packaging import NAMESPACE
from app.client.signing import DS, Canonicalisation, canonical
from app.demo.mistakes import MISTAKES, Mistake
from app.demo.province import Province, build_province
from app.demo.transcripts import Composed, compose_school, sign_composed
from app.formats.hocba_1_0 import HocBaProfile
from app.formats.schema import compile_schema
from tests.builders.xmlsec_judge import accepted_by_xmlsec

AT = datetime(2026, 5, 28, 2, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def province() -> Province:
    return build_province(at=AT, pupils_per_school=2)


@pytest.fixture(params=[0, 1], ids=["primary", "secondary"])
def composed(province: Province, request: pytest.FixtureRequest) -> Composed:
    return compose_school(province, province.schools[request.param], signed_at=AT)[0]


def content_of(transcript: etree._Element) -> bytes:
    return canonical(transcript[0], Canonicalisation.EXCLUSIVE)


def mistake(name: str) -> Mistake:
    return next(item for item in MISTAKES if item.make.__name__ == name)


def seal_holds(transcript: etree._Element) -> bool:
    return accepted_by_xmlsec(transcript, len(list(transcript.iter(f"{{{DS}}}Signature"))) - 1)


def test_a_mark_changed_after_signing_breaks_the_seal(composed: Composed) -> None:
    wrong = mistake("changed_after_signing").make(composed, AT)
    assert content_of(wrong) != content_of(composed.element)
    assert not seal_holds(wrong)
    compile_schema(HocBaProfile().schema_path).assertValid(etree.fromstring(etree.tostring(wrong)))


def test_a_teachers_signature_holds_but_is_no_seal(composed: Composed) -> None:
    wrong = mistake("teacher_in_place_of_the_seal").make(composed, AT)
    assert [item.get("vaiTro") for item in wrong.iter(f"{{{NAMESPACE}}}ChuKy")] == ["NHA_TRUONG"]
    assert seal_holds(wrong)


@pytest.mark.parametrize("name", ["unknown_subject", "missing_birth_date"])
def test_wrong_content_is_signed_all_the_same(composed: Composed, name: str) -> None:
    wrong = mistake(name).make(composed, AT)
    assert seal_holds(wrong)
    assert content_of(wrong) != content_of(sign_composed(composed, signed_at=AT))


def test_the_transcript_it_was_made_of_stays_right(composed: Composed) -> None:
    before = etree.tostring(composed.element)
    for item in MISTAKES:
        item.make(composed, AT)
    assert etree.tostring(composed.element) == before
    assert {item.family for item in MISTAKES} == {"KS", "MA", "DD"}
