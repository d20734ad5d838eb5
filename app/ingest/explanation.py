"""Explaining a document that the schema refused: where, what was expected in plain words, what was found.

Built on ``xmlschema``, which is slow, goes on after an error, and knows the declarations: what is expected of
a value is told in the words of its type's annotation in the published XSD. Only refused documents come here.
"""

import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import xmlschema
from lxml import etree
from xmlschema.validators import (
    XMLSchemaChildrenValidationError,
    XMLSchemaValidationError,
    XsdAttribute,
    XsdAttributeGroup,
    XsdComplexType,
    XsdElement,
    XsdEnumerationFacets,
    XsdGroup,
    XsdMaxInclusiveFacet,
    XsdMaxLengthFacet,
    XsdMinInclusiveFacet,
    XsdMinLengthFacet,
    XsdType,
)

from app.findings import Finding, finding
from app.formats.place import Place, local_name
from app.formats.profile import FormatProfile
from app.formats.schema import explaining_schema
from app.ingest.child_order import child_findings

_ORDER: Final = "*"  # what is told of an element's children is told once, in full
_INSTANCE: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_VALUE_CODES: Final = (
    (XsdEnumerationFacets, "MA-001"),
    (XsdMaxLengthFacet, "DD-068"),
    (XsdMinLengthFacet, "DD-069"),
    (XsdMinInclusiveFacet, "DD-070"),
    (XsdMaxInclusiveFacet, "DD-070"),
)
_loaded = threading.local()


def explain(element: etree._Element, profile: FormatProfile, place: Place, most: int) -> tuple[Finding, ...]:
    """Give what the schema refused in a header or transcript, at most so many findings, in document order.

    A value is told once, however many rules it breaks, and shown only where the profile says it may be.
    """
    schema = _schema_of_thread(profile)
    told: dict[tuple[etree._Element, str], Finding] = {}
    for error in islice(schema.iter_errors(element, use_location_hints=False), 2 * most):
        at: Any = error.elem  # xmlschema hands back the very elements it was given
        if at is None or (isinstance(error, XMLSchemaChildrenValidationError) and (at, _ORDER) in told):
            continue
        findings = _explain_error(error, at, schema, profile, place)
        for name, item in islice(findings, most - len(told)):
            told.setdefault((at, name), item)
        if len(told) >= most:
            break
    order = {node: index for index, node in enumerate(element.iter())}
    return tuple(item for (at, _), item in sorted(told.items(), key=lambda entry: order[entry[0][0]]))


def _explain_error(
    error: XMLSchemaValidationError,
    at: etree._Element,
    schema: xmlschema.XMLSchema,
    profile: FormatProfile,
    place: Place,
) -> Iterator[tuple[str, Finding]]:
    """Give the findings behind one error, each with the name of what it is about on the element."""
    rule = error.validator
    if isinstance(error, XMLSchemaChildrenValidationError):
        for index, (name, item) in enumerate(child_findings(error, at, place)):
            yield (f"{name} {item.xpath}" if index else _ORDER), item
    elif isinstance(rule, XsdAttributeGroup):
        yield from _attribute_findings(rule, at, place)
    elif isinstance(rule, XsdGroup):
        yield (
            "text()",
            finding("DD-071", xpath=place.xpath_of(at), line=place.line_of(at), name=local_name(at)),
        )
    elif isinstance(rule, XsdElement):
        yield (
            "text()",
            finding("DD-072", xpath=place.xpath_of(at), line=place.line_of(at), name=local_name(at)),
        )
    else:
        yield _value_finding(error, at, schema, profile, place)


def _attribute_findings(
    declared: XsdAttributeGroup, at: etree._Element, place: Place
) -> Iterator[tuple[str, Finding]]:
    xpath, line = place.xpath_of(at), place.line_of(at)
    for name, attribute in declared.items():
        if name is not None and attribute.use == "required" and name not in at.attrib:
            yield f"@{name}", finding("DD-062", xpath=xpath, line=line, name=name)
    for raw_name in at.attrib:
        name = str(raw_name)
        if name not in declared and not name.startswith(_INSTANCE):
            yield f"@{name}", finding("DD-063", xpath=xpath, line=line, name=name[:80])


def _value_finding(
    error: XMLSchemaValidationError,
    at: etree._Element,
    schema: xmlschema.XMLSchema,
    profile: FormatProfile,
    place: Place,
) -> tuple[str, Finding]:
    """Tell a value that its type refuses."""
    attribute = next(
        (str(name) for name in at.attrib if (error.reason or "").startswith(f"attribute {name!s}=")), None
    )
    declaration = _declared_type(at, schema)
    if attribute is not None:
        declaration = _attribute_type(declaration, attribute)
    value = (at.text or "") if attribute is None else str(at.get(attribute, ""))
    name = local_name(at) if attribute is None else attribute
    code = next((code for facet, code in _VALUE_CODES if isinstance(error.validator, facet)), "DD-067")
    if not value.strip():
        code = "DD-069"
    expected_vi, expected_en = _expectation(declaration)
    return f"@{name}" if attribute else "text()", finding(
        code,
        xpath=place.xpath_of(at) + (f"/@{attribute}" if attribute else ""),
        line=place.line_of(at),
        value=value if name in profile.shown_names else None,
        name=name,
        found_characters=len(value),
        expected_vi=expected_vi,
        expected_en=expected_en,
    )


def _declared_type(at: etree._Element, schema: xmlschema.XMLSchema) -> XsdType | None:
    """Find an element's type by walking down from the global element above it; None inside a wildcard."""
    steps = [at, *at.iterancestors()]
    while steps:
        top = schema.maps.elements.get(str(steps[-1].tag))
        if top is not None and (len(steps) == 1 or _child_type(top.type, steps[-2]) is not None):
            break
        steps.pop()
    else:
        return None
    declared: XsdType | None = top.type
    for step in reversed(steps[:-1]):
        declared = None if declared is None else _child_type(declared, step)
    return declared


def _attribute_type(owner: XsdType | None, name: str) -> XsdType | None:
    declared = owner.attributes.get(name) if isinstance(owner, XsdComplexType) else None
    return declared.type if isinstance(declared, XsdAttribute) else None


def _child_type(parent: XsdType, child: etree._Element) -> XsdType | None:
    if not isinstance(parent, XsdComplexType) or not isinstance(parent.content, XsdGroup):
        return None
    for declared in parent.content.iter_elements():
        if isinstance(declared, XsdElement) and declared.name == child.tag:
            return declared.type
    return None


def _expectation(declared: XsdType | None) -> tuple[str, str]:
    """Give what a type expects, in Vietnamese and English: its annotation's words, or its bare name."""
    annotation = None if declared is None else declared.annotation
    words = {}
    if annotation is not None:
        for text in annotation.documentation:
            words[text.get("{http://www.w3.org/XML/1998/namespace}lang")] = text.text or ""
    name = (declared.local_name if declared is not None else None) or "XML"
    return words.get("vi", f"giá trị kiểu {name}"), words.get("en", f"a value of type {name}")


def _schema_of_thread(profile: FormatProfile) -> xmlschema.XMLSchema:
    schemas: dict[str, xmlschema.XMLSchema] = _loaded.__dict__.setdefault("schemas", {})
    schema = schemas.get(profile.version)
    if schema is None:
        schema = schemas[profile.version] = explaining_schema(profile.schema_path)
    return schema
