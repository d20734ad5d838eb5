"""The format profiles this service takes, by the version that the wire names."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.formats.hocba_1_0 import HocBaProfile
from app.formats.profile import FormatProfile

_PROFILES: Final[Mapping[str, FormatProfile]] = MappingProxyType(
    {profile.version: profile for profile in (HocBaProfile(),)}
)


def profile_for(version: str) -> FormatProfile | None:
    """Give the profile of a version; None where it is not known (refused with ``DD-044``)."""
    return _PROFILES.get(version)


def versions() -> tuple[str, ...]:
    """Give all known versions, oldest first."""
    return tuple(_PROFILES)
