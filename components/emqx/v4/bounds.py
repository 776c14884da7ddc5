"""What the listeners of a 4.x cluster let in, and what it cannot be asked to do.

The rule: 4.x tells no rate of a listener, and a rebalance of 4.4 is asked for by nobody here.
"""

from __future__ import annotations

from pydantic import TypeAdapter

from components.emqx.answers import Answer
from components.emqx.clients import Door
from components.emqx.models import ClusterHandle
from components.emqx.moving import Levelling
from components.emqx.reading import read
from components.emqx.storage import DurableStorage
from components.emqx.v4.calls import Calls
from components.system.address import parsed, port_of


class _Listener(Answer):
    listen_on: str
    max_conns: int | None = None


class _OfNode(Answer):
    node: str
    listeners: tuple[_Listener, ...] = ()


_NODES = TypeAdapter(tuple[_OfNode, ...])


class Bounds:
    """The part of the dialect that says what is not there."""

    http: Calls
    handle: ClusterHandle
    storage: DurableStorage | None = None

    async def doors(self) -> dict[str, Door]:
        """What each declared node lets in by the listeners that the handle names (``GET /listeners``, recording V_4.4.19_overview)."""
        answer = await self.http.ask("GET", "/listeners")
        most = {
            (row.node, port_of(one.listen_on)): one.max_conns
            for row in read(_NODES, answer.reply, answer.data)
            for one in row.listeners
        }
        found: dict[str, Door] = {}
        for node in self.handle.nodes:
            ports = [parsed(place).port for place in (node.mqtt, node.ws) if place is not None]
            limits = [limit for port in ports if (limit := most.get((node.name, port))) is not None]
            if limits:
                found[node.name] = Door(sum(limits), None)
        return found

    async def has_rebalance(self) -> bool:
        """It has none that we ask for."""
        return False

    async def rebalance_start(self, node: str, levelling: Levelling) -> bool:  # noqa: ARG002  -- there is none
        """Nothing is begun."""
        return False

    async def rebalance_stop(self, node: str) -> bool:  # noqa: ARG002  -- there is none
        """None runs."""
        return False
