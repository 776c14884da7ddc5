"""What the movers of a step have done so far; a mover adds to it as it works, the meter reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Moved:
    """What a mover has done so far, and how long it was disconnecting clients; ``rate`` is the clients per second that the meter allows now."""

    to_move: int = 0
    count: int = 0
    seconds: float = 0.0
    rate: int | None = None
