import re
import threading
import tomllib
from dataclasses import replace
from pathlib import Path
from uuid import UUID
from xml.sax.saxutils import escape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from app.findings import CATALOGUE, Finding, Severity
from app.formats.hocba_1_0 import HocBaProfile
from app.ingest.conformance import ConformantTranscript, NonconformantTranscript, check_item
from app.ingest.limits import LIMIT_CODES, Limits
from app.ingest.splitting import OpenedPackage, split
from tests.builders import transcripts

PROFILE = HocBaProfile()
LIMITS = Limits()
TEXTS = [
    "",
    " ",
    "0",
    "00",
    "13",
    "32/13/2020",
    "2026-02-30",
    "0000-01-01",
    "true",
    "M",
    "10.1",
    "C",
    "\u202e",
    "-1",
]
XML_CHARACTERS = st.characters(
    codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"
)
OTHERS = [transcripts.transcript("02", number=8), transcripts.transcript("04", number=9)]
Changes = tuple[tuple[str, str], ...]
CASES = tomllib.loads(Path(__file__).with_name("transcript_cases.toml").read_text("utf-8"))
Judged = ConformantTranscript | NonconformantTranscript


def judge(item: str, limits: Limits = LIMITS) -> Judged:
    """Judge a transcript as the third of a package."""
    return judge_third(transcripts.package([*OTHERS, item]), limits)


def judge_third(xml: bytes, limits: Limits = LIMITS) -> Judged:
    opened = split(xml, PROFILE, LIMITS)
    assert isinstance(opened, OpenedPackage), opened
    return check_item(opened.pieces[2], PROFILE, opened.envelope, limits)


def findings_of(judged: Judged) -> tuple[Finding, ...]:
    return judged.warnings if isinstance(judged, ConformantTranscript) else judged.findings


def changed(level: str, changes: Changes) -> str:
    item = transcripts.transcript(level, number=1)
    for old, new in changes:
        assert old in item, old
        item = item.replace(old, new, 1)
    return item


@pytest.mark.parametrize("level", ["02", "03", "04", "05"])
def test_a_valid_transcript_conforms_without_a_word(level: str) -> None:
    item = transcripts.transcript(level)
    judged = judge(item)
    assert isinstance(judged, ConformantTranscript)
    assert judged.warnings == ()
    assert judged.position == 3
    assert judged.xml == transcripts.standing_alone(item)
    assert judged.facts.level == level
    assert judged.layout.root is judged.root
    assert etree.tostring(judged.root, encoding="utf-8") == judged.xml


@pytest.mark.parametrize("case", CASES["refused"])
def test_a_fault_is_refused_with_its_code_and_place(case: str) -> None:
    fault = CASES["refused"][case]
    judged = judge(changed(fault["level"], fault["changes"]))
    assert isinstance(judged, NonconformantTranscript)
    errors = [finding for finding in judged.findings if finding.severity is Severity.ERROR]
    assert [(finding.code, finding.xpath) for finding in errors] == [
        (fault["code"], "/GoiHocBa/HocBa[3]" + fault["at"])
    ]
    assert "{" not in errors[0].message_vi + errors[0].message_en
    assert judged.place.position == judged.position == 3


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    raw = transcripts.package([*OTHERS, transcripts.transcript("03")]).replace("Có ý thức".encode(), b"\xe9")
    assert [finding.code for finding in findings_of(judge_third(raw))] == ["DD-030"]


@pytest.mark.parametrize(("number", "code"), [(0, "DD-060"), (41, "DD-065")])
def test_signatures_are_one_to_forty(number: int, code: str) -> None:
    item = transcripts.transcript("03")
    signature = item[item.index("<ChuKy") : item.index("</DanhSachChuKy>")]
    assert isinstance(judge(item.replace(signature, signature * 40)), ConformantTranscript)
    judged = judge(item.replace(signature, signature * number))
    assert isinstance(judged, NonconformantTranscript)
    assert [finding.code for finding in judged.findings] == [code]


def test_a_result_of_another_grade_is_refused() -> None:
    judged = judge(changed("03", (("<Khoi>07", "<Khoi>05"), ("<Lop>7", "<Lop>5"))))
    assert isinstance(judged, NonconformantTranscript)
    assert {"MA-006", "NV-001"} <= {finding.code for finding in judged.findings}


