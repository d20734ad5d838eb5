"""One finding: a cause of the catalogue, at a place, with its facts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from app.findings.catalogue import CATALOGUE, Cause, Severity

# A value is shown so that the sender finds the place, not to carry content: it is cut here.
MAX_VALUE_CHARACTERS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A cause found at a place in the sender's own document.

    Attributes:
        code: key of the catalogue, for example ``KS-003``.
        xpath: where, as a path of local names with positions from the document's root.
        line: where, 1-based, in the unpacked XML as it was sent.
        value: what was found there; never a sensitive value (the caller leaves it out).
        facts: what the detail texts need; strings and numbers only, no personal data.
    """

    code: str
    xpath: str | None = None
    line: int | None = None
    value: str | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def cause(self) -> Cause:
        """The catalogue's entry."""
        return CATALOGUE[self.code]

    @property
    def severity(self) -> Severity:
        """The cause's weight."""
        return self.cause.severity

    @property
    def message_vi(self) -> str:
        """What is wrong, in Vietnamese."""
        return self.cause.detail_vi.format(**self.facts)

    @property
    def message_en(self) -> str:
        """What is wrong, in English."""
        return self.cause.detail_en.format(**self.facts)


def finding(
    code: str,
    *,
    xpath: str | None = None,
    line: int | None = None,
    value: str | None = None,
    **facts: str | int,
) -> Finding:
    """Make a finding; a code that the catalogue does not hold is a programming error (KeyError)."""
    CATALOGUE[code]
    if value is not None and len(value) > MAX_VALUE_CHARACTERS:
        value = value[: MAX_VALUE_CHARACTERS - 1] + "…"
    return Finding(code=code, xpath=xpath, line=line, value=value, facts=facts)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Say whether any finding refuses."""
    return any(item.severity is Severity.ERROR for item in findings)
