"""Which node sits where: every node of a process by name, in the cluster that it belongs to, or in none.

The rule: a node is in one `Managed` at a time; here it is looked up, taken out of one place and put into another, and nothing is started.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.node.kept.terms import Terms
from lab.node.process import Managed, Seat, network_of


class Seating:
    """All nodes of one process.

    Attributes:
        clusters: in the order in which they came to be; the first is that of the first life line.
        lodgings: network -> where the nodes of a life line are.

    """

    def __init__(self, first: Managed) -> None:
        """The nodes of the first life line are one cluster."""
        self.clusters, self._out = [first], dict[str, Seat]()
        self.lodgings = {first.network: first.lodging}
        self._tasks: set[asyncio.Task[Any]] = set()

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
        homes = {name: one for one in self.clusters for name in one.servers}
        return {name: one.addresses(name) for name, one in homes.items() if self.network(name) == network}

    def network(self, name: str) -> str:
        """Of the life line that a node has, or had last."""
        return network_of(self.ip(name), self.lodgings)

    def ip(self, name: str) -> str:
        """The address of a node."""
        home = self.home(name)
        return self._out[name].ip if home is None else home.cluster.nodes[name].ip

    def place(self, name: str) -> Path:
        """The data directory of a node."""
        home = self.home(name)
        return self._out[name].place if home is None else home.place(name)

    def _home(self, name: str) -> Managed:
        home = self.home(name)
        if home is None:
            raise KeyError(name)
        return home

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
