"""The movers, one module each: what takes clients off a colour, at a rate, and counts whom.

The rule: a mover that is in ``MOVERS`` can be offered by a strategy; which one is used is ``cutover.movers``'s decision, once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from components.cutover.words import Mover
from components.movers import close, evacuation, kick
from components.movers.task import Task
from components.run.run import Run

MOVERS: Mapping[Mover, Callable[[Run, Task], Coroutine[Any, Any, None]]] = {
    "close": close.carry_out,
    "kick": kick.carry_out,
    "evacuation": evacuation.carry_out,
}
