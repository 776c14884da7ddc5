"""What a mover is asked to do in a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.cutover.evacuation import Evacuation
from components.cutover.words import Colour
from components.run.moved import Moved


@dataclass(frozen=True)
class Task:
    """Take off ``source`` whoever is not its own at ``green_parts``, at ``budget_per_second`` at most.

    ``step`` is the name in the journal. ``moved`` is updated while it works, ``notice`` is called whenever it moved somebody. ``knobs`` are node
    evacuation's, and ``recipients`` the nodes that it gives the sessions to, where both colours are one cluster. ``keeps_sessions`` leaves what clients
    leave behind on a cluster of its own, for the way back. ``portion`` is the percentage of the clients that an evacuation takes.
    """

    step: str
    source: Colour
    green_parts: int
    budget_per_second: int
    knobs: Evacuation
    moved: Moved
    notice: Callable[[], None]
    recipients: tuple[str, ...] = ()
    keeps_sessions: bool = False
    portion: float = 100.0
