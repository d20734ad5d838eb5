"""``python -m bench.soak``: trouble the running service for some minutes, then hold it to its word.

Ends with 1 where a promise was broken, and says which. Times are measured and told, never judged.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.soak.run import Options, soak

MEBIBYTE: Final = 1024 * 1024
FAULTS_A_KILL: Final = 2


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0, help="pauses between faults, added up")
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs; other faults in proportion")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--senders", type=int, default=6)
    parser.add_argument("--rate", type=float, default=6.0, help="packages a second, all senders together")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--disk", type=int, default=1536, help="MiB of the database's own disk")
    parser.add_argument("--hold", type=float, default=3.0, help="seconds that a full disk stays full")
    parser.add_argument("--keep", type=Path, help="folder to leave the processes' logs in")
    parser.add_argument("--output", type=Path, help="file for the figures, as JSON")
    return parser.parse_args(given)


def show(figures: dict[str, Any], console: Console) -> None:
    """Print the figures as one table."""
    table = Table("what", "how many", title=f"seed {figures['seed']}")
    for section in ("seconds", "faults", "counts", "answers by status", "longest seconds until taken again"):
        table.add_section()
        for name, number in figures[section].items():
            table.add_row(f"{section}: {name}", str(number))
    table.add_section()
    table.add_row("longest seconds until answered", str(figures["longest seconds until answered"]))
    table.add_row("promises broken", str(len(figures["wrongs"])))
    console.print(table)
    for fault, why in figures["skipped"].items():
        console.print(f"skipped: {fault}: {why}")
    for wrong in figures["wrongs"][:50]:
        console.print(wrong, style="red")


async def _stoppable(options: Options) -> dict[str, Any]:
    """Take SIGTERM as Ctrl-C is taken: what was put up is taken down."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await soak(options)


def main() -> int:
    """Do one run; 1 where a promise was broken."""
    given = arguments()
    # The supervisor tells of every death it repairs; here they are the point.
    logging.getLogger("app.postgres").setLevel(logging.ERROR)
    figures = asyncio.run(
        _stoppable(
            Options(
                seed=given.seed,
                kills=given.kills,
                gap_seconds=given.minutes * 60 / max(1, given.kills * FAULTS_A_KILL),
                senders=given.senders,
                packages_a_second=given.rate,
                workers=given.workers,
                disk_bytes=given.disk * MEBIBYTE,
                hold_seconds=given.hold,
                keep=given.keep,
            )
        )
    )
    show(figures, Console())
    if given.output:
        given.output.write_text(json.dumps(figures, ensure_ascii=False, indent=2) + "\n", "utf-8")
    return 1 if figures["wrongs"] else 0


if __name__ == "__main__":
    sys.exit(main())
