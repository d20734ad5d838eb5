"""Compiling a profile's XSD without a network: standard schemas come from the dependency that ships them.

One rule of the standard XMLDSig schema is relaxed: a SignatureProperty may also hold an element of no
namespace. Signers of electronic invoices have always written ``<SigningTime xmlns="">`` there, and every
school's vendor has one of them. What stands in a signature is checked by ``app.verify`` anyway.
"""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Final

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
    return etree.fromstring(path.read_bytes(), etree.XMLParser(resolve_entities=False, no_network=True))


def _imports(root: etree._Element) -> list[etree._Element]:
    return list(root.iter(f"{_XSD}import"))


def compile_schema(path: Path) -> etree.XMLSchema:
    """Compile an XSD with libxml2; the result belongs to the thread that made it.

    What it imports is read from files of its own: a resolver is a setting of the whole process, which parsing
    in another thread takes back in the middle of compiling.
    """
    root = _read(path)
    with TemporaryDirectory(prefix="hocba-schemas-") as folder:
        for number, element in enumerate(_imports(root)):
            standard = Path(folder) / f"{number}.xsd"
            standard.write_text(standard_schema(element.get("namespace", "")), "utf-8")
            element.set("schemaLocation", str(standard))
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
