import pytest

from app.findings import CATALOGUE, Severity
from app.formats.hocba_1_0 import HocBaProfile
from app.formats.hocba_1_0.rules import follows
from app.formats.parser import parse_secure
from tests.builders import transcripts

PROFILE = HocBaProfile()


def codes_of(item: str) -> list[str]:
    read = PROFILE.read(parse_secure(transcripts.standing_alone(item)), None)
    return [finding.code for finding in read.findings]


def test_a_transcript_alone_is_not_held_against_a_header() -> None:
    item = transcripts.transcript().replace("<MaTruong>66THCS001", "<MaTruong>99THCS009")
    assert codes_of(item) == []


@pytest.mark.parametrize(
    ("year", "does_follow"), [("2025-2026", True), ("1999-2000", True), ("2025-2025", False)]
)
def test_a_school_year_ends_in_the_year_after(year: str, *, does_follow: bool) -> None:
    assert follows(year) is does_follow


@pytest.mark.parametrize(
    ("first", "second", "year", "codes"),
    [
        ("7.0", "7.5", "7.3", []),
        ("7.0", "7.5", "7.4", ["NV-005"]),
        ("7.0", "7.5", "7.2", ["NV-005"]),
        ("6.5", "6.6", "6.6", []),
        ("8.0", "8.3", "8.2", []),
        ("10", "10.0", "10", []),
        ("0", "0.1", "0.1", ["NV-008"]),
        ("M", "7.5", "7.5", []),
    ],
)
def test_the_year_s_mark_follows_from_the_terms(first: str, second: str, year: str, codes: list[str]) -> None:
    item = transcripts.transcript().replace(
        "<HocKy1>7.0</HocKy1><HocKy2>7.5</HocKy2><CaNam>7.3",
        f"<HocKy1>{first}</HocKy1><HocKy2>{second}</HocKy2><CaNam>{year}",
        1,
    )
    assert codes_of(item) == codes


@pytest.mark.parametrize(
    ("summary", "mark", "subject", "codes"),
    [
        ("HTT", "9", "T", []),
        ("HT", "5", "H", []),
        ("HTT", "6", "T", ["NV-009"]),
        ("HTT", "9", "H", ["NV-009"]),
        ("HT", "4", "H", ["NV-009"]),
        ("CHT", "4", "C", []),
        ("HT", "9", "T", []),  # lower than it could be: the school's judgement
    ],
)
def test_a_primary_result_is_not_higher_than_its_parts(
    summary: str, mark: str, subject: str, codes: list[str]
) -> None:
    item = transcripts.transcript("02").replace("<XepLoai>HTT", f"<XepLoai>{summary}")
    item = item.replace(
        "<MucDat>T</MucDat><DiemKiemTra>9", f"<MucDat>{subject}</MucDat><DiemKiemTra>{mark}", 1
    )
    assert codes_of(item) == codes


def test_what_rests_on_an_unproven_reading_never_refuses() -> None:
    refusing = {
        code for code, cause in CATALOGUE.items() if code[:2] == "NV" and cause.severity is Severity.ERROR
    }
    assert {code for code in refusing if int(code[3:]) < 100} == {"NV-001", "NV-003", "NV-004"}


@pytest.mark.parametrize("code", [code for code in CATALOGUE if code[:2] in ("DD", "MA", "NV")])
def test_titles_and_hints_need_no_facts(code: str) -> None:
    cause = CATALOGUE[code]
    assert "{" not in cause.title_vi + cause.title_en + cause.hint_vi + cause.hint_en


@pytest.mark.parametrize("code", [*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0xFFF9, 0xFFFC)])
@pytest.mark.parametrize("form", ["{0}", "&#x{1:x};"])
def test_every_character_that_reorders_text_is_refused_however_it_is_written(code: int, form: str) -> None:
    remark = form.format(chr(code), code)
    item = transcripts.transcript("03").replace("học tập tốt", f"học – tập “tốt” {remark}…", 1)
    assert codes_of(item) == ["DD-086"]


def test_dashes_and_quotes_reorder_nothing() -> None:
    item = transcripts.transcript("03").replace("học tập tốt", "học – tập — “tốt”… ‰ € \ufeff\ufffd", 1)
    assert codes_of(item) == []
