"""What commands print and how they end: Vietnamese first, English beside, JSON on request, exit codes."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.text import Text

from app.client.errors import SenderError, UnreachableError
from app.client.session import RefusalError

Json = Annotated[bool, typer.Option("--json", help="In kết quả dạng JSON / print the result as JSON")]

_ERRORS: Final = Console(stderr=True, highlight=False, soft_wrap=True)
_OUTPUT: Final = Console(highlight=False, soft_wrap=True)


class ExitCode(IntEnum):
    """How a command ends; 2 is the command line's own, for wrong usage."""

    DONE = 0
    NOT_ACCEPTED = 1  # findings that refuse, or a proof that does not hold
    UNREACHABLE = 3
    DENIED = 4  # the service refused the request itself
    BAD_INPUT = 5  # a file that cannot be read, signed or packed


def say(vi: str, en: str = "", *, style: str = "") -> None:
    """Print a line in Vietnamese, and its English below it."""
    _OUTPUT.print(Text(vi, style=style))
    if en:
        _OUTPUT.print(Text(f"  {en}", style="dim"))


def show_json(body: Any) -> None:
    """Print an answer as JSON, for programs."""
    sys.stdout.write(json.dumps(body, ensure_ascii=False, indent=2, default=str) + "\n")


def progress_console() -> Console:
    """Give the console for progress bars: standard error, so that output stays clean."""
    return _ERRORS


@contextmanager
def failures_told(*, as_json: bool) -> Iterator[None]:
    """Turn what can go wrong into a message and an exit code, never into a traceback."""
    try:
        yield
    except RefusalError as error:
        _end(error, ExitCode.DENIED, as_json=as_json, problem=error.problem)
    except UnreachableError as error:
        _end(error, ExitCode.UNREACHABLE, as_json=as_json)
    except SenderError as error:
        _end(error, ExitCode.BAD_INPUT, as_json=as_json)
    except OSError as error:
        told = SenderError(
            f"Không đọc hoặc ghi được {error.filename}: {error.strerror}.",
            f"{error.filename} cannot be read or written: {error.strerror}.",
        )
        _end(told, ExitCode.BAD_INPUT, as_json=as_json)


def _end(error: SenderError, code: ExitCode, *, as_json: bool, problem: dict[str, Any] | None = None) -> None:
    if as_json:
        show_json({"error": error.vi, "error_en": error.en, "problem": problem})
    else:
        _ERRORS.print(Text(error.vi, style="bold red"))
        _ERRORS.print(Text(f"  {error.en}", style="dim"))
    raise typer.Exit(code)
