"""Rules of secondary results (THCS, THPT, GDTX; Thông tư 22/2021, 43/2021)."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final

from lxml import etree

from app.findings import Finding
from app.formats.hocba_1_0 import reading
from app.formats.hocba_1_0.codes import Codes, StudyLevel
from app.formats.hocba_1_0.content import Content

_MARKS: Final = ("HocKy1", "HocKy2", "CaNam", "KiemTraLai")
_COMMENTS: Final = frozenset({"D", "CD"})
_EXEMPT: Final = "M"
_FAILED: Final = "CD"
_PASS: Final = Decimal(5)
_LOWEST: Final = "CD"
# (I + 2 II) / 3 rounded to one decimal may lie at most 0.05 away: three times that, without dividing.
_AVERAGE_TOLERANCE: Final = Decimal("0.15")


def check(content: Content, codes: Codes) -> Iterator[Finding]:
    """Check marks, levels and promotion against each other."""
    if content.circular in codes.listed_circulars:
        yield from _kinds_of_marks(content, codes)
    for subject in content.subjects:
        yield from _average(content, subject)
        yield from _repeated_test(content, subject)
    if content.circular in codes.conduct_circulars:
        yield from _conduct(content, codes)
    if not content.is_not_assessed:
        yield from _study(content, codes)
    yield from _promotion(content, codes)


def _kinds_of_marks(content: Content, codes: Codes) -> Iterator[Finding]:
    """``NV-003`` a comment in a scored subject, ``NV-004`` a score in a subject that has comments only."""
    known = codes.levels[content.level].subjects
    for subject in content.subjects:
        entry = known.get(reading.text(subject["Ma"]))
        if entry is None:
            continue
        for name in _MARKS:
            if name not in subject:
                continue
            written = reading.text(subject[name])
            if written != _EXEMPT and (written in _COMMENTS) is entry.is_scored:
                code = "NV-003" if entry.is_scored else "NV-004"
                yield content.tell(code, subject[name], written, subject=entry.name)


def _average(content: Content, subject: Mapping[str, etree._Element]) -> Iterator[Finding]:
    """``NV-005``: the year's mark is not (I + 2 II) / 3 to one decimal."""
    first, second = _score(subject, "HocKy1"), _score(subject, "HocKy2")
    year = _score(subject, "CaNam")
    if first is None or second is None or year is None:
        return
    if abs(first + 2 * second - 3 * year) > _AVERAGE_TOLERANCE:
        expected = ((first + 2 * second) / 3).quantize(Decimal("0.1"))
        yield content.tell("NV-005", subject["CaNam"], str(year), stated=str(year), computed=str(expected))


def _repeated_test(content: Content, subject: Mapping[str, etree._Element]) -> Iterator[Finding]:
    """``NV-006``: tested again though the year's mark was sufficient."""
    if "KiemTraLai" not in subject:
        return
    year = _score(subject, "CaNam")
    if (year is not None and year >= _PASS) or reading.text(subject["CaNam"]) == "D":
        yield content.tell("NV-006", subject["KiemTraLai"])


def _conduct(content: Content, codes: Codes) -> Iterator[Finding]:
    """``NV-007``: the year's conduct is not what both terms give (Điều 8)."""
    conduct = reading.children(content.result["RenLuyen"])
    first, second, year = (reading.text(conduct[name]) for name in ("HocKy1", "HocKy2", "CaNam"))
    computed = codes.conduct[first, second]
    if year != computed:
        yield content.tell("NV-007", conduct["CaNam"], year, stated=year, computed=computed)


def _study(content: Content, codes: Codes) -> Iterator[Finding]:
    """``NV-008``: the year's learning result is not what the marks give (Điều 9).

    One level above is allowed, for a single subject that alone pulls the result down.
    """
    rules = codes.study.get(content.circular)
    if rules is None:
        return
    year = reading.children(content.result["HocTap"])["CaNam"]
    names = [*(rule.name for rule in rules), _LOWEST]
    scores = [mark for subject in content.subjects if (mark := _score(subject, "CaNam")) is not None]
    failed = sum(1 for subject in content.subjects if reading.text(subject["CaNam"]) == _FAILED)
    computed = next((rule.name for rule in rules if _is_met(rule, scores, failed)), _LOWEST)
    stated = reading.text(year)
    if names.index(computed) - names.index(stated) not in (0, 1):
        yield content.tell("NV-008", year, stated, stated=stated, computed=computed)


def _is_met(rule: StudyLevel, scores: list[Decimal], failed: int) -> bool:
    strong = sum(1 for score in scores if score >= rule.strong_mark)
    return (
        failed <= rule.failed_comments
        and min(scores, default=Decimal(0)) >= rule.every_mark
        and strong >= rule.strong_count
    )


def _promotion(content: Content, codes: Codes) -> Iterator[Finding]:
    """``NV-011`` promoted with too many absences, ``NV-018`` with an insufficient result (Điều 12)."""
    if not reading.is_true(content.confirmation, "DuocLenLop"):
        return
    absences = content.result["SoBuoiNghi"]
    if int(reading.text(absences)) > codes.half_days_for_promotion:
        yield content.tell(
            "NV-011", absences, reading.text(absences).strip(), limit=codes.half_days_for_promotion
        )
    for name in ("HocTap", "RenLuyen"):
        levels = reading.children(content.result[name])
        final = levels.get("Lai", levels["CaNam"])
        if reading.text(final) == _LOWEST:
            yield content.tell("NV-018", final, _LOWEST)


def _score(subject: Mapping[str, etree._Element], name: str) -> Decimal | None:
    mark = subject.get(name)
    return None if mark is None else _number(reading.text(mark))


@lru_cache(maxsize=512)
def _number(written: str) -> Decimal | None:
    return Decimal(written) if written[:1].isdigit() else None
