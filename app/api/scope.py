"""The caller's scope as the reading rooms take it: a condition on the column that holds a school."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement

from app.actors import Actor
from app.errors import DomainError
from app.ids import parse_uuid
from app.ingest.answers import Scope
from app.organisations.scope import in_scope
from app.organisations.tree import legal_date


def scope_of(actor: Actor, now: datetime) -> Scope:
    """Give what the caller may read, by the legal day of this moment."""
    on = legal_date(now)

    def within(column: ColumnElement[int]) -> ColumnElement[bool]:
        return in_scope(column, actor, on)

    return within


def uuid_of(text: str, field: str) -> UUID:
    """Read a UUID of an address; DD-905 where it is none."""
    value = parse_uuid(text)
    if value is None:
        raise DomainError("DD-905", field=field)
    return value
