"""The last act of a finalize: what was remembered of the cutover ends when its old colour goes.

The rule: not before the guard has let it go, or a refused finalize would leave nothing of the way back; and never where the balancer still has
the colour, as it has at a `destroy`, which may be refused for the other one.
"""

from __future__ import annotations

from components.cutover.words import Colour
from components.emqx.errors import Unreachable
from components.emqx.models import BalancerHandle
from components.ledger.base import CUTOVER
from components.ledger.registry import ledger_of
from components.routers.registry import router_of


async def forget_cutover(colour: Colour, balancer: BalancerHandle) -> None:
    """Forget the cutover whose old colour is this one, where the balancer has been told already that it is gone.

    A balancer that does not run is passed over: its next start with one colour forgets too.

    Raises:
        Refused, GaveUp: the ledger cannot be written.

    """
    try:
        stays = (await router_of(balancer).health()).get(colour)
    except Unreachable:
        return
    if not stays:
        async with ledger_of(balancer).held(None) as writing:
            await writing.write(dict.fromkeys(CUTOVER))
