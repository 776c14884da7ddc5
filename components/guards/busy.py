"""Before anybody is moved: nobody else moves clients on either colour, by a rebalance, a purge or an evacuation.

The rule: what is not ours is refused and named, never stopped, adopted or fought over; an evacuation is ours where the ledger says that this
cutover took its clients away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.cutover.cohort import everybody
from components.cutover.evacuation import foreign
from components.cutover.words import Colour, other
from components.emqx.base import Cluster
from components.emqx.errors import Refused
from components.ledger.base import OPENED_AT, drained


def emptied(colour: Colour, share_parts: int, memory: Mapping[str, str]) -> bool:
    """Whether a cutover took the clients off this colour to the last one: only then, with the whole share elsewhere, it evacuates it."""
    left = drained(memory) == colour or memory.get(OPENED_AT, "").startswith(f"{other(colour)} ")
    return left and share_parts == everybody(other(colour))


async def refuse_busy(cluster: Cluster, *, ours: bool, names: Sequence[str] = ()) -> None:
    """Refuse a colour on whose nodes somebody else's rebalance, purge or evacuation runs.

    Args:
        cluster: the colour, or another one of the same cluster, which is asked.
        ours: whether an evacuation on it is this cutover's own (``emptied``).
        names: the nodes that are looked at, where they are not the colour's own.

    Raises:
        Refused: with what runs and where.

    """
    seen = foreign(await cluster.evacuation_status(), names or cluster.node_names, ours=ours)
    if seen:
        colour = cluster.handle.colour
        raise Refused(
            f"looking at {colour} before anybody is moved",
            node=colour,
            seen=f"{seen}, and this cutover did not start it",
            todo="let it finish, or stop it (`emqx ctl rebalance stop` on that node), then run pulumi up again",
        )
