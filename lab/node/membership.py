"""Which node is in which cluster: starting, joining, leaving, being forced out, as recorded of mixed clusters.

The rule: every node is in one `Managed` at a time, and only this module moves it; a node that boots alone or was forced out is a cluster of its
own, with everything that a cluster has.  Who joins whom: docs/emqx/cluster.md#joining-a-running-cluster, docs/emqx/cluster.md#leaving.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.node.api.errors import bad_request
from lab.node.boot import JOIN_SECONDS, RETURN_SECONDS, Joining
from lab.node.kept.persistence import read
from lab.node.kept.store import Store
from lab.node.kept.terms import Terms, sessions_of
from lab.node.process import FILE, Lodging, Managed, Seat, network_of


class Membership:
    """All nodes of one process, and their clusters.

    Attributes:
        clusters: in the order in which they came to be; the first is that of the first life line.
        lodgings: network -> where the nodes of a life line are.
        joining, sleep: how long a join takes, and who waits so long.

    """

    def __init__(self, first: Managed, environment: Mapping[str, str]) -> None:
        """The nodes of the first life line are one cluster."""
        self.clusters, self.lodgings = [first], {first.network: first.lodging}
        self.environment = dict(environment)
        self.joining = Joining().scaled(first.settings.boot_factor)
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self._out: dict[str, Seat] = {}
        self._knows: dict[str, frozenset[str]] = {}
        self._one_by_one = asyncio.Lock()
        self._starts: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[Any]] = set()
        first.membership = self

    def names(self) -> list[str]:
        """All nodes of the process, members or not."""
        return [*(name for one in self.clusters for name in one.servers), *self._out]

    def home(self, name: str) -> Managed | None:
        """The cluster that a node runs in, or ran in last; None when it was removed, or there is none of that name."""
        return next((one for one in self.clusters if name in one.servers), None)

    def runs(self, name: str) -> bool:
        """Whether a node runs."""
        home = self.home(name)
        return home is not None and home.cluster.nodes[name].state == "running"

    def terms(self, name: str) -> Terms:
        """What a node started with, or will start with."""
        home = self.home(name)
        return self._out[name].terms if home is None else home.cluster.nodes[name].terms

    def set_terms(self, name: str, terms: Terms) -> None:
        """What a node will start with (a running one: from its next start on, but for what is read at once)."""
        home = self.home(name)
        if home is None:
            self._out[name] = replace(self._out[name], terms=terms)
        else:
            home.cluster.nodes[name].terms = terms

    def of(self, network: str) -> dict[str, dict[str, str]]:
        """The nodes of a life line by name, with their addresses."""
        found = {name: one.addresses(name) for one in self.clusters for name in one.servers}
        return {name: both for name, both in found.items() if network_of(name.partition("@")[2]) == network}

    async def lodge(self, lodging: Lodging, environment: Mapping[str, str]) -> None:
        """The nodes of one more life line boot and look for their cluster, or come back; raises OSError when an address is taken."""
        self.environment |= environment
        running = next((found for one in self.clusters if (found := one.names())), [])
        lodging = replace(lodging, seeds=tuple(running))
        self.lodgings[lodging.network] = lodging
        known = self.names()
        for number in range(1, lodging.settings.nodes + 1):
            name = f"emqx@{lodging.network}.{number}"
            if name not in known:
                self._out[name] = lodging.seat(f"{lodging.network}.{number}")
        mine = [name for name in self.names() if network_of(name.partition("@")[2]) == lodging.network]
        for name in mine:
            self.set_terms(name, lodging.terms)
        await asyncio.gather(*(self.start(name) for name in mine if not self.runs(name)))

    async def add(self, lodging: Lodging) -> str:
        """One more node of a life line, a member at once; returns its name."""
        taken = set(self.names())
        free = (f"{lodging.network}.{number}" for number in range(1, 254))
        ip = next(ip for ip in free if f"emqx@{ip}" not in taken)
        home = next(
            (one for one in self.clusters if self.of(lodging.network).keys() & one.servers.keys()), self.clusters[0]
        )
        node = home.take(lodging.seat(ip))
        await home.revive_node(node.name)
        return node.name

    def place(self, name: str) -> Path:
        """The data directory of a node."""
        home = self.home(name)
        return self._out[name].place if home is None else home.place(name)

    async def leave(self, network: str, *, dead: bool) -> None:
        """The life line of these nodes is gone: they die with it, or stop in order; members they stay."""
        for name in self.of(network):
            home = self.home(name)
            if home is not None and self.runs(name):
                self._remember(home)
                await (home.kill_node(name) if dead else home.stop_node(name))

    async def stop(self) -> None:
        """Everything, in order."""
        for task in self._tasks:
            task.cancel()
        for one in reversed(self.clusters):
            await one.stop()

    async def stop_node(self, name: str) -> None:
        """SIGTERM to one node; its cluster remembers it, and it its cluster."""
        home = self.home(name)
        if home is None or not self.runs(name):
            return
        self._remember(home)
        if home.cluster.nodes[name].terms.edition == "ce" and self.joining.closing:
            home.cluster.nodes[name].auth_phase = "open"  # the listener goes on without authentication
            await self.sleep(self.joining.closing)
        await home.stop_node(name)

    async def start(self, name: str, key: str | None = None) -> None:
        """A stopped node starts with its terms and on its data, and finds its cluster as a real one does.

        Raises:
            ValueError: the licence key is none, so the process ends.
            OSError: an address is taken.

        """
        async with self._starts[name]:
            if not self.runs(name):
                await self._start(name, key)

    async def _start(self, name: str, key: str | None) -> None:
        if key is not None:
            self.set_terms(name, replace(self.terms(name), max_sessions=sessions_of(key)))
        friend = next((one for one in sorted(self._own(name)) if one != name and self._met(name, one)), None)
        if friend is not None:
            await self._return(name, self._home(friend))
            return
        home = await self._alone(name)
        seeds = [self._home(seed) for seed in self.terms(name).seeds if self._met(name, seed)]
        older = [one for one in self.clusters[: self.clusters.index(home)] if one in seeds]
        if older or (seeds := [one for one in seeds if one is not home]):
            await self.sleep(self.joining.alone)
            await self._join(name, (older or seeds)[0])

    def _own(self, name: str) -> frozenset[str]:
        """The members that stand in the node's own tables; none when its data directory is empty."""
        if not (self.place(name) / FILE).exists():
            return frozenset()
        home = self.home(name)
        return self._knows.get(name, frozenset({name} if home is None else home.cluster.nodes))

    def _met(self, name: str, other: str) -> bool:
        """Whether a node finds another one: it runs, and has the same cookie."""
        return other != name and self.runs(other) and self.terms(other).cookie == self.terms(name).cookie

    def _home(self, name: str) -> Managed:
        home = self.home(name)
        if home is None:
            raise KeyError(name)
        return home

    def _remember(self, home: Managed) -> None:
        """What the members of a cluster know of each other, when one of them is about to go."""
        members = frozenset(home.cluster.nodes)
        for node in home.cluster.running_nodes():
            self._knows[node.name] = members
        home.save()

    def _seat(self, name: str) -> Seat:
        """Take a node that does not run out of wherever it is."""
        home = self.home(name)
        if home is None:
            return self._out.pop(name)
        terms = home.cluster.nodes[name].terms
        seat = home.give_up(name)
        self._forget(home)
        return replace(seat, terms=terms)

    def _forget(self, home: Managed) -> None:
        """A cluster without nodes is none."""
        if not home.servers and home is not self.clusters[0]:
            self.clusters.remove(home)
            task = asyncio.get_running_loop().create_task(home.stop())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _return(self, name: str, home: Managed) -> None:
        """A member starts on its data while others run: it is in at once, and lets everybody in for a moment."""
        if self.home(name) is not home:
            home.take(self._seat(name))
        home.trouble(name, joins=True, seconds=max(self.joining.trouble, RETURN_SECONDS))
        await home.start_node(name, "open" if self.joining.again else "ready")
        await self._settle(name, home)

    async def _settle(self, name: str, home: Managed) -> None:
        node = home.cluster.nodes[name]
        if self.joining.again:
            await self.sleep(self.joining.again)
            node.auth_phase = "shut"
            await self.sleep(self.joining.refuses)
            node.auth_phase = "ready"
        self._remember(home)

    async def _alone(self, name: str) -> Managed:
        """Boot as a cluster of one: with its own data, or with nothing (then everybody gets in)."""
        home, own = self.home(name), self._own(name)
        if own and home is not None and not home.cluster.running_nodes():
            home.store.lose_ram()
            await home.start_node(name)
            return home
        seat = self._seat(name)
        if home is not None and home.cluster.running_nodes():
            home.cluster.add_node(seat.ip, seat.terms)  # to the others it is a member that does not run
        island = self._island(seat, read(seat.place / FILE) if own else Store())
        await island.start()
        return island

    def _island(self, seat: Seat, store: Store) -> Managed:
        lodging = self.lodgings[network_of(seat.ip)]
        island = Managed(replace(lodging.settings, nodes=0, boot_factor=0.0), self.environment, lodging.network, store)
        island.name = self.clusters[0].name
        island.membership, island.faults = self, self.clusters[0].faults
        island.take(seat)
        self.clusters.append(island)
        return island

    async def _join(self, name: str, target: Managed) -> None:
        """Close, come back as a member of another cluster: its own tables are gone, and it lets everybody in once more."""
        async with self._one_by_one:
            source = self._home(name)
            target.trouble(name, joins=True, seconds=max(self.joining.trouble, JOIN_SECONDS))
            await source.close_node(name)
            target.take(self._seat(name))
            self._remember(target)
            await self.sleep(self.joining.down)
            await target.start_node(name, "open" if self.joining.again else "ready")
            await self._settle(name, target)

    async def force_leave(self, here: str, name: str) -> None:
        """DELETE /cluster/:node/force_leave, asked of ``here``; raises 400 as recorded (C1_green_stopped_then_force_leave_ce)."""
        home = self._home(here)
        if name == here:
            raise bad_request("Can't leave self")
        if name not in home.cluster.nodes:
            raise bad_request("node_not_in_cluster")
        node = home.cluster.nodes[name]
        if node.state == "stopped":
            if name in home.servers:
                self._out[name] = home.give_up(name)
            else:  # it runs or stands elsewhere by now
                home.cluster.remove_node(name)
            self._remember(home)
            return
        await self._expel(name, home)

    async def _expel(self, name: str, home: Managed) -> None:
        """A running node leaves: it goes on alone, with the configuration and empty tables."""
        home.trouble(name, joins=False, seconds=max(self.joining.trouble, JOIN_SECONDS))
        home.cluster.nodes[name].auth_phase = "open"
        await self.sleep(self.joining.leaving)
        await home.close_node(name)
        store = Store(home.store.config_file, home.store.overrides)
        island = self._island(self._seat(name), store)
        self._remember(home)
        self._knows[name] = frozenset({name})
        await self.sleep(self.joining.leaving)
        await island.start("open" if self.joining.again else "ready")
        await self._settle(name, island)

    async def invite(self, here: str, name: str) -> None:
        """PUT /cluster/:node/invite, asked of ``here``; raises 400 as recorded (A5_variants_ce)."""
        home = self._home(here)
        if name == here:
            raise bad_request("Cannot invite self")
        if name in home.cluster.nodes and self.home(name) is home:
            raise bad_request(f"{{already_in_cluster,'{here}'}}")
        if not self._met(here, name):
            raise bad_request("nodedown")
        await self._join(name, home)
