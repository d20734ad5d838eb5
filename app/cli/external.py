"""The database that HOCBA_DATABASE_URL names: whether the service can work there, said in a sentence."""

from typing import Final
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.db import open_engine
from app.postgres.binaries import SUPPORTED_MAJORS

_VERSION: Final = text("SELECT current_setting('server_version_num')::int")


class ExternalDatabaseError(Exception):
    """The database cannot be used as it is; the text says which one, why and what to do."""

    def __init__(self, url: str, why_vi: str, why_en: str) -> None:
        place, settings = place_of(url), "HOCBA_DATABASE_URL, HOCBA_MIGRATION_URL"
        super().__init__(
            f"Không dùng được CSDL {place}: {why_vi}. Xem {settings} và vai trò (docs/operations.md).\n"
            f"The database {place} cannot be used: {why_en}. See {settings}, roles (docs/operations.md)."
        )


def place_of(url: str) -> str:
    """Give where a database is, without who signs in there and how."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(?)"
    host = parts.netloc.rpartition("@")[2] or ",".join(parse_qs(parts.query).get("host", []))
    return f"{host}{parts.path}"


async def check_external(url: str, *, as_service: bool) -> None:
    """Connect once; refuses with ExternalDatabaseError what cannot be reached, let in or worked with.

    Args:
        url: as the operator gave it.
        as_service: whether the login must be able to work as the service's role, too.
    """
    engine = open_engine(url, pool_size=1, as_service=as_service)
    try:
        async with engine.connect() as connection:
            number = int((await connection.execute(_VERSION)).scalar_one())
    except (OSError, DBAPIError, ValueError) as error:
        why = _reason(error)
        raise ExternalDatabaseError(url, why, why) from error
    finally:
        await engine.dispose()
    if number // 10_000 not in SUPPORTED_MAJORS:
        given = f"PostgreSQL {number // 10_000}"
        raise ExternalDatabaseError(url, f"{given}, cần bản 15 đến 18", f"{given}, 15 to 18 is needed")


def _reason(error: Exception) -> str:
    """Give the first line of what the system or the server said: what follows may quote values."""
    said = str(getattr(error, "orig", None) or error) or type(error).__name__
    return said.splitlines()[0].rpartition("Error'>: ")[2].rstrip(".")
