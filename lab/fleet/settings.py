"""What a fleet is made of: every device follows from its number, so that two runs have the same devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from components.system.address import Address
from lab.fleet.kind import Kind
from lab.fleet.mixture import Mixture, plain

LAST_PORT = 65_535
PORTS_PER_SOURCE = 28_000
"""Connections that one source address can have to one destination (Linux's ephemeral ports 32768 to 60999)."""


class FleetError(ValueError):
    """A fleet that cannot be."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One device: of a kind that speaks both levels one in two speaks MQTT 5; two in four publish at QoS 1."""

    number: int
    client_id: str
    kind: Kind
    level: int
    persistent: bool
    qos: int

    @property
    def topic(self) -> str:
        """Where the device publishes and what it subscribes to: only its own, whatever colour it is on."""
        return f"fleet/{self.client_id}/up"


@dataclass(frozen=True)
class FleetSettings:
    """A fleet, or the part of one that a process holds (``first`` to ``first + clients``).

    Times are seconds. ``addresses`` are ``host, port`` pairs of the balancer's replicas: a device keeps to one and goes to the
    next when it does not answer. ``resolver`` is the name server that the devices ask for the hosts of their addresses (None: the machine's own way). ``sources`` are local addresses to connect from; none lets the system choose.
    ``publish_interval_seconds`` 0 publishes nothing. ``expiry_seconds`` is the session expiry of persistent MQTT 5 devices.
    """

    addresses: tuple[tuple[str, int], ...]
    clients: int
    first: int = 0
    prefix: str = "dev"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    persistent_fraction: float = 0.5
    keep_alive_seconds: int = 60
    expiry_seconds: int = 7200
    publish_interval_seconds: float = 10.0
    connects_per_second: float = 500.0
    kinds: Mixture = field(default_factory=plain)
    answer_timeout_seconds: float = 15.0
    settle_seconds: float = 5.0
    sources: tuple[str, ...] = ()
    log_messages: bool = False
    resolver: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work, with the numbers."""
        if self.clients < 1 or not self.addresses:
            raise FleetError(f"{self.clients} clients on {len(self.addresses)} addresses: give at least one of each")
        for host, port in self.addresses:
            if not 1 <= port <= LAST_PORT:
                raise FleetError(f"address {Address(host, port)}: give a port of 1 to {LAST_PORT}")
        if not 0 <= self.persistent_fraction <= 1:
            raise FleetError(f"a persistent fraction of {self.persistent_fraction}: give 0 to 1")
        if self.connects_per_second <= 0:
            raise FleetError(f"{self.connects_per_second} connects per second: give more than 0")
        if self.keep_alive_seconds < 0 or self.publish_interval_seconds < 0:
            raise FleetError("a keep-alive or a publish interval below 0")
        room = PORTS_PER_SOURCE * len(self.addresses) * max(1, len(self.sources))
        if self.clients > room:
            raise FleetError(f"{self.clients} clients from {len(self.sources) or 1} source address: at most {room}")

    def part(self, number: int, of: int) -> FleetSettings:
        """The settings of one of several processes; together they are the whole fleet."""
        begin, end = (self.clients * at // of for at in (number, number + 1))
        rate = self.connects_per_second * (end - begin) / self.clients
        return replace(self, first=self.first + begin, clients=end - begin, connects_per_second=rate)

    def specs(self) -> Iterator[Spec]:
        """The devices of this part."""
        for number in range(self.first, self.first + self.clients):
            kind, place = self.kinds.of(number)
            group = place // 4
            yield Spec(
                number=number,
                client_id=f"{self.prefix}-{number:06}",
                kind=kind,
                level=kind.levels[place % len(kind.levels)],
                persistent=int((group + 1) * self.persistent_fraction) > int(group * self.persistent_fraction),
                qos=place // 2 % 2,
            )
