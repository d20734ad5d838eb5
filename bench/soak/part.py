"""``python -m bench.soak.part api|worker CLOCK``: a part of the service, as ``hocba serve`` starts it.

The one difference: the clock is the sandbox's, so that the fault test can move it. CLOCK is a file that holds
how many seconds the service's time is ahead of the machine's.
"""

import asyncio
import sys
from datetime import datetime, timedelta
from pathlib import Path

from app.cli.running import Part, serve
from app.clock import Clock, system_clock
from app.logs import configure_logs
from app.settings import Settings


def shifted_clock(file: Path) -> Clock:
    """Give the machine's clock, ahead by what the file says at every reading."""

    def read() -> datetime:
        return system_clock() + timedelta(seconds=float(file.read_text("ascii")))

    return read


def main(part: str, clock: str) -> None:
    """Run the part until it is stopped, or killed."""
    settings = Settings()
    assert settings.database_url is not None
    configure_logs(settings.log_level, settings.log_format)
    url = settings.database_url.get_secret_value()
    asyncio.run(serve(settings, url, Part(part), clock=shifted_clock(Path(clock))))


if __name__ == "__main__":
    main(*sys.argv[1:])
