"""Format ``hocba`` 1.0: the published schema, where its fields stand, and its rules."""

from app.formats.hocba_1_0.profile import HocBaProfile

__all__ = ["HocBaProfile"]
