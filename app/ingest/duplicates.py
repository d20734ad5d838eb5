"""Transcripts that stand twice in one package (trùng dữ liệu trong gói)."""

from collections.abc import Iterable, Mapping

from app.findings import Finding, finding
from app.formats.place import Place
from app.formats.profile import TranscriptFacts


def repeated(transcripts: Iterable[tuple[Place, TranscriptFacts]]) -> Mapping[int, Finding]:
    """Say by position which transcripts repeat an earlier one of the same package; the first one stands.

    ``TR-001`` the same look-up code; ``TR-002`` the same pupil, by pupil code or identity number, in the same
    school year and level. Positions that are fine are not in the answer.
    """
    first_by_record: dict[object, int] = {}
    first_by_student: dict[tuple[str, ...], int] = {}
    findings: dict[int, Finding] = {}
    for place, facts in transcripts:
        position, xpath, line = place.position, place.xpath, place.line
        first = first_by_record.setdefault(facts.record_id, position)
        if first != position:
            findings[position] = finding(
                "TR-001", xpath=xpath, line=line, value=facts.record_id.hex, first=first
            )
            continue
        period = (facts.school_year, facts.level)
        keys = [("code", facts.student_code, *period)]
        if facts.identity_number is not None:
            keys.append(("identity", facts.identity_number, *period))
        earlier = [first_by_student[key] for key in keys if key in first_by_student]
        if earlier:
            findings[position] = finding("TR-002", xpath=xpath, line=line, first=min(earlier))
            continue
        first_by_student.update(dict.fromkeys(keys, position))
    return findings
