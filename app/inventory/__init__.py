"""Stocktaking (kiểm kê): everything that is stored, held against its own digests, signatures and roots."""

from app.inventory.flaws import Flaw, FlawKind, Tally
from app.inventory.stocktaking import Stocktaking

__all__ = ["Flaw", "FlawKind", "Stocktaking", "Tally"]
