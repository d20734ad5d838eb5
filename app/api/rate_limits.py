"""How often callers may call: one table of allowances, counted in this process's memory.

Several processes share the load evenly, so each enforces its share (docs/adr/0015).
"""

import ipaddress
import secrets
import tomllib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from app.allowance import Allowance, Bucket, Standing, take

# Callers remembered at most; beyond, those not seen for longest are forgotten.
MAX_CALLERS: Final = 50_000
_TABLE: Final = tomllib.loads((Path(__file__).parent / "allowances-1.toml").read_text("utf-8"))


class Calls(StrEnum):
    """What is counted apart."""

    PACKAGES = "packages"
    CLIENT = "client"
    OFFICER = "officer"
    ANONYMOUS = "anonymous"
    TOKEN = "token"  # noqa: S105 - a kind of call, no secret
    REFUSED = "refused"
    LOOKUP = "lookup"
    LOOKUP_CODE = "lookup_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One line of the table: an allowance and for whom it is counted apart."""

    per: str
    allowance: Allowance


def _rates(section: str, factor: float) -> Mapping[str, Rate]:
    return {
        name: Rate(
            per=line["per"],
            allowance=Allowance(amount=line["amount"], seconds=line["seconds"]).scaled(factor),
        )
        for name, line in _TABLE[section].items()
    }


def call_rates(multiplier: float) -> Mapping[Calls, Rate]:
    """Give the allowances for calls of the whole service, as its operator scaled them."""
    return {Calls(name): rate for name, rate in _rates("calls", multiplier).items()}


SIGN_IN_RATES: Final[Mapping[str, Rate]] = _rates("sign_in", 1)


class RateLimits:
    """What every caller of this process has left."""

    def __init__(self, rates: Mapping[Calls, Rate], *, processes: int = 1) -> None:
        self.rates = rates
        self._share = 1 / processes
        self._buckets: OrderedDict[tuple[Calls, str], Bucket] = OrderedDict()

    def take(self, calls: Calls, caller: str, now: datetime, *, multiplier: int = 1) -> Standing:
        """Count one call; a refused one costs nothing, it only tells how long to wait."""
        key = (calls, caller)
        allowance = self.rates[calls].allowance.scaled(multiplier * self._share)
        self._buckets[key], standing = take(allowance, self._buckets.pop(key, None), now)
        while len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return standing


def with_jitter(seconds: int) -> int:
    """Give a little more, by chance, so that those refused together do not return together."""
    return seconds + secrets.randbelow(seconds // 4 + 2)


def address_key(address: str | None) -> str:
    """Give what counts as one address: IPv6 by its /64, which is what one household or office has."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "-"
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((found, 64), strict=False).network_address)
