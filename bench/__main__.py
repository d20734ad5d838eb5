"""``python -m bench``: measure the engine against the others, interleaved in one run, and print ratios.

``python -m bench storage`` counts what transcripts take where they are kept.
``python -m bench steps`` tells where the engine's time goes.
``python -m bench http`` measures the whole service instead; each kind tells its options with ``--help``.

Processor time, not the clock: other work on the machine disturbs it less. What counts is the ratio inside one
run; the microseconds of two runs are not comparable.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench import compliance, growth, http, overload, reference, steps, storage
from bench.contenders import Contender, competent, naive, ours
from bench.documents import SHAPES, Load, build_loads
from bench.machine import machine
from bench.storing import Store

CONTENDERS: Final[dict[str, Contender]] = {"ours": ours, "competent": competent, "naive": naive}
REFERENCE: Final = "C reference"
CLASS: Final = 40


@dataclass(frozen=True, slots=True)
class Taken:
    """Processor microseconds for one transcript, a number a round, by contender.

    Attributes:
        judging: from the package's bytes to what is handed to the database.
        storing: of this process and PostgreSQL, from there to the commit; the C reference stores nothing.
    """

    judging: dict[str, list[float]]
    storing: dict[str, list[float]]


def measure(load: Load, rounds: int, program: Path | None, folder: Path, store: Store) -> Taken:
    """Measure every contender, round by round.

    Raises:
        RuntimeError: a contender did not find every transcript good; its time would mean nothing.
    """
    taken: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    stored: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    rows = store.rows_of(load)
    files = reference.write_files(load, folder)
    for name, contender in CONTENDERS.items():
        contender(load)  # caches filled, schemas compiled
        store.processor_microseconds(name, rows, load.transcripts)
    for number in range(rounds):
        names = list(CONTENDERS) if number % 2 else list(reversed(CONTENDERS))
        for name in names:
            begun = time.process_time()
            good = CONTENDERS[name](load)
            taken[name].append((time.process_time() - begun) * 1e6 / load.transcripts)
            _check(name, good, load)
            stored[name].append(store.processor_microseconds(name, rows, load.transcripts))
        if program is not None:
            microseconds, good = reference.run(program, files, 5)
            taken.setdefault(REFERENCE, []).append(microseconds)
            _check(REFERENCE, good, load)
    return Taken(taken, stored)


def _check(name: str, good: int, load: Load) -> None:
    if good != load.transcripts:
        raise RuntimeError(f"{name} found {good} of {load.transcripts} good ({load.shape})")


def summary(load: Load, measured: Taken) -> dict[str, Any]:
    """Give medians, spans, and the ratios round by round, without the database and with it."""
    taken, stored = measured.judging, measured.storing
    whole = {name: [a + b for a, b in zip(taken[name], stored[name], strict=True)] for name in CONTENDERS}

    def ratio(other: str, of: dict[str, list[float]]) -> float:
        return _median([theirs / own for theirs, own in zip(of[other], of["ours"], strict=True)], 3)

    return {
        "shape": load.shape,
        "transcripts": load.transcripts,
        "bytes": load.transcript_bytes,
        "signatures": load.signatures,
        "microseconds": {
            name: {"median": _median(values, 0), "min": round(min(values)), "max": round(max(values))}
            for name, values in taken.items()
        },
        "storing_microseconds": {name: _median(values, 0) for name, values in stored.items()},
        "naive_over_ours": ratio("naive", taken),
        "competent_over_ours": ratio("competent", taken),
        "share_of_c_reference": ratio(REFERENCE, taken) if REFERENCE in taken else None,
        "naive_over_ours_stored": ratio("naive", whole),
        "competent_over_ours_stored": ratio("competent", whole),
    }


def _median(values: Sequence[float], digits: int) -> float:
    return round(statistics.median(values), digits)


def main() -> None:
    """Measure and print; ``--output`` also writes JSON."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["engine", "storage"], default="engine")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--transcripts",
        type=int,
        nargs="+",
        default=[40, 500],
        help="in one package; the larger, the fewer rounds",
    )
    parser.add_argument("--shape", action="append", choices=[shape.name for shape in SHAPES])
    parser.add_argument("--output", type=Path, help="write the figures as JSON")
    asked = parser.parse_args()
    console = Console()
    if asked.what == "storage":
        rows = storage.measure(max(asked.transcripts))
        console.print(storage.table(rows))
    else:
        rows = _engine(asked, console)
        console.print(_table(rows))
    figures = {"machine": machine(), "what": asked.what, "rounds": asked.rounds, "rows": rows}
    if asked.output:
        asked.output.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def _engine(asked: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    wanted = frozenset(asked.shape) if asked.shape else None
    loads = [load for size in asked.transcripts for load in build_loads(size, wanted)]
    with TemporaryDirectory(prefix="hocba-bench-") as folder, Store() as store:
        program = reference.build(Path(folder))
        if program is None:
            console.print("no C compiler with libxml2 and OpenSSL headers: the reference is left out")
        return [
            summary(load, measure(load, _rounds_of(load, asked.rounds), program, Path(folder), store))
            for load in track(loads, "measuring", console=console)
        ]


def _rounds_of(load: Load, rounds: int) -> int:
    """Give as many rounds as were asked for up to a class, and fewer of more: at least two."""
    return min(rounds, max(2, rounds * CLASS // load.transcripts))


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(
        "shape", "in a package", "bytes", "signatures", "ours µs", "× naive", "× competent", "% of C",
        "stored µs", "× naive, stored", "× competent, stored",
    )  # fmt: skip
    for row in rows:
        share = row["share_of_c_reference"]
        table.add_row(
            row["shape"],
            str(row["transcripts"]),
            f"{row['bytes']:,}",
            str(row["signatures"]),
            f"{row['microseconds']['ours']['median']:,.0f}",
            f"{row['naive_over_ours']:.1f}",
            f"{row['competent_over_ours']:.1f}",
            "–" if share is None else f"{share:.0%}",
            f"{row['storing_microseconds']['ours']:,.0f}",
            f"{row['naive_over_ours_stored']:.1f}",
            f"{row['competent_over_ours_stored']:.1f}",
        )
    return table


KINDS: Final = {
    "compliance": compliance.main,
    "growth": growth.main,
    "http": http.main,
    "overload": overload.main,
    "steps": steps.main,
}

if len(sys.argv) > 1 and sys.argv[1] in KINDS:
    KINDS[sys.argv[1]](sys.argv[2:])
else:
    main()
