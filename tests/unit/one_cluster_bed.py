"""The world in memory as one cluster: each colour is one of its two nodes, sessions may go from one to the other, and a kick is a fault."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.cutover.evacuation import Evacuation
from components.cutover.words import COLOURS, Colour, other
from components.emqx.account import Account
from components.emqx.answers import EvacuationFacts, NodeFacts, SessionFacts
from components.emqx.models import Node
from components.emqx.take_over import Outcome
from components.migration.inventory import Inventory, Section
from components.run.run import Run
from tests.unit.fake_api import FakeApi
from tests.unit.fake_world import World

USERS = Inventory({"users:password_based:built_in_database": Section({"alice": 0}), "retained": Section({"r/1": 1})})


def offline(name: str, waiting: int = 1) -> SessionFacts:
    return SessionFacts(name, False, waiting, 0, "2026-11-22T10:51:53.000Z", 3_600)


class MemberApi(FakeApi):
    """One colour, which is one node of the cluster."""

    world: OneCluster

    def __init__(self, world: OneCluster, colour: Colour, *, evacuates: bool) -> None:
        super().__init__(world, colour, evacuates=evacuates)
        self.exports: Any = None
        self.recipients: tuple[str, ...] = ()
        self.inventories: dict[str, Inventory] = {}
        self.text = "mqtt { max_inflight = 32 }"
        self.stopped = False
        self.unlisted_until = 0.0

    async def nodes(self, **_: Any) -> tuple[NodeFacts, ...]:
        self.alive()
        there, now = self.world.members(self.colour), self.world.clock.now()
        return tuple(self.world.row(colour) for colour in there if self.world.member(colour).unlisted_until <= now)

    async def cluster_members(self, _node: str, **_more: Any) -> tuple[str, ...]:
        self.alive()
        there = self.world.members(self.colour)
        return tuple(self.world.apis[colour].node for colour in there if not self.world.member(colour).stopped)

    async def availability(self, _node: str, **_: Any) -> bool:
        return self.rate is None

    async def ask_authenticators(self, _node: str) -> None:
        self.alive()

    async def takes_any_client_id(self) -> bool:
        return self.world.any_client_id

    @asynccontextmanager
    async def temporary_account(self, _rules: Sequence[Any]) -> AsyncIterator[Account | None]:
        self.world.accounts += 1
        yield Account(name="upgrade-probe-1", password="pw", by_client_id=False, ruled=True)
        self.world.accounts -= 1

    async def inventory(self, *, node: str = "") -> Inventory:
        self.alive()
        return self.inventories.get(node, USERS)

    async def configs_text(self, _node: str) -> str | None:
        return self.text

    async def invite(self, node: str) -> str:
        self.world.act()
        self.world.invited.append(node)
        if not self.world.refuses_invitation:
            self.world.apart.clear()
        return self.world.refuses_invitation

    async def force_leave(self, node: str) -> None:
        self.world.act()
        gone = next(colour for colour in COLOURS if self.world.apis[colour].node == node)
        assert self.world.member(gone).stopped, "forced out while it runs: it goes on alone with empty tables"
        self.world.left.add(gone)

    async def kick(self, ids: Sequence[str]) -> None:
        raise AssertionError(f"a kick ends the sessions of {ids}")

    async def evacuation_start(self, node: str, knobs: Evacuation, recipients: Sequence[str] = ()) -> bool:
        self.recipients = tuple(recipients)
        return await super().evacuation_start(node, knobs)

    def _status(self) -> EvacuationFacts:
        status = super()._status().model_copy(update={"session_recipients": self.recipients})
        if status.state == "prohibiting":
            if not self.recipients:  # with nobody to receive the sessions it does not get further
                return status.model_copy(update={"state": "evicting_sessions"})
            to = next(colour for colour in COLOURS if self.world.apis[colour].node in self.recipients)
            self.world.move_sessions(self.colour, to)
        return status


class OneCluster(World):
    """``apart`` are colours that have not joined, ``left`` those that were forced out."""

    def __init__(self, ids: Sequence[str], *, evacuates: bool = True, die_at: int | None = None) -> None:
        super().__init__(ids, evacuates=evacuates, die_at=die_at)
        self.any_client_id = True
        self.accounts = 0
        self.apart: set[Colour] = set()
        self.left: set[Colour] = set()
        self.invited: list[str] = []
        self.refuses_invitation = ""
        self.taken: list[SessionFacts] = []
        self.refuses_take_over: set[str] = set()
        self.apis = {colour: MemberApi(self, colour, evacuates=evacuates) for colour in COLOURS}
        self.router.states = {(colour, api.node): "ready" for colour, api in self.apis.items()}

    def member(self, colour: Colour) -> MemberApi:
        api = self.apis[colour]
        assert isinstance(api, MemberApi)
        return api

    def members(self, seen_by: Colour) -> list[Colour]:
        together = [colour for colour in COLOURS if colour not in self.apart and colour not in self.left]
        return together if seen_by in together else [seen_by]

    def row(self, colour: Colour) -> NodeFacts:
        api = self.member(colour)
        if api.stopped or api.dead:
            return NodeFacts.model_validate({"node": api.node, "node_status": "stopped"})
        facts = {"node": api.node, "node_status": "running", "version": "5.8.9", "edition": "Opensource"}
        count = {"connections": len(api.mine()), "live_connections": len(api.mine())}
        return NodeFacts.model_validate({**facts, **count, "memory_used": "1G", "memory_total": "4G"})

    def move_sessions(self, source: Colour, to: Colour) -> None:
        self.sessions.setdefault(to, []).extend(self.sessions.pop(source, []))

    async def take_over(self, node: Node, session: SessionFacts, account: Account | None, *, proxied: bool) -> Outcome:
        self.act()
        assert account is not None
        assert not proxied
        there = next(colour for colour in COLOURS if node == self.apis[colour].handle.nodes[0])
        held = self.sessions.get(other(there), [])
        now = next((one for one in held if one.clientid == session.clientid), None)
        if session.clientid in self.refuses_take_over:
            return "refused"
        if now is None:
            return "absent"
        assert not now.connected, "a client that is connected would be thrown off"
        self.taken.append(session)
        held.remove(now)
        self.sessions.setdefault(there, []).append(now)
        return "taken"

    def run(self, token: str) -> Run:
        return replace(super().run(token), scope="colour", take_over=self.take_over)


class Keeper:
    """Stops the node of a colour of the world, and says in which order it was asked."""

    def __init__(self, world: OneCluster, colour: Colour) -> None:
        self._world, self._colour = world, colour
        self.asked: list[tuple[str, str]] = []

    async def stop(self, node: str) -> None:
        self._world.act()
        self.asked.append(("stop", node))
        self._world.member(self._colour).stopped = True

    async def set_aside(self, node: str) -> Path | None:
        out = self._world.left | self._world.apart
        assert self._colour in out, "its data would be gone while it may still come back"
        self.asked.append(("set aside", node))
        return Path("aside") / node

    async def start(self, *_: Any) -> None:
        raise AssertionError

    async def runs(self, *_: Any) -> Any:
        raise AssertionError

    async def back_up(self, *_: Any) -> Any:
        raise AssertionError
