"""An amount of bytes as EMQX writes it: ``3.75G``, ``512MiB``, ``1MB``, ``1024``; the steps are of 1,024.

The rule: what is no amount is None, and whoever asked says what that means there.
"""

from __future__ import annotations

import re

_AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)i?B?\s*", re.IGNORECASE | re.ASCII)
_UNITS = " KMGT"


def in_bytes(text: str) -> int | None:
    """The amount in bytes, without the part of a byte; None for what is none."""
    found = _AMOUNT.fullmatch(text)
    return None if found is None else int(float(found[1]) * 1024 ** _UNITS.index(found[2].upper() or " "))
