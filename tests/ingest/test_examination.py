"""What a whole package costs and tells where very many of its transcripts are refused."""

import gzip
from uuid import UUID

from app.formats.hocba_1_0 import HocBaProfile
from app.ingest.envelope import OuterFields
from app.ingest.examination import MOST_EXPLAINED, Examination, examine
from app.ingest.limits import Limits
from app.verify.policy import ACCEPTANCE
from tests.builders import transcripts

OUTER = OuterFields(
    package_id=UUID(transcripts.PACKAGE_ID),
    school_code=transcripts.SCHOOL_CODE,
    school_year=transcripts.SCHOOL_YEAR,
    schema_version="1.0",
)
BRIEF = "DD-077"


def examined(items: list[str]) -> Examination:
    payload = gzip.compress(transcripts.package(items))
    return examine(payload, OUTER, HocBaProfile(), Limits(), ACCEPTANCE)


def without_form(number: int) -> str:
    return transcripts.transcript(number=number).replace("<HoanThanhLop>true</HoanThanhLop>", "")


def codes(examination: Examination) -> list[list[str]]:
    return [[found.code for found in item.findings] for item in examination.items]


def test_the_first_fifty_without_form_are_explained_and_the_rest_told_briefly() -> None:
    bad = [without_form(number) for number in range(1, MOST_EXPLAINED + 4)]
    sound = [transcripts.transcript(number=900), transcripts.transcript(number=901)]

    told = codes(examined([sound[0], *bad, sound[1]]))

    assert told[0] == told[-1] == []
    assert told[1 : MOST_EXPLAINED + 1] == [["DD-060"]] * MOST_EXPLAINED
    assert told[MOST_EXPLAINED + 1 : -1] == [["DD-073", BRIEF]] * 3


def test_transcripts_refused_for_their_rules_are_told_in_full_however_many() -> None:
    last = MOST_EXPLAINED + 3
    bad = [
        transcripts.transcript(number=number).replace(" Ánh<", " \u200b<") for number in range(1, last + 1)
    ]

    assert codes(examined(bad)) == [["DD-082"]] * last


def test_content_without_a_canonical_form_is_refused_and_no_fault() -> None:
    """A namespace that is a relative URI: the schema does not see it, canonical XML has no form for it."""
    bad = transcripts.transcript().replace("<MaSo>", '<MaSo xmlns:k="k">', 1)

    (item,) = examined([bad]).items

    assert "KS-018" in [found.code for found in item.findings]
    assert item.content_sha256 is None
