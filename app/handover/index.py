"""The index of an archive: one line a file, the root over all lines, signed by the key handed in.

A line is the canonical JSON (RFC 8785) of three members: ``name``, ``sha256`` of the file's octets, ``size``
in bytes. Its octets, without the line's end, are the leaf that the tree hashes (RFC 9162), in the order of
the files. The index stands last in the archive, so that it speaks of exactly what was sent before it.
"""

import json
from collections import Counter
from datetime import datetime
from hashlib import sha256
from typing import Final

from app.keys import KeyRing
from app.merkle import RootBuilder, leaf_hash

ISSUER: Final = "hocba"
TYPE: Final = "hocba-archive"
INDEX: Final = "index.ndjson"


class Index:
    """What has been put into an archive so far: a line of a hundred bytes a file, nothing of its content."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._tree = RootBuilder()
        self._counts: Counter[str] = Counter()

    def add(self, name: str, content: bytes) -> None:
        """Note a file, which is never changed afterwards."""
        line = json.dumps(
            {"name": name, "sha256": sha256(content).hexdigest(), "size": len(content)},
            sort_keys=True,
            separators=(",", ":"),
        ).encode("ascii")
        self._lines.append(line)
        self._tree.append(leaf_hash(line))
        self._counts[name.partition("/")[0]] += "/" in name

    def close(self, keys: KeyRing, *, school_code: str, school_year: str | None, begun_at: datetime) -> bytes:
        """Sign, and give the index file: the statement in its first line, then the lines.

        Args:
            keys: the service's.
            school_code: whose archive it is.
            school_year: None where it holds all years.
            begun_at: what was recorded before this moment is in it.
        """
        claims = {
            "iss": ISSUER,
            "kind": "archive",
            "school": school_code,
            "school_year": school_year,
            "begun_at": begun_at.isoformat(),
            "size": self._tree.size,
            "counts": {kind: number for kind, number in sorted(self._counts.items()) if number},
            "root": self._tree.root.hex(),
        }
        token = keys.sign(json.dumps(claims, separators=(",", ":")).encode(), kind=TYPE)
        first = json.dumps({"statement": token}, separators=(",", ":")).encode("ascii")
        return b"".join(line + b"\n" for line in (first, *self._lines))
