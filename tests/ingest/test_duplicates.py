from app.formats.hocba_1_0 import HocBaProfile
from app.formats.parser import parse_secure
from app.formats.place import Place
from app.formats.profile import TranscriptFacts
from app.ingest.duplicates import repeated
from tests.builders import transcripts

PROFILE = HocBaProfile()


def facts_of(*items: str) -> list[tuple[Place, TranscriptFacts]]:
    return [
        (Place(prefix="/GoiHocBa", name="HocBa", position=position), facts)
        for position, item in enumerate(items, start=1)
        if (facts := PROFILE.read(parse_secure(transcripts.standing_alone(item)), None).facts)
    ]


def test_a_transcript_twice_in_a_package_is_told_of_the_later_one() -> None:
    items = facts_of(*(transcripts.transcript("03", number=number) for number in (1, 2, 1)))
    found = repeated(items)
    assert {position: finding.code for position, finding in found.items()} == {3: "TR-001"}
    assert found[3].facts == {"first": 1}
    assert found[3].xpath == "/GoiHocBa/HocBa[3]"


def test_a_pupil_twice_in_a_package_is_told_by_pupil_code_or_identity_number() -> None:
    first, second, third = (transcripts.transcript("03", number=number) for number in (1, 2, 3))
    second = second.replace("<MaHocSinh>6600000002", "<MaHocSinh>6600000001")
    third = third.replace("066313000003", "066313000001")
    found = repeated(facts_of(first, second, third))
    assert {position: finding.code for position, finding in found.items()} == {2: "TR-002", 3: "TR-002"}


def test_a_pupil_may_have_transcripts_of_several_years_in_a_package() -> None:
    first = transcripts.transcript("03", number=1)
    second = transcripts.transcript("03", number=2, school_year="2024-2025")
    second = second.replace("<MaHocSinh>6600000002", "<MaHocSinh>6600000001")
    assert repeated(facts_of(first, second)) == {}
