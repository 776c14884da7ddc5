"""Which node is in which cluster: starting, joining, leaving, being forced out, as recorded of mixed clusters.

The rule: every node is in one `Managed` at a time, and only this module moves it; a node that boots alone or was forced out is a cluster of its
own, with everything that a cluster has.  Who joins whom: docs/emqx/cluster.md#joining-a-running-cluster, docs/emqx/cluster.md#leaving.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from lab.node.api.errors import bad_request
from lab.node.boot import JOIN_SECONDS, RETURN_SECONDS, Joining
from lab.node.kept.persistence import read
from lab.node.kept.ran_on import forget, ran_on, remember
from lab.node.kept.store import Store
from lab.node.kept.terms import sessions_of
from lab.node.meeting import Meeting
from lab.node.process import FILE, Lodging, Managed, Seat, network_of
from lab.node.v4.line import hangs, line_of


class Membership(Meeting):
    """All nodes of one process, and their clusters.

    Attributes:
        joining, sleep: how long a join takes (None: as the life line of a node asked for), and who waits so long.
        cookie, full_disk: what the nodes of the next life lines have whatever they were told; None and False unless a test sets them.

    """

    def __init__(self, first: Managed, environment: Mapping[str, str]) -> None:
        """The nodes of the first life line are one cluster."""
        super().__init__(first)
        self.environment = dict(environment)
        self.joining: Joining | None = None
        self.cookie: str | None = None
        self.full_disk = False
        self._waiting: set[str] = set()
        self._order = count(1)
        self._knows: dict[str, frozenset[str]] = {}
        first.membership = self

    async def lodge(self, lodging: Lodging, environment: Mapping[str, str]) -> None:
        """The nodes of one more life line boot and look for their cluster, or come back; raises OSError, and none of them runs, when an address is taken or no room is left."""
        if self.full_disk:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(lodging.data))
        self.environment |= environment
        running = next((found for one in self.clusters if (found := one.names())), [])
        lodging = replace(lodging, seeds=tuple(running))
        self.lodgings[lodging.network] = lodging
        known = self.names()
        for name, ip in lodging.spots.items():
            seat = lodging.seat(ip, name)
            if name not in known:
                self._out[name] = seat
            elif self.network(name) != lodging.network:
                await self._move(name, seat)
        mine = [name for name in self.names() if self.network(name) == lodging.network]
        terms = lodging.terms if self.cookie is None else replace(lodging.terms, cookie=self.cookie)
        for name in mine:
            self.set_terms(name, terms)
        starts = (self.start(name) for name in mine if not self.runs(name))
        failed = [one for one in await asyncio.gather(*starts, return_exceptions=True) if one is not None]
        if failed:
            await self.leave(lodging.network, dead=True)
            raise failed[0]

    async def _move(self, name: str, seat: Seat) -> None:
        """A node that has another address than when it ran last, as a pod has; whatever held it there is gone."""
        home = self.home(name)
        if home is None:
            self._out[name] = seat
            return
        if self.runs(name):
            await home.kill_node(name)
        home.move(seat)

    def pace(self, name: str) -> Joining:
        """How long what a node does takes."""
        if line_of(self.terms(name).version) is not None:
            return Joining(alone=0.0, again=0.0, refuses=0.0, trouble=0.0, leaving=0.0, closing=0.0).scaled(
                self._factor(name)
            )
        if self.joining is not None:
            return self.joining
        return Joining().scaled(self._factor(name))

    def _factor(self, name: str) -> float:
        return self.lodgings[self.network(name)].settings.boot_factor

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

    async def leave(self, network: str, *, dead: bool) -> None:
        """The life line of these nodes is gone: they die with it, or stop in order, or wait for nobody any more; members they stay."""
        for name in [one for one in self.names() if self.network(one) == network]:
            self._waiting.discard(name)
            home = self.home(name)
            if home is not None and self.runs(name):
                self._remember(home, save=not dead)
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
        if home.cluster.nodes[name].terms.edition == "ce" and self.pace(name).closing:
            home.cluster.nodes[name].auth_phase = "open"  # the listener goes on without authentication
            await self.sleep(self.pace(name).closing)
        await home.stop_node(name)
        forget(self.place(name))
        remember(self.place(name), home.names())

    async def start(self, name: str, key: str | None = None) -> None:
        """A stopped node starts with its terms and on its data, and finds its cluster as a real one does; or it waits for those who ran on without it.

        Raises:
            ValueError: the licence key is none, so the process ends.
            OSError: an address is taken.

        """
        async with self._starts[name]:
            if not self.runs(name):
                await self._start(name, key)
        for one in sorted(self._waiting):
            if self._friend(one) is not None and not self.runs(one):
                await self.start(one)

    async def _start(self, name: str, key: str | None) -> None:
        if key is not None:
            self.set_terms(name, replace(self.terms(name), max_sessions=sessions_of(key)))
        friend = self._friend(name)
        if friend is not None:
            await self._return(name, self._home(friend))
            return
        self._waiting.add(name)
        if not ran_on(self.place(name)) & self._own(name) <= self._waiting:
            return  # its process waits for their tables: no MQTT, no HTTP
        await self._alone(name)
        self._is_in(name)
        await self._look(name)
        self._look_later(name)

    def _own(self, name: str) -> frozenset[str]:
        """The members that stand in the node's own tables; none when its data directory is empty."""
        if not (self.place(name) / FILE).exists():
            return frozenset()
        home = self.home(name)
        return self._knows.get(name, frozenset({name} if home is None else home.cluster.nodes))

    def _friend(self, name: str) -> str | None:
        """A member of its cluster that runs, as its own tables have it."""
        return next((one for one in sorted(self._own(name)) if one != name and self._met(name, one)), None)

    def _is_in(self, name: str) -> None:
        """It serves, as a member or alone."""
        self._waiting.discard(name)
        forget(self.place(name))

    def _remember(self, home: Managed, *, save: bool = True) -> None:
        """What the members of a cluster know of each other, when one of them is about to go; one that dies writes nothing any more."""
        members = frozenset(home.cluster.nodes)
        for node in home.cluster.running_nodes():
            self._knows[node.name] = members
        if save:
            home.save()

    async def _return(self, name: str, home: Managed) -> None:
        """A member starts on its data while others run: it is in at once, and lets everybody in for a moment."""
        own = read(self.place(name) / FILE) if name in self._waiting else home.store
        if self.home(name) is not home:
            home.take(self._seat(name))
        home.lonely.pop(name, None)
        if own.overrides != home.store.overrides:  # each has the settings of its own disk, and says 200
            home.lonely[name] = home.store.set_as(own)
        home.trouble(name, joins=True, returns=True, seconds=max(self.pace(name).trouble, RETURN_SECONDS))
        await home.start_node(name, "open" if self.pace(name).again else "ready")
        await self._settle(name, home)

    async def _settle(self, name: str, home: Managed) -> None:
        node = home.cluster.nodes[name]
        if self.pace(name).again:
            await self.sleep(self.pace(name).again)
            node.auth_phase = "shut"
            await self.sleep(self.pace(name).refuses)
            node.auth_phase = "ready"
        self._is_in(name)
        self._remember(home)

    async def _alone(self, name: str) -> None:
        """Boot as a cluster of one: with its own data, or with nothing (then everybody gets in)."""
        home, own = self.home(name), self._own(name)
        seat = self._seat(name)
        if home is not None and home.cluster.running_nodes():
            home.cluster.add_node(seat.ip, seat.terms, name)  # to the others it is a member that does not run
        island = self._island(seat, read(seat.place / FILE) if own else Store())
        if own and home is not None and home in self.clusters and not home.cluster.running_nodes():
            self._succeed(home, island)
        await island.start()

    def _succeed(self, home: Managed, island: Managed) -> None:
        """All nodes of a cluster were down: the first to come back is that cluster, with what is on its disk; the others are its members."""
        island.whole = home.whole
        for node in home.cluster.nodes.values():
            island.cluster.add_node(node.ip, node.terms, node.name)
        self.clusters.remove(island)
        self.clusters.insert(self.clusters.index(home), island)

    def _island(self, seat: Seat, store: Store) -> Managed:
        lodging = self.lodgings[network_of(seat.ip, self.lodgings)]
        island = Managed(replace(lodging.settings, nodes=0, boot_factor=0.0), self.environment, lodging.network, store)
        island.name, island.since = self.clusters[0].name, next(self._order)
        island.membership, island.faults = self, self.clusters[0].faults
        island.take(seat)
        self.clusters.append(island)
        return island

    async def _join(self, name: str, target: Managed) -> None:
        """Close, come back as a member of another cluster: its own tables are gone, and it lets everybody in once more."""
        target.trouble(name, joins=True, seconds=max(self.pace(name).trouble, JOIN_SECONDS))
        await self._home(name).close_node(name)
        target.take(self._seat(name))
        self._remember(target)
        if hangs(self.terms(name).version, target.version):
            return  # neither success nor error; it is a member that does not come back (docs/emqx/v4.md#cluster)
        await self.sleep(self.pace(name).down)
        target.read_accounts(self.environment)
        await target.start_node(name, "open" if self.pace(name).again else "ready")
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
        home.trouble(name, joins=False, seconds=max(self.pace(name).trouble, JOIN_SECONDS))
        home.cluster.nodes[name].auth_phase = "open"
        await self.sleep(self.pace(name).leaving)
        await home.close_node(name)
        store = Store(home.store.config_file, home.store.overrides)
        island = self._island(self._seat(name), store)
        self._remember(home)
        self._knows[name] = frozenset({name})
        await self.sleep(self.pace(name).leaving)
        await island.start("open" if self.pace(name).again else "ready")
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
        async with self._one_by_one:
            await self._join(name, home)
