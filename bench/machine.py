"""On what was measured."""

import os
import platform
from importlib.metadata import version

from lxml import etree


def machine() -> dict[str, str]:
    """Say on what this was measured."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "processors": str(os.cpu_count()),
        "libxml2": ".".join(map(str, etree.LIBXML_VERSION)),
        **{name: version(name) for name in ("lxml", "cryptography", "xmlschema", "signxml")},
    }