@pytest.mark.parametrize("case", CASES["warned"])
def test_a_doubt_is_told_and_does_not_refuse(case: str) -> None:
    doubt = CASES["warned"][case]
    judged = judge(changed(doubt["level"], doubt["changes"]))
    assert isinstance(judged, ConformantTranscript)
    assert [finding.code for finding in judged.warnings] == [doubt["code"]]
    assert "{" not in judged.warnings[0].message_vi + judged.warnings[0].message_en


@pytest.mark.parametrize("case", CASES["accepted"])
def test_odd_but_right_is_accepted_without_a_word(case: str) -> None:
    right = CASES["accepted"][case]
    judged = judge(changed(right["level"], right["changes"]))
    assert [finding.code for finding in findings_of(judged)] == []


def test_all_faults_of_a_transcript_are_told_at_once_in_document_order() -> None:
    item = changed(
        "03",
        (
            ("<CapHoc>03", "<CapHoc>3"),
            ("<Khoi>07</Khoi>\n<Lop>7A1</Lop>\n", ""),
            ("<NgaySinh>05/09/2013</NgaySinh>\n", ""),
            ("<GioiTinh>2", "<GioiTinh>Nữ"),
            ("<SoBuoiNghi>3", "<SoBuoiNghi>x"),
        ),
    )
    judged = judge(item)
    assert isinstance(judged, NonconformantTranscript)
    assert [(finding.code, finding.facts["name"]) for finding in judged.findings] == [
        ("DD-060", "Khoi"),
        ("DD-060", "Lop"),
        ("MA-001", "CapHoc"),
        ("DD-060", "NgaySinh"),
        ("MA-001", "GioiTinh"),
        ("DD-067", "SoBuoiNghi"),
    ]


def test_a_finding_names_the_line_of_the_package() -> None:
    item = changed("03", (("<GioiTinh>2", "<GioiTinh>Nữ"),))
    xml = transcripts.package([*OTHERS, item]).decode()
    judged = judge(item)
    assert findings_of(judged)[0].line == xml[: xml.index("<GioiTinh>Nữ")].count("\n") + 1


@pytest.mark.parametrize(
    ("changes", "secret"),
    [
        ((("066313000001", "06631300000X"),), "06631300000X"),
        ((("05/09/2013", "2013-09-05"),), "2013-09-05"),
        ((("05/09/2013", "31/02/2013"),), "31/02/2013"),
        ((("<DanToc>01", "<DanToc>Ê Đê"),), "Ê Đê"),
        ((("Nguyễn Thị Ánh", "Nguyễn\u200b Thị Ánh"),), "Nguyễn"),
        ((("Nguyễn Thị Ánh", "B" * 200),), "BBBB"),
        ((("Nguyễn Thị Ánh", "&Nguyen;"),), "Nguyen"),
        ((("<HoTen>Nguyễn Thị Ánh", "<HoTen>Nguyễn & Ánh"),), "Ánh"),
    ],
)
def test_personal_values_are_never_in_a_finding(changes: Changes, secret: str) -> None:
    findings = findings_of(judge(changed("03", changes)))
    assert findings
    assert all(secret not in repr(finding) for finding in findings)


def test_a_code_s_value_is_shown_and_cut() -> None:
    (finding,) = findings_of(judge(changed("03", (("<CapHoc>03", "<CapHoc>" + "3" * 500),))))
    assert finding.value is not None
    assert len(finding.value) == 120


def test_expectations_are_told_in_both_languages() -> None:
    (finding,) = findings_of(judge(changed("03", (("<CaNam>8.4", "<CaNam>8,4"),))))
    assert finding.value == "8,4"
    assert "điểm từ 0.0 đến 10.0" in finding.message_vi
    assert "a mark from 0.0 to 10.0" in finding.message_en


def test_beyond_fifty_findings_are_counted() -> None:
    item = transcripts.transcript("03").replace("<Ten>", "<Tin>").replace("</Ten>", "</Tin>")
    item = (
        item.replace("<CaNam>", "<CaNam>x").replace("<HocKy1>", "<HocKy1>x").replace("<HocKy2>", "<HocKy2>x")
    )
    judged = judge(item)
    assert isinstance(judged, NonconformantTranscript)
    assert len(judged.findings) == 51
    last = judged.findings[-1]
    assert last.code == "DD-076"
    assert last.facts == {"listed": 50, "left_out": 12 * 5 + 6 - 50}


