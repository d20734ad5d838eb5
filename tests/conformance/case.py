"""What a case of the kit is, and how it lies in its folder; the builder's side of PROTOCOL.md."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.builders import transcripts

CASES: Final = Path(__file__).with_name("cases")
TIME: Final = "2026-06-09T02:00:00+00:00"
ACCEPTED: Final = "accepted"
REJECTED: Final = "rejected"
HELD: Final = "held"
OUTER: Final[Mapping[str, str]] = {
    "package_id": transcripts.PACKAGE_ID,
    "school_code": transcripts.SCHOOL_CODE,
    "school_year": transcripts.SCHOOL_YEAR,
    "schema_version": "1.0",
}


@dataclass(frozen=True, kw_only=True)
class Item:
    """What one transcript is answered: the outcome, and all codes, each once."""

    outcome: str = ACCEPTED
    codes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One package and its answer.

    Attributes:
        name: the folder, without the ending that tells a refusal.
        why: what the case is for, in a line or two.
        material: the file that is sent, by its name: package.xml, package.gz, payload.b64, or request.json.
        outer: what is said beside the payload.
        package: codes that refuse the package as a whole.
        problem: the code that refuses the request itself.
        time: when the package arrives.
    """

    name: str
    why: str
    file: str = "package.xml"
    material: bytes
    outer: Mapping[str, str] = field(default_factory=lambda: OUTER)
    package: Sequence[str] = ()
    problem: str | None = None
    items: Sequence[Item] = ()
    time: str = TIME

    @property
    def folder(self) -> str:
        """Its folder's name: the ending says that something is refused."""
        refused = self.package or self.problem or any(item.outcome == REJECTED for item in self.items)
        return f"{self.name}_refused" if refused else self.name

    def expected(self) -> dict[str, Any]:
        """Write down what is expected."""
        told: dict[str, Any] = {"time": self.time, "outer": dict(self.outer)}
        if self.problem:
            return {**told, "problem": self.problem}
        items = [{"outcome": item.outcome, "codes": sorted(item.codes)} for item in self.items]
        return {**told, "package": sorted(self.package), "items": items}

    def write(self, cases: Path) -> None:
        """Lay the case down in its folder."""
        folder = cases / self.folder
        folder.mkdir(parents=True)
        (folder / self.file).write_bytes(self.material)
        (folder / "README.md").write_text(f"# {self.name}\n\n{self.why}\n", "utf-8")
        expected = json.dumps(self.expected(), ensure_ascii=False, indent=1)
        (folder / "expected.json").write_text(f"{expected}\n", "utf-8")


def accepted(name: str, why: str, xml: bytes, *warnings: str, **rest: Any) -> Case:
    """A package of one transcript that is taken, with these warnings."""
    return Case(name=name, why=why, material=xml, items=(Item(codes=warnings),), **rest)


def refused(name: str, why: str, xml: bytes, *codes: str, **rest: Any) -> Case:
    """A package of one transcript that is refused for these reasons."""
    return Case(name=name, why=why, material=xml, items=(Item(outcome=REJECTED, codes=codes),), **rest)


def held(name: str, why: str, xml: bytes, *codes: str) -> Case:
    """A package of one transcript that has to wait."""
    return Case(name=name, why=why, material=xml, items=(Item(outcome=HELD, codes=codes),))


def zipped(xml: bytes) -> bytes:
    """Pack unpacked XML, the same bytes every time and under every zlib: stored, not deflated."""
    return gzip.compress(xml, compresslevel=0, mtime=0)
