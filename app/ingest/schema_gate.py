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
from app.ingest.gate_log import findings_of_log

# Twice what a person reads: enough to say how many more there are at least.
MOST_FINDINGS: Final = 100
# Beyond this size the explaining reader costs more than it tells; no real transcript comes near.
_EXPLAINED_ELEMENTS: Final = 2500

_compiled = threading.local()


def violations(
    element: etree._Element, profile: FormatProfile, place: Place, *, is_explained: bool = True
) -> tuple[Finding, ...]:
    """Check a header or a transcript against the profile's schema; findings in document order.

    Refuses with the codes ``DD-060`` to ``DD-074`` and ``MA-001`` (see ``app.ingest.explanation``). What is
    large, or not to be explained, is told more briefly from the gate's own log; the latter is said (DD-077).
    """
    schema = _schema_of_thread(profile)
    if schema.validate(element):
        return ()
    entries = list(cast("Iterable[etree._LogEntry]", schema.error_log))  # noqa: SLF001 - the stubs' name of it
    findings: tuple[Finding, ...] = ()
    if is_explained and sum(1 for _ in element.iter()) <= _EXPLAINED_ELEMENTS:
        findings = explain(element, profile, place, MOST_FINDINGS)
    findings = findings or findings_of_log(element, entries, place, MOST_FINDINGS)
    return findings if is_explained else (*findings, finding("DD-077", xpath=place.xpath, line=place.line))


def _schema_of_thread(profile: FormatProfile) -> etree.XMLSchema:
    schemas: dict[str, etree.XMLSchema] = _compiled.__dict__.setdefault("schemas", {})
    schema = schemas.get(profile.version)
    if schema is None:
        schema = schemas[profile.version] = compile_schema(profile.schema_path)
    return schema
