"""Telling a refusal from the gate's own log: quick, for documents too large or too many to be explained.

libxml2 stops looking into an element once its children are out of order, and says nothing of what it
expected that could be shown; place and cause are right all the same.
"""

import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from lxml import etree

from app.findings import Finding, finding
from app.formats.place import Place, local_name

# Quoted in the finding's facts where the plain words of the schema are not looked up.
_EXPECTED: Final = ("giá trị đúng lược đồ", "a value as the schema has it")
_CODES: Final = MappingProxyType(
    {
        "SCHEMAV_CVC_ENUMERATION_VALID": "MA-001",
        "SCHEMAV_CVC_PATTERN_VALID": "DD-067",
        "SCHEMAV_CVC_DATATYPE_VALID_1_2_1": "DD-067",
        "SCHEMAV_CVC_MAXLENGTH_VALID": "DD-068",
        "SCHEMAV_CVC_MINLENGTH_VALID": "DD-069",
        "SCHEMAV_CVC_MININCLUSIVE_VALID": "DD-070",
        "SCHEMAV_CVC_MAXINCLUSIVE_VALID": "DD-070",
        "SCHEMAV_CVC_COMPLEX_TYPE_2_3": "DD-071",
        "SCHEMAV_CVC_TYPE_3_1_2": "DD-072",
    }
)
_STEP: Final = re.compile(r"([^/\[\]:]+:[^/\[\]]+)")


def findings_of_log(
    element: etree._Element, entries: Iterable[etree._LogEntry], place: Place, most: int
) -> tuple[Finding, ...]:
    """Give one finding for each place that the log names, at most so many."""
    told: dict[str, Finding] = {}
    for entry in entries:
        at = _find(element, entry.path or "")
        xpath = place.xpath if at is None else place.xpath_of(at)
        if xpath not in told:
            told[xpath] = _finding(entry.type_name, at, xpath, place.line + entry.line - 1)
        if len(told) == most:
            break
    return tuple(told.values())


def _finding(rule: str, at: etree._Element | None, xpath: str, line: int) -> Finding:
    code = _CODES.get(rule)
    if code is None or at is None:
        return finding("DD-073", xpath=xpath, line=line, rule=rule)
    expected_vi, expected_en = _EXPECTED
    return finding(
        code,
        xpath=xpath,
        line=line,
        name=local_name(at),
        found_characters=len(at.text or ""),
        expected_vi=expected_vi,
        expected_en=expected_en,
    )


def _find(element: etree._Element, path: str) -> etree._Element | None:
    """Find what libxml2's path names; the path begins with the validated element itself."""
    below = path.split("/", 2)[2:]
    if not below:
        return element
    steps = _STEP.sub(lambda step: f"*[name()='{step[1]}']", below[0])
    try:
        found = element.xpath(f"./{steps}")
    except etree.XPathError:
        return None
    return found[0] if isinstance(found, list) and len(found) == 1 and etree.iselement(found[0]) else None
