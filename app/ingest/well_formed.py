"""Parsing with a finding instead of an exception; the parser's own words never carry content."""

import re
from typing import Final, cast

from lxml import etree

from app.findings import Finding, finding
from app.formats.parser import parse_secure
from app.formats.place import Place

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_ENCODING_ERRORS: Final = frozenset(
    {etree.ErrorTypes.ERR_INVALID_ENCODING, etree.ErrorTypes.I18N_CONV_FAILED}
)


def parse(xml: bytes, place: Place, xpath: str | None = None) -> etree._Element | Finding:
    """Parse one document that began at this place of the package.

    Refuses with ``DD-030`` what is not UTF-8 and with ``DD-031`` what is not well-formed (XML 1.0), naming
    line and column.
    """
    try:
        return parse_secure(xml)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        line += place.line - 1
        if cast("int", getattr(error, "code", 0)) in _ENCODING_ERRORS:
            return finding("DD-030", xpath=xpath, line=line, found=f"byte [{line}:{column}]")
        reason = _QUOTED.sub("…", error.msg or "").partition(", line ")[0].strip()
        return finding("DD-031", xpath=xpath, line=line, at_line=line, column=column, reason=reason[:120])


def malformed_at(xml: bytes, offset: int, reason: str) -> Finding:
    """Say that the markup at this offset of the unpacked XML cannot be read (``DD-031``)."""
    line = xml.count(b"\n", 0, offset) + 1
    column = offset - xml.rfind(b"\n", 0, offset)
    return finding("DD-031", line=line, at_line=line, column=column, reason=reason)
