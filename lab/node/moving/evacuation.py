"""The evacuation of one node as a state machine that a clock drives; it never looks at a clock, a socket or a cluster itself.

The law is docs/emqx/evacuation.md: five phases in one order, one burst a second, and
``prohibiting`` stays until somebody stops it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

TICK_SECONDS = 1.0
NO_RECIPIENT_SECONDS = 30.0
"""With nobody to take the sessions EMQX looks again only every 30 s (docs/emqx/evacuation.md#corner-cases)."""


class Phase(StrEnum):
    """The spellings of ``state`` in GET /load_rebalance/status, in the order in which they come."""

    WAITING_HEALTH_CHECK = "waiting_health_check"
    EVICTING_CONNS = "evicting_conns"
    WAITING_TAKEOVER = "waiting_takeover"
    EVICTING_SESSIONS = "evicting_sessions"
    PROHIBITING = "prohibiting"


@dataclass(frozen=True)
class Parameters:
    """What POST .../evacuation/start asks for; waits in whole seconds, rates per node and second.

    ``migrate_to`` None means every other running node, worked out anew at each look. ``server_reference`` is what the
    command line's --redirect-to sets; REST's ``redirect_to`` has no effect (docs/emqx/evacuation.md#what-clients-see).
    """

    wait_health_check: int = 60
    conn_evict_rate: int = 500
    wait_takeover: int = 60
    sess_evict_rate: int = 500
    migrate_to: tuple[str, ...] | None = None
    server_reference: str | None = None

    def remembered(self) -> dict[str, Any]:
        """The ``.evacuation`` file: what survives a restart (``migrate_to`` and ``wait_health_check`` do not)."""
        return {
            "server_reference": self.server_reference,
            "conn_evict_rate": self.conn_evict_rate,
            "wait_takeover": self.wait_takeover,
            "sess_evict_rate": self.sess_evict_rate,
        }


@dataclass(frozen=True)
class Census:
    """A node at one instant: ``live`` sockets, ``sessions`` of both kinds, and who could take sessions over."""

    live: int
    sessions: int
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True)
class Act:
    """What the driver must do now: close ``connections`` sockets, then move ``sessions`` to ``recipients``."""

    connections: int = 0
    sessions: int = 0
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True)
class Evacuation:
    """One evacuation between two instants; ``begin`` or ``resume`` makes it, ``advance`` moves it on.

    ``due`` is the instant of the next change (infinity in prohibiting); the four counters are those of the status,
    which lag on purpose: they hold what was counted *before* the last burst.
    """

    parameters: Parameters
    phase: Phase
    due: float
    initial_connected: int = 0
    initial_sessions: int = 0
    current_connected: int = 0
    current_sessions: int = 0
    act: Act = field(default=Act(), compare=False)

    @property
    def refuses_connects(self) -> bool:
        """New CONNECTs are let in during the health check's wait and never after it."""
        return self.phase is not Phase.WAITING_HEALTH_CHECK

    def advance(self, now: float, census: Census) -> Evacuation:
        """The evacuation after the instant ``due``; ``act`` of the result is to be done by the caller.

        Returns itself with an empty act when nothing is due. One call makes one change, so that the caller counts
        again before the next.
        """
        if now < self.due:
            return replace(self, act=Act())
        return _CHANGES[self.phase](self, now, census)

    def stats(self) -> dict[str, int]:
        """The ``stats`` of the status."""
        return {
            "current_sessions": self.current_sessions,
            "initial_sessions": self.initial_sessions,
            "current_connected": self.current_connected,
            "initial_connected": self.initial_connected,
        }

    def report(self, recipients: tuple[str, ...]) -> dict[str, Any]:
        """The entry of global_status without the node's name; ``recipients`` are those of this very moment."""
        return {
            "state": str(self.phase),
            "stats": self.stats(),
            "session_recipients": list(recipients),
            "session_goal": 0,
            "connection_goal": 0,
            "session_eviction_rate": self.parameters.sess_evict_rate,
            "connection_eviction_rate": self.parameters.conn_evict_rate,
        }


def begin(parameters: Parameters, now: float, census: Census) -> Evacuation:
    """The evacuation at the instant of its start, counted from what is there now."""
    return Evacuation(
        parameters,
        Phase.WAITING_HEALTH_CHECK,
        now + parameters.wait_health_check,
        census.live,
        census.sessions,
        census.live,
        census.sessions,
    )


def resume(remembered: dict[str, Any], now: float) -> Evacuation:
    """The evacuation that a restarted node finds in its ``.evacuation`` file: no health check, counters 0."""
    defaults = Parameters().remembered()
    kept = {key: remembered.get(key, default) for key, default in defaults.items()}
    return Evacuation(Parameters(**kept), Phase.EVICTING_CONNS, now)


def _start_evicting(evacuation: Evacuation, now: float, census: Census) -> Evacuation:
    return _evict_connections(replace(evacuation, phase=Phase.EVICTING_CONNS), now, census)


def _evict_connections(evacuation: Evacuation, now: float, census: Census) -> Evacuation:
    if census.live == 0:
        due = now + evacuation.parameters.wait_takeover
        return replace(evacuation, phase=Phase.WAITING_TAKEOVER, due=due, current_connected=0, act=Act())
    burst = min(evacuation.parameters.conn_evict_rate, census.live)
    return replace(evacuation, due=_tick(evacuation, now), current_connected=census.live, act=Act(connections=burst))


def _start_moving(evacuation: Evacuation, now: float, census: Census) -> Evacuation:
    return _move_sessions(replace(evacuation, phase=Phase.EVICTING_SESSIONS), now, census)


def _move_sessions(evacuation: Evacuation, now: float, census: Census) -> Evacuation:
    if census.sessions == 0:
        return replace(evacuation, phase=Phase.PROHIBITING, due=math.inf, current_sessions=0, act=Act())
    if not census.recipients:
        return replace(evacuation, due=now + NO_RECIPIENT_SECONDS, act=Act())
    burst = min(evacuation.parameters.sess_evict_rate, census.sessions)
    act = Act(sessions=burst, recipients=census.recipients)
    return replace(evacuation, due=_tick(evacuation, now), current_sessions=census.sessions, act=act)


def _stay(evacuation: Evacuation, _now: float, _census: Census) -> Evacuation:
    return replace(evacuation, act=Act())


def _tick(evacuation: Evacuation, now: float) -> float:
    # Counted from the instant that was due, so that a late driver does not slow the rate down; never in the past.
    return max(evacuation.due + TICK_SECONDS, now)


_CHANGES = {
    Phase.WAITING_HEALTH_CHECK: _start_evicting,
    Phase.EVICTING_CONNS: _evict_connections,
    Phase.WAITING_TAKEOVER: _start_moving,
    Phase.EVICTING_SESSIONS: _move_sessions,
    Phase.PROHIBITING: _stay,
}
