"""Structured logs: one JSON object a line, with the request's id and never a document's content.

A fault is logged by its kind and the places it passed, not by its text: a database's message may quote a row.
"""

import logging
import sys
import traceback
from typing import Literal

import structlog


def configure_logs(level: str, form: Literal["json", "console"]) -> None:
    """Send our own events to standard error, and other libraries' warnings with them."""
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer if form == "json" else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s %(levelname)s %(message)s")


def where(error: BaseException) -> list[str]:
    """Give the places an exception passed, innermost last, without what it says."""
    return [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    ]
