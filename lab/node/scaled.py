"""Recorded seconds that a test may shorten; the rule: all of them by the same factor, so that their order stays as it was recorded."""

from __future__ import annotations

from typing import Self


class Scaled:
    """What a dataclass of seconds is besides."""

    def scaled(self, factor: float) -> Self:
        """All of them times ``factor``."""
        return type(self)(**{name: seconds * factor for name, seconds in vars(self).items()})