OBJECT = "</ds:SignatureValue>"
COSTLY: dict[str, tuple[str, Limits]] = {
    "transcript_bytes": ("<ds:Object>" + "x" * 5000 + "</ds:Object>", replace(LIMITS, transcript_bytes=8000)),
    "elements": ("<ds:Object>" + "<a/>" * 20_000 + "</ds:Object>", LIMITS),
    "depth": ("<ds:Object>" + "<a>" * 50 + "</a>" * 50 + "</ds:Object>", LIMITS),
    "attributes": ("<ds:Object><a " + " ".join(f"a{i}='1'" for i in range(33)) + "/></ds:Object>", LIMITS),
    "namespaces": (
        "<ds:Object><a " + " ".join(f"xmlns:n{i}='urn:{i}'" for i in range(31)) + "/></ds:Object>",
        LIMITS,
    ),
    "namespace_characters": (f"<ds:Object><a xmlns='urn:{'x' * 260}'/></ds:Object>", LIMITS),
}  # fmt: skip


@pytest.mark.parametrize("name", COSTLY)
def test_what_would_cost_too_much_is_refused_by_its_limit(name: str) -> None:
    added, limits = COSTLY[name]
    judged = judge(changed("03", ((OBJECT, OBJECT + added),)), limits)
    assert isinstance(judged, NonconformantTranscript)
    (finding,) = judged.findings
    assert finding.code == LIMIT_CODES[name]
    assert str(getattr(limits, name)) in finding.message_vi


def test_what_is_just_within_the_limits_conforms() -> None:
    nested = "<a>" * 42 + "</a>" * 42
    attributes = "<a " + " ".join(f"a{i}='1'" for i in range(32)) + "/>"
    spaces = "".join("<a " + " ".join(f"xmlns:n{i}='urn:{i}'" for i in range(30)) + "/>" for _ in range(3))
    added = f"<ds:Object>{nested}{attributes}{spaces}<a xmlns='urn:{'x' * 252}'/></ds:Object>"
    assert isinstance(judge(changed("03", ((OBJECT, OBJECT + added),))), ConformantTranscript)


def test_a_large_refused_transcript_is_told_from_the_gate_s_own_log() -> None:
    added = "<ds:Object>" + "<a/>" * 6000 + "</ds:Object>"
    faults = (("<CapHoc>03", "<CapHoc>3"), ("<ds:DigestMethod ", "<ds:DigestMethod la='1' "))
    judged = judge(changed("03", ((OBJECT, OBJECT + added), *faults)))
    assert isinstance(judged, NonconformantTranscript)
    assert [(finding.code, finding.xpath) for finding in judged.findings] == [
        ("MA-001", "/GoiHocBa/HocBa[3]/NoiDung/CapHoc"),
        ("DD-073", "/GoiHocBa/HocBa[3]/DanhSachChuKy/ChuKy/Signature/SignedInfo/Reference/DigestMethod"),
    ]
    assert all(finding.line is not None and finding.message_vi for finding in judged.findings)


SCHEMA_CASES = [name for name, case in CASES["refused"].items() if "DD-060" <= case["code"] <= "DD-073"]


@pytest.mark.parametrize("case", SCHEMA_CASES)
def test_told_briefly_the_place_is_the_same_or_beside_it(case: str) -> None:
    fault = CASES["refused"][case]
    xml = transcripts.package([*OTHERS, changed(fault["level"], fault["changes"])])
    opened = split(xml, PROFILE, LIMITS)
    assert isinstance(opened, OpenedPackage)
    judged = check_item(opened.pieces[2], PROFILE, opened.envelope, LIMITS, is_explained=False)
    assert isinstance(judged, NonconformantTranscript)
    at = judged.findings[0].xpath or ""
    assert ("/GoiHocBa/HocBa[3]" + fault["at"]).startswith(at.rpartition("/")[0])
    assert judged.findings[-1].code == "DD-077"


def test_of_thousands_of_faults_the_first_are_told_and_the_rest_counted() -> None:
    item = changed("03", (("<HocTap>", "<La/>" * 2000 + "<HocTap>"),))
    judged = judge(item)
    assert isinstance(judged, NonconformantTranscript)
    assert judged.findings[-1].facts == {"listed": 50, "left_out": 50}


def test_each_thread_has_a_gate_of_its_own() -> None:
    refused = changed("03", (("<CapHoc>03", "<CapHoc>3"),))
    answers: list[list[str]] = []

    def work() -> None:
        for _ in range(20):
            answers.append([finding.code for finding in findings_of(judge(refused))])
            answers.append([finding.code for finding in findings_of(judge(transcripts.transcript("03")))])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(["MA-001"]) == 60
    assert answers.count([]) == 60


