"""``python -m bench steps``: where the engine's time goes.

Steps are timed as they follow each other on one transcript, in processor time of the thread; what reading
the clock takes is taken off.
"""

import argparse
import hashlib
import json
import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from app.findings import Finding
from app.formats.hocba_1_0.profile import HocBaProfile
from app.formats.place import Place
from app.formats.profile import Envelope
from app.ingest.conformance import cost_findings
from app.ingest.envelope import unpack
from app.ingest.judgement import weigh
from app.ingest.schema_gate import violations
from app.ingest.splitting import OpenedPackage, split
from app.ingest.well_formed import parse
from app.records.packing import pack
from app.verify.canonical import EXCLUSIVE_FORM, CanonicalOctets
from app.verify.policy import ACCEPTANCE
from app.verify.signature import check_signatures
from app.verify.transcript import check_transcript
from bench.contenders import examined, seal_answers
from bench.documents import LIMITS, Load, build_loads
from bench.machine import machine

_PROFILE: Final = HocBaProfile()
WHOLE_TRANSCRIPT: Final = "hidden nodes, identifiers, costs"
# What the C reference does too, with the same libraries.
IN_C: Final = frozenset({"parse", "schema", "canonical content and digest", "signatures"})


class _Laps:
    """Processor time between one call and the next, by step."""

    def __init__(self) -> None:
        self._taken: dict[str, list[float]] = {}
        readings = [time.thread_time_ns() for _ in range(1001)]
        self._reading = statistics.median(b - a for a, b in pairwise(readings))
        self._since = readings[-1]

    def start(self) -> None:
        self._since = time.thread_time_ns()

    def end(self, step: str, transcripts: int = 1) -> None:
        spent = time.thread_time_ns() - self._since - self._reading
        self._taken.setdefault(step, []).append(spent / transcripts)
        self.start()

    def microseconds(self) -> dict[str, float]:
        return {step: round(statistics.median(spans) / 1000, 1) for step, spans in self._taken.items()}


def steps(load: Load, rounds: int) -> dict[str, float]:
    """Give processor microseconds for one transcript by step, in the order of the engine."""
    laps = _Laps()
    for _ in range(rounds):
        laps.start()
        xml = unpack(load.package.gzipped, LIMITS)
        assert isinstance(xml, bytes)
        opened = split(xml, _PROFILE, LIMITS)
        assert isinstance(opened, OpenedPackage)
        laps.end("unpack and split", load.transcripts)
        for piece in opened.pieces:
            _steps_of_one(laps, piece.standing_alone(), piece.place, opened.envelope)
        examination = examined(load)
        laps.start()
        outcomes = weigh(examination.items, load.origin, entries=load.entries, bars=load.bars)
        laps.end("paths, registration, policies, timeliness", load.transcripts)
        pack([outcome.entry for outcome in outcomes if outcome.entry is not None], {})
        laps.end("packing", load.transcripts)
        seal_answers(load, outcomes)
        laps.end("receipt", load.transcripts)
    found = laps.microseconds()
    found["signatures"] = round(found["signatures"] - found[WHOLE_TRANSCRIPT], 1)  # which it begins with
    return found


def _steps_of_one(laps: _Laps, xml: bytes, place: Place, envelope: Envelope) -> None:
    laps.start()
    root = parse(xml, place, place.xpath)
    laps.end("parse")
    assert not isinstance(root, Finding)
    cost_findings(xml, root, place, LIMITS)
    laps.end("cost limits")
    violations(root, _PROFILE, place)
    laps.end("schema")
    _PROFILE.read(root, envelope, place)
    laps.end("rules and facts")
    layout = _PROFILE.layout(root, place)
    laps.end("layout")
    octets = CanonicalOctets(ACCEPTANCE.limits.canonical_bytes)
    octets.digest(layout.content, EXCLUSIVE_FORM, "sha256")
    laps.end("canonical content and digest")
    check_transcript(layout, ACCEPTANCE.limits, xml)
    laps.end(WHOLE_TRANSCRIPT)
    check_signatures(layout, ACCEPTANCE, octets=octets, source=xml)
    laps.end("signatures")
    hashlib.sha256(xml).digest()
    laps.end("digest of the bytes")


def main(arguments: Sequence[str]) -> None:
    """Measure and print; ``--output`` also writes JSON."""
    parser = argparse.ArgumentParser(prog="bench steps", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--transcripts", type=int, default=40, help="in one package")
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    asked = parser.parse_args(arguments)
    measured = {load.shape: steps(load, asked.rounds) for load in build_loads(asked.transcripts)}
    table = Table("step, µs for one transcript", *measured, "in C too")
    for step in next(iter(measured.values())):
        shown = (f"{by_step[step]:,.1f}" for by_step in measured.values())
        table.add_row(step, *shown, "yes" if step in IN_C else "")
    table.add_row("sum", *(f"{sum(by_step.values()):,.0f}" for by_step in measured.values()), "")
    Console().print(table)
    if asked.output:
        figures: dict[str, Any] = {"machine": machine(), "rounds": asked.rounds, "microseconds": measured}
        asked.output.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
