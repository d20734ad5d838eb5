"""The zone that Vietnamese law counts its days in."""

from datetime import timedelta, timezone
from typing import Final

# Asia/Ho_Chi_Minh: a day of Vietnamese law begins at midnight in Hanoi. One offset since 1975.
LEGAL_ZONE: Final = timezone(timedelta(hours=7))
