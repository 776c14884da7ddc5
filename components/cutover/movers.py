"""Which mover takes the clients off the old colour: decided once, by strategy, router and edition, before anything is touched.

The rule: of what the strategy may use, the router allows and the edition has, the first one; a wish in the stack file goes first. What cannot
be had is never tried and given up in the middle: the reason says why another one stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from components.cutover.words import Edition, Mover
from components.value import Value


class Choice(Value):
    """The mover of a cutover.

    ``mover`` takes the last clients off the old colour, ``cohort`` those of a share before; ``shuts`` is whether node evacuation keeps the
    old colour's door shut afterwards (it stays ``prohibiting``: docs/emqx/evacuation.md#phases) and catches who came by another way.
    ``one_by_one`` is who takes those of a share where ``mover`` is an evacuation. Behind a router that does not know clients ``portions`` are the
    parts of the clients, in percent and rising to 100, in which they are taken once the whole share is set (``cutover.portions``).
    """

    mover: Mover = "kick"
    shuts: bool = False
    reason: str = ""
    one_by_one: Mover = "kick"
    portions: tuple[float, ...] = ()

    @property
    def cohort(self) -> Mover:
        """A node evacuates whoever it has, so the clients of a cohort are closed, or kicked by their ids."""
        return self.one_by_one if self.mover == "evacuation" else self.mover

    def empties(self, *, shut: bool, evacuates: bool) -> tuple[Mover, ...]:
        """The movers, in order, that leave nobody on the old colour, and its door shut where ``shut`` asks for it.

        Where an evacuation runs already (``evacuates``: a run with another mover was cut off) it goes on alone: two movers at once would
        be twice the budget.
        """
        if evacuates or self.mover == "evacuation":
            return ("evacuation",)
        return (self.mover, "evacuation") if self.shuts and shut else (self.mover,)


class Circumstances(NamedTuple):
    """What the choice depends on.

    ``movers`` are the strategy's that are built, best first. ``knows_clients`` and ``closes_clients`` are the router's, ``edition`` and
    ``nodes`` (their number) the old colour's; ``portions`` are those of a router that does not know clients.
    """

    movers: Sequence[Mover]
    knows_clients: bool
    closes_clients: bool
    edition: Edition
    nodes: int
    budget_per_second: int
    portions: tuple[float, ...] = ()


def choose(wish: Mover | None, here: Circumstances) -> Choice:
    """The mover, and why it is this one; a router that does not know clients leaves them to the nodes where these can evacuate.

    Raises:
        ValueError: no mover is left; a strategy with a router that no cutover can use, which its registry must not offer.

    """
    shuts = here.edition == "ee" and "evacuation" in here.movers
    others: Mover = "kick" if "kick" in here.movers else "evacuation"  # inside one cluster a kick would end the session
    one_by_one: Mover = others if _missing("close", here) else "close"
    best = here.movers if here.knows_clients else sorted(here.movers, key=lambda one: one == "kick")
    wanted = [wish, *best] if wish else list(best)
    missing: list[str] = []
    for mover in wanted:
        why = _missing(mover, here)
        if why is None:
            reason = "; ".join([*missing, _REASONS[mover]])
            portions = () if here.knows_clients else here.portions
            return Choice(mover=mover, shuts=shuts, reason=reason, one_by_one=one_by_one, portions=portions)
        if mover not in here.movers or mover == wish:
            missing.append(f"no {mover}: {why}")
    message = f"no mover for {here}: {'; '.join(missing)}"
    raise ValueError(message)


def _missing(mover: Mover, here: Circumstances) -> str | None:
    """Why the mover cannot be had; None where it can."""
    if mover not in here.movers:
        return "the strategy does not offer it"
    if mover == "close" and not here.closes_clients:
        return "the router cannot close a client's connection"
    if mover == "evacuation" and here.edition == "ce":
        return "the open source edition has none"
    if mover == "evacuation" and here.budget_per_second < here.nodes:
        return f"it moves at least one client per second on each of {here.nodes} nodes, the budget is {here.budget_per_second}"
    return None


_REASONS: dict[Mover, str] = {
    "close": "each connection ends at the balancer with a FIN, at an even pace",
    "kick": "by client id at an even pace, on either edition",
    "evacuation": "each node disconnects a second's worth of its clients at once",
}


def told_to_go(mqtt5_clients: int | None, mover: Mover, past: int | None = 0) -> int | None:
    """How many clients get a DISCONNECT packet by it at most (0x98 by a kick, 0x9C by an evacuation); MQTT 3.1.1 clients get a FIN from any mover.

    ``past`` are those whose connection the balancer does not have: where connections are closed these are kicked, or evacuated.
    """
    reached = 0 if mover == "close" and past == 0 else mqtt5_clients
    if mover != "close" or not reached:
        return reached
    return None if past is None else min(past, reached)