def test_every_code_of_a_transcript_s_form_is_reached_here() -> None:
    # What refuses a package as a whole is reached by the tests beside this one, and at the door.
    of_package = (*range(1, 6), 12, *range(20, 26), *range(32, 39), *range(40, 45))
    package_level = {f"DD-{number:03}" for number in of_package}
    reached = (
        {case["code"] for kind in ("refused", "warned") for case in CASES[kind].values()}
        | {LIMIT_CODES[name] for name in COSTLY}
        | {"DD-030", "DD-073", "DD-076", "DD-077", "NV-001"}
    )
    assert reached | package_level == {
        code for code in CATALOGUE if code[:2] in ("DD", "MA", "NV") and int(code[3:]) < 100
    }


@pytest.mark.parametrize("place", ["7<!-- x -->A1", "<![CDATA[7]]><!-- x < y -->A1"])
def test_a_comment_is_refused_where_it_stands(place: str) -> None:
    assert "7A1" in transcripts.transcript("03")
    judged = judge(changed("03", (("7A1", place),)))
    assert [finding.code for finding in findings_of(judged)] == ["KS-004"]
    assert (findings_of(judged)[0].xpath or "").endswith("/NoiDung/Lop")


def test_what_only_looks_like_a_comment_is_text() -> None:
    judged = judge(changed("03", (("Nguyễn Thị", "Nguyễn <![CDATA[Thị <!-- ]]>"),)))
    assert "KS-004" not in [finding.code for finding in findings_of(judged)]


def test_the_look_up_code_of_a_refused_transcript_is_told_where_it_can_be_read() -> None:
    judged = judge(changed("03", (("<CapHoc>03", "<CapHoc>3"),)))
    assert isinstance(judged, NonconformantTranscript)
    assert judged.record_id == UUID(transcripts.record_id(1))
    judged = judge(changed("03", (("<MaTraCuu>0", "<MaTraCuu>x"),)))
    assert isinstance(judged, NonconformantTranscript)
    assert judged.record_id is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(data=st.data())
def test_whatever_a_transcript_holds_it_is_judged_and_nothing_is_raised(data: st.DataObject) -> None:
    """Texts, attributes and tags exchanged at random: a judgement each time, with texts that can be shown."""
    item = data.draw(st.sampled_from([transcripts.transcript(level) for level in ("02", "03", "04", "05")]))
    parts = re.split(r"(>[^<]+<|\"[^\"]*\"|<[A-Za-z]+>)", item)
    places = [index for index in range(1, len(parts), 2) if "urn:" not in parts[index]]
    for place in data.draw(st.lists(st.sampled_from(places), min_size=1, max_size=4)):
        if parts[place].startswith(">"):
            text = data.draw(st.sampled_from(TEXTS) | st.text(XML_CHARACTERS, max_size=20))
            parts[place] = ">" + escape(text) + "<"
        else:
            parts[place] = parts[data.draw(st.sampled_from(places))]
    opened = split(transcripts.package(["".join(parts)]), PROFILE, LIMITS)
    if isinstance(opened, OpenedPackage):
        for piece in opened.pieces:
            judged = check_item(piece, PROFILE, opened.envelope, LIMITS)
            assert all(finding.message_vi and finding.message_en for finding in findings_of(judged))
            assert isinstance(judged, ConformantTranscript) or judged.findings


@pytest.mark.parametrize(
    "moment",
    [
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "2026-05-30T08:30:00",
        "2026-05-30T24:00:00Z",
        "2026-05-30T08:30:60Z",
        "2026-05-30T08:30:00+15:00",
        "2026-05-30T08:30:00.1234567Z",
        "-2026-05-30T08:30:00Z",
    ],
)
def test_moments_that_are_none_are_refused(moment: str) -> None:
    xml = transcripts.package(OTHERS).replace(b"2026-05-30T08:30:00+07:00", moment.encode())
    refused = split(xml, PROFILE, LIMITS)
    assert isinstance(refused, tuple)
    assert [finding.code for finding in refused] == ["DD-067"]


@pytest.mark.parametrize("moment", ["2026-05-30T08:30:00.5Z", " 2026-05-30T08:30:00-14:00 "])
def test_moments_with_an_offset_are_read(moment: str) -> None:
    xml = transcripts.package(OTHERS).replace(b"2026-05-30T08:30:00+07:00", moment.encode())
    opened = split(xml, PROFILE, LIMITS)
    assert isinstance(opened, OpenedPackage)
    assert opened.envelope.created_at.tzinfo is not None
