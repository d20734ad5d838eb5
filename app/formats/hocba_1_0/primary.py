"""Rules of primary results (tiểu học, Thông tư 27/2020): all of them warn."""

from collections.abc import Iterator

from app.findings import Finding
from app.formats.hocba_1_0 import reading
from app.formats.hocba_1_0.codes import Codes
from app.formats.hocba_1_0.content import Content

_TECHNOLOGY = ("CongNghe", "TinHoc")


def check(content: Content, codes: Codes) -> Iterator[Finding]:
    """Check what Thông tư 27/2020 says of a year's results; other circulars are not checked."""
    if content.circular not in codes.primary_circulars:
        return
    yield from _technology(content, codes)
    yield from _tests(content, codes)
    if not content.is_not_assessed:
        yield from _summary(content, codes)


def _technology(content: Content, codes: Codes) -> Iterator[Finding]:
    """``NV-013``: technology and computing competences are assessed from grade three on."""
    competences = content.result["NangLuc"]
    written = reading.children(competences)
    is_assessed = content.grade in codes.technology_grades
    for name in _TECHNOLOGY:
        if (name in written) is not is_assessed:
            yield content.tell("NV-013", written.get(name, competences), name=name, grade=content.grade)


def _tests(content: Content, codes: Codes) -> Iterator[Finding]:
    """``NV-014``: a test mark where the subject has no periodic test."""
    known = codes.levels[content.level].subjects
    for subject in content.subjects:
        entry = known.get(reading.text(subject["Ma"]))
        if entry is not None and not entry.is_scored and "DiemKiemTra" in subject:
            yield content.tell("NV-014", subject["DiemKiemTra"], subject=entry.name)


def _summary(content: Content, codes: Codes) -> Iterator[Finding]:
    """``NV-009``: the overall result is higher than subjects, qualities and tests allow (Điều 9)."""
    summary = content.result.get("XepLoai")
    if summary is None:
        return
    written = reading.text(summary)
    levels = {reading.text(subject["MucDat"]) for subject in content.subjects} - {"M"}
    qualities = {reading.text(item) for group in ("PhamChat", "NangLuc") for item in content.result[group]}
    marks = [
        int(reading.text(subject["DiemKiemTra"]))
        for subject in content.subjects
        if "DiemKiemTra" in subject and reading.text(subject["DiemKiemTra"]) != "M"
    ]
    for rule in codes.primary_summaries:
        is_met = (
            levels <= rule.subjects and qualities <= rule.qualities and min(marks, default=10) >= rule.mark
        )
        if is_met or rule.name == written:
            if rule.name == written and not is_met:
                yield content.tell("NV-009", summary, written, stated=written)
            return
