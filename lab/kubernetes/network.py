"""The network of the cluster: one bridge, and for each pod a namespace with an address of its own on it.

The rule: an address is given once in the life of a cluster, so that nobody takes a new pod for an old one.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path

from lab.kubernetes.processes import run

BRIDGE, NODE, PODS, SERVICES = "lab0", "10.244.0.1", "10.244.0.0/16", "10.96.0.0/12"
DNS, FIRST_SERVICE = "10.96.0.10", "10.96.0.1"
DOMAIN = "cluster.local"
SPACES = Path("/run/netns")
_PER_BLOCK = 250


async def prepare() -> None:
    """The node's side: the bridge, and the addresses of Services, which all lead here."""
    lines = (
        "link set lo up",
        f"link add {BRIDGE} type bridge forward_delay 0",
        f"addr add {NODE}/16 dev {BRIDGE}",
        f"link set {BRIDGE} up",
        f"route add local {SERVICES} dev lo",
    )
    await run("ip", "-batch", "-", given="\n".join(lines))


class Network:
    """The addresses of pods."""

    def __init__(self) -> None:
        """None is given yet."""
        self._numbers = count(1)

    async def join(self) -> str:
        """A namespace of its own for a pod; its address, by which `SPACES` has the namespace."""
        number = next(self._numbers)
        address = f"10.244.{1 + number // _PER_BLOCK}.{1 + number % _PER_BLOCK}"
        here = (
            f"netns add {address}",
            f"link add p{number} type veth peer name eth0 netns {address}",
            f"link set p{number} master {BRIDGE} up",
        )
        there = (
            "link set lo up",
            f"addr add {address}/16 dev eth0",
            "link set eth0 up",
            f"route add default via {NODE}",
        )
        await run("ip", "-batch", "-", given="\n".join(here))
        await run("ip", "-n", address, "-batch", "-", given="\n".join(there))
        return address

    async def leave(self, address: str) -> None:
        """The pod's namespace ends with the last process in it."""
        await run("ip", "netns", "del", address)
