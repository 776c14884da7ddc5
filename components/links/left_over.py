"""Whether a cutover has anything left to do, as the balancer says.

The rule: what cannot be asked is a reason to look again.
"""

from __future__ import annotations

from collections.abc import Collection

from components.cutover.decide import decide
from components.cutover.words import Colour
from components.emqx.errors import UpgradeError
from components.emqx.models import BalancerHandle
from components.ledger.base import drained, origin
from components.ledger.registry import ledger_of
from components.routers.registry import router_of


async def has_work(to: Colour, balancer: BalancerHandle, declared: Collection[Colour]) -> bool:
    """Whether somebody is not where ``to`` says."""
    try:
        memory, share = (await ledger_of(balancer).read()).memory, await router_of(balancer).share()
    except UpgradeError:
        return True
    return decide(to, share, origin(memory), {}, declared, drained(memory)).direction != "nothing"
