"""The schema as a gate (libxml2, microseconds); a refused document is explained by a slower reader.

libxml2's compiled schemas share an error log, so each thread keeps its own.
"""

import threading
from collections.abc import Iterable
from typing import Final, cast

from lxml import etree

from app.findings import Finding, finding
from app.formats.place import Place
from app.formats.profile import FormatProfile
from app.formats.schema import compile_schema
from app.ingest.explanation import explain

# Beyond this size the explaining reader would cost seconds: what libxml2 logged must do.
_EXPLAINED_ELEMENTS: Final = 5000

_compiled = threading.local()


def violations(element: etree._Element, profile: FormatProfile, place: Place) -> tuple[Finding, ...]:
    """Check a header or a transcript against the profile's schema; all findings in document order.

    Refuses with the codes ``DD-060`` to ``DD-073`` and ``MA-001`` (see ``app.ingest.explanation``).
    """
    schema = _schema_of_thread(profile)
    if schema.validate(element):
        return ()
    findings: tuple[Finding, ...] = ()
    if sum(1 for _ in element.iter()) <= _EXPLAINED_ELEMENTS:
        findings = explain(element, profile, place)
    log = list(cast("Iterable[etree._LogEntry]", schema.error_log))  # noqa: SLF001 - the stubs' name of it
    xpath = place.xpath_of(element)
    return findings or tuple(
        finding("DD-073", xpath=xpath, line=place.line + entry.line - 1, rule=entry.type_name)
        for entry in log
    )


def _schema_of_thread(profile: FormatProfile) -> etree.XMLSchema:
    schemas: dict[str, etree.XMLSchema] = _compiled.__dict__.setdefault("schemas", {})
    schema = schemas.get(profile.version)
    if schema is None:
        schema = schemas[profile.version] = compile_schema(profile.schema_path)
    return schema
