"""What one node starts with: its release and what its ``emqx.conf`` says; every node of a cluster may have its own.

The rule: a value, fixed from one start of the node to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Edition = Literal["ee", "ce"]


@dataclass(frozen=True)
class Terms:
    """``version`` like ``5.8.11``, ``edition`` ``ee`` or ``ce``."""

    version: str
    edition: Edition
