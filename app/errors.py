"""DomainError: an act that is refused or impossible, named by a code of the catalogue; knows no HTTP.

A judgement about a document is a value (a Finding) that commits; raising means "undo this transaction".
"""

from app.findings import CATALOGUE, Cause


class DomainError(Exception):
    """An act refused, with the cause's code and the facts its texts need (no personal data, no content)."""

    def __init__(self, code: str, **facts: str | int) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts

    @property
    def cause(self) -> Cause:
        """The catalogue's entry."""
        return CATALOGUE[self.code]
