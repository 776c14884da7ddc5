"""Whether evacuations that already run are ours to use; one that does not fit is refused, never stopped or fought over."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from pydantic import Field

from components.value import Value

DONE_STATES = frozenset({"waiting_takeover", "evicting_sessions", "prohibiting"})
"""The states in which no connection is left to evict; a drain is done there (docs/emqx/evacuation.md#all-nodes-at-once)."""

LAST_STATE = "prohibiting"
"""Nothing is left to do there; it is reached only where every session could go somewhere (recording B3_evacuate_all_old_ee)."""

MOST_WAIT_SECONDS = 3_600
"""The longest wait that may be asked for; EMQX does not show the one of a running evacuation."""


class Evacuation(Value):
    """Node evacuation's own knobs; rates are per node and second, and the budget is for all nodes together.

    ``wait_health_check_seconds`` must be longer than the balancer's check (0.5..1.0 s: docs/emqx/balancer.md#health-checks); EMQX's own
    defaults are 60 s, 60 s, 500 and 500.
    """

    wait_health_check_seconds: int = Field(default=1, ge=0, le=MOST_WAIT_SECONDS)
    wait_takeover_seconds: int = Field(default=1, ge=0, le=MOST_WAIT_SECONDS)
    conn_evict_rate: int = Field(default=500, ge=1)
    sess_evict_rate: int = Field(default=500, ge=1)


class Adoption(NamedTuple):
    """What to do about the evacuations that run: ``adopted`` stay, ``missing`` are started with what ``budget_left`` allows.

    ``rates`` are those of the adopted ones that still evict connections. ``refused`` is empty, or says which evacuation does not fit, and then nothing may be started.
    """

    adopted: tuple[str, ...]
    missing: tuple[str, ...]
    budget_left: int
    refused: str
    rates: Mapping[str, int]


def adoptable(running: Mapping[str, Any], nodes: Collection[str], budget_per_second: int) -> Adoption:
    """Judge the answer of ``GET /load_rebalance/global_status`` for the nodes of the colour that drains.

    Args:
        running: ``{"evacuations": [{"node","state","connection_goal","connection_eviction_rate",..}],"purges":[..],"rebalances":[..]}``
            (recording 04b_evacuation_run).
        nodes: names of the nodes that are to drain; evacuations of other nodes are not looked at.
        budget_per_second: of the whole cutover; evacuations past the eviction of connections use none of it.

    """
    mine = {entry["node"]: entry for entry in running.get("evacuations", ()) if entry.get("node") in nodes}
    missing = tuple(name for name in sorted(nodes) if name not in mine)
    reasons = [_other_work(running, nodes), *(_unfit(entry) for _, entry in sorted(mine.items()))]
    rates = {name: int(entry["connection_eviction_rate"]) for name, entry in mine.items() if _evicts(entry)}
    taken = sum(rates.values())
    if taken > budget_per_second:
        reasons.append(f"running evacuations take {taken} clients per second, the budget is {budget_per_second}")
    return Adoption(
        adopted=tuple(sorted(mine)),
        missing=missing,
        budget_left=max(budget_per_second - taken, len(missing)),
        refused="; ".join(reason for reason in reasons if reason),
        rates=rates,
    )


def foreign(running: Mapping[str, Any], nodes: Collection[str], *, ours: bool) -> str:
    """What somebody else does on these nodes, as a phrase; empty where nobody does anything. ``ours``: an evacuation is none of it."""
    evacuated = sorted(entry["node"] for entry in running.get("evacuations", ()) if entry.get("node") in nodes)
    theirs = f"evacuations run on {', '.join(evacuated)}" if evacuated and not ours else ""
    return "; ".join(filter(None, (_other_work(running, nodes), theirs)))


def _evicts(entry: Mapping[str, Any]) -> bool:
    return entry.get("state") not in DONE_STATES and isinstance(entry.get("connection_eviction_rate"), int)


def _unfit(entry: Mapping[str, Any]) -> str:
    goal = entry.get("connection_goal", 0)
    if goal:
        return f"the evacuation of {entry['node']} ends at {goal} connections, not at 0"
    if not isinstance(entry.get("connection_eviction_rate"), int):
        return f"the evacuation of {entry['node']} does not say its rate"
    return ""


def _other_work(running: Mapping[str, Any], nodes: Collection[str]) -> str:
    """A rebalance or a purge on these nodes makes EMQX refuse an evacuation (``eviction_agent_busy``, docs/emqx/evacuation.md#corner-cases)."""
    for kind in ("rebalances", "purges"):
        busy = [entry.get("node", "?") for entry in running.get(kind, ()) if _touches(entry, nodes)]
        if busy:
            return f"{kind} run on {', '.join(sorted(busy))}"
    return ""


def _touches(entry: Mapping[str, Any], nodes: Collection[str]) -> bool:
    named = {entry.get("node"), entry.get("coordinator_node"), *entry.get("donors", ()), *entry.get("recipients", ())}
    return not named.isdisjoint(nodes)
