"""A share as the weights of two colours, and back; exact for every share that is a multiple of the router's ``finest_parts``."""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd

from components.cutover.words import COLOURS, PARTS, Colour

OF_TARGET_GROUPS, OF_RECORDS = 999, 255
"""The largest weight of a target group of a Network Load Balancer, and of a record of Route 53."""


def weights_of(green_parts: int, most: int) -> dict[Colour, int]:
    """Whole weights of 0 to ``most`` (at least 1) that divide new connections as the share does, as closely as they can; the smallest such numbers."""
    shared = gcd(green_parts, PARTS) or PARTS
    green, blue = green_parts // shared, (PARTS - green_parts) // shared
    if max(green, blue) > most:
        scale = most / max(green, blue)
        green, blue = (max(1, round(one * scale)) if one else 0 for one in (green, blue))
    return {"blue": blue, "green": green}


def share_of(weights: Mapping[Colour, int]) -> int | None:
    """Green's parts of 10,000; None where nobody has a weight."""
    blue, green = (weights.get(colour, 0) for colour in COLOURS)
    return round(green * PARTS / (blue + green)) if blue + green else None
