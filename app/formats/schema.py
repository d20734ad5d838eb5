"""Compiling a profile's XSD without a network: standard schemas come from the dependency that ships them."""

from pathlib import Path
from types import MappingProxyType
from typing import Final

import xmlschema
from lxml import etree

_STANDARD_SCHEMAS: Final = MappingProxyType(
    {
        "http://www.w3.org/2000/09/xmldsig#": Path(xmlschema.__file__).parent
        / "schemas/DSIG/xmldsig-core-schema.xsd",
    }
)
_IMPORT: Final = "{http://www.w3.org/2001/XMLSchema}import"


def schema_document(path: Path) -> etree._Element:
    """Read a published XSD and point its imports at local copies.

    Raises:
        RuntimeError: it imports a namespace that is not at hand; such a profile cannot be loaded.
    """
    root = etree.fromstring(path.read_bytes(), etree.XMLParser(resolve_entities=False, no_network=True))
    for element in root.iter(_IMPORT):
        location = _STANDARD_SCHEMAS.get(element.get("namespace", ""))
        if location is None:
            raise RuntimeError(f"{path.name} imports {element.get('namespace')}, which is not at hand")
        element.set("schemaLocation", location.as_uri())
    return root


def compile_schema(path: Path) -> etree.XMLSchema:
    """Compile an XSD with libxml2; the result belongs to the thread that made it."""
    return etree.XMLSchema(schema_document(path))


def explaining_schema(path: Path) -> xmlschema.XMLSchema:
    """Load an XSD into the slow reader that can explain a refusal; it opens local files only."""
    return xmlschema.XMLSchema(schema_document(path), allow="local")
