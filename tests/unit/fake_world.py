"""Two clusters, a balancer and devices in memory, under a clock that only moves when somebody sleeps.

It answers what the operations ask, with the semantics of docs/emqx/evacuation.md, moving.md and balancer.md; the lab tier holds the same
operations against sockets.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from components.cutover.cohort import belongs
from components.cutover.words import COLOURS, Colour
from components.emqx.answers import SessionFacts
from components.run.run import Run
from tests.fake_balancer import FakeLedger, FakeRouter
from tests.unit.fake_api import FakeApi
from tests.unit.fake_run import run_of

UNFINISHED = (
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    pytest.mark.usefixtures("swept"),
)
"""Marks of modules that leave coroutines where they were, which is the point: a run is killed, a look is cancelled before it began."""


class Killed(BaseException):
    """The run is gone, as after SIGKILL: nothing may catch it."""


class FakeClock:
    """Sleeping lets the world go on."""

    def __init__(self, world: World) -> None:
        self.time, self._world = 1_000.0, world

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.001)
        self._world.tick(self.time)
        await asyncio.sleep(0)


class World:
    """All devices begin on blue; ``kills`` are the acts before which the run dies."""

    def __init__(self, ids: Sequence[str], *, evacuates: bool = True, die_at: int | None = None) -> None:
        self.clock = FakeClock(self)
        self.ledger = FakeLedger()
        self.router = FakeRouter(self.ledger)
        self.router.acting, self.router.closed = self.act, self.close
        self.at: dict[str, Colour] = {}
        self.addresses: dict[str, str] = {}
        self.behind: dict[Colour, set[str]] = {colour: set() for colour in COLOURS}
        self.persistent: set[str] = set()
        self.told: Counter[str] = Counter()
        self._connects = 0
        self.disconnects: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.sessions: dict[Colour, list[SessionFacts]] = {}
        self.apis = {colour: FakeApi(self, colour, evacuates=evacuates) for colour in COLOURS}
        self.acts, self.die_at = 0, die_at
        self.journal: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self._ticked = self.clock.now()
        self.away_seconds = 0.0
        self.mqtt5: set[str] = set()
        self.lost_at_a_move = 0
        self.never: set[str] = set()
        self.masked: set[str] = set()
        self._due: list[tuple[float, str]] = []
        for one in ids:
            self.appear(one, "blue")

    def was_at(self, parts: int) -> None:
        """The share has been that one before the test begins."""
        self.ledger.share, self.router.in_force = parts, [parts] * len(self.router.in_force)

    def act(self) -> None:
        """Somebody is about to change the world; the run may die here."""
        self.acts += 1
        if self.die_at is not None and self.acts >= self.die_at:
            raise Killed

    def appear(self, one: str, colour: Colour) -> None:
        """A connection through the balancer, from another port than the one before."""
        self._connects += 1
        self.at[one] = colour
        self.addresses[one] = f"10.0.0.1:{self._connects}"
        self.router.held[self.addresses[one]] = (colour, str(self._connects))

    def close(self, address: str) -> None:
        """The balancer has ended a connection: the session stays where it was, if it outlives connections."""
        one = next(one for one, where in self.addresses.items() if where == address)
        if one in self.persistent:
            self.behind[self.at[one]].add(one)
        self.disconnect(one)

    def disconnect(self, one: str) -> None:
        """The device loses its connection and comes back through the balancer."""
        self.disconnects[one] += 1
        self.apis["green"].no_subscribers += self.lost_at_a_move
        self.router.held.pop(self.addresses.get(one, ""), None)
        if one in self.never:
            del self.at[one]
        elif self.away_seconds:
            del self.at[one]
            self._due.append((self.clock.now() + self.away_seconds, one))
        else:
            self.connect(one)

    def connect(self, one: str) -> None:
        """The device comes to the balancer."""
        seen = "one address" if one in self.masked else one
        colour: Colour = "green" if belongs(seen, self.router.parts) else "blue"
        self.appear(one, colour)
        self.accepted[colour] += 1

    def tick(self, now: float) -> None:
        """Devices come back after their pause; node evacuation works in bursts, once a second."""
        back, self._due = [pair for pair in self._due if pair[0] <= now], [pair for pair in self._due if pair[0] > now]
        for _, one in back:
            self.connect(one)
        while self._ticked + 1 <= now:
            self._ticked += 1
            for api in self.apis.values():
                if api.rate is not None and self._ticked >= api.evicting_from:
                    for one in api.mine()[: api.rate]:
                        self.disconnect(one)

    def run(self, token: str) -> Run:
        return run_of(self, self.apis, token)


def fleet(clients: int, **more: Any) -> World:
    """A world of that many devices."""
    return World([f"dev-{number}" for number in range(clients)], **more)
