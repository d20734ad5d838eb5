"""Compiling a profile's XSD without a network: standard schemas come from the dependency that ships them.

One rule of the standard XMLDSig schema is relaxed: a SignatureProperty may also hold an element of no
namespace. Signers of electronic invoices have always written ``<SigningTime xmlns="">`` there, and every
school's vendor has one of them. What stands in a signature is checked by ``app.verify`` anyway.
"""

from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import xmlschema
from lxml import etree

_XSD: Final = "{http://www.w3.org/2001/XMLSchema}"
_STANDARD_SCHEMAS: Final = MappingProxyType(
    {
        "http://www.w3.org/2000/09/xmldsig#": Path(xmlschema.__file__).parent
        / "schemas/DSIG/xmldsig-core-schema.xsd",
    }
)
_LOOSENED_TYPE: Final = "SignaturePropertyType"


class _StandardSchemas(etree.Resolver):
    """Gives libxml2 the standard schemas by their namespace, and nothing else."""

    def resolve(self, system_url: str, public_id: str, *context: Any) -> Any:  # noqa: ARG002 - lxml passes both
        return self.resolve_string(standard_schema(system_url), *context, base_url=system_url)


@cache
def standard_schema(namespace: str) -> str:
    """Give a standard schema's text, relaxed as said above; RuntimeError where none is at hand."""
    path = _STANDARD_SCHEMAS.get(namespace)
    if path is None:
        raise RuntimeError(f"the schema of {namespace} is not at hand")
    root = _read(path)
    for declared in root.iter(f"{_XSD}complexType"):
        if declared.get("name") == _LOOSENED_TYPE:
            for wildcard in declared.iter(f"{_XSD}any"):
                wildcard.set("namespace", "##any")
    return etree.tostring(root, encoding="unicode")


def _read(path: Path) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    parser.resolvers.add(_StandardSchemas())
    return etree.fromstring(path.read_bytes(), parser)


def _imports(root: etree._Element) -> list[etree._Element]:
    return list(root.iter(f"{_XSD}import"))


def compile_schema(path: Path) -> etree.XMLSchema:
    """Compile an XSD with libxml2; the result belongs to the thread that made it."""
    root = _read(path)
    for element in _imports(root):
        element.set("schemaLocation", element.get("namespace", ""))
    return etree.XMLSchema(root)


def explaining_schema(path: Path) -> xmlschema.XMLSchema:
    """Load an XSD into the slow reader that can explain a refusal; it opens nothing by itself."""
    root, known = _read(path), None
    for element in _imports(root):
        del element.attrib["schemaLocation"]
        known = xmlschema.XMLSchema(
            standard_schema(element.get("namespace", "")), build=False, global_maps=known
        ).maps
    return xmlschema.XMLSchema(root, allow="none", global_maps=known)
