"""Sealed snapshots (bản chốt): what a province held at a cut-off, signed, provable for ever."""
