"""Evacuation and rebalance through the API, Enterprise only; who asks which node matters (docs/emqx/evacuation.md).

Refusals and their order as in recordings 03, 04b, 13 and evac_rebalance.
"""

from __future__ import annotations

from typing import Any

from lab.node.api import check
from lab.node.api.call import ENTERPRISE, Answer, Call, Endpoint
from lab.node.api.errors import ApiError, bad_request, node_not_found, on_node
from lab.node.moving.draining import AlreadyStartedError, BusyError, NotStartedError
from lab.node.moving.evacuation import Parameters
from lab.node.moving.rebalance import Thresholds, Wishes

_EVACUATION: dict[str, check.Check] = {
    "conn_evict_rate": check.positive_integer,
    "migrate_to": check.node_list,
    "redirect_to": check.text,
    "sess_evict_rate": check.positive_integer,
    "wait_health_check": check.duration_seconds,
    "wait_takeover": check.duration_seconds,
}
_REBALANCE: dict[str, check.Check] = {
    "abs_conn_threshold": check.positive_integer,
    "abs_sess_threshold": check.positive_integer,
    "conn_evict_rate": check.positive_integer,
    "nodes": check.rebalance_nodes,
    "rel_conn_threshold": check.above_one,
    "rel_sess_threshold": check.above_one,
    "sess_evict_rate": check.positive_integer,
    "wait_health_check": check.duration_seconds,
    "wait_takeover": check.duration_seconds,
}
_DISABLED = {"status": "disabled"}


def _node(call: Call) -> str:
    name = call.path["node"]
    if name not in call.managed.names():
        raise node_not_found(name)
    return name


async def status(call: Call) -> Answer:
    """GET /load_rebalance/status is about the node that answers, nobody else."""
    evacuation = call.managed.evacuations.status(call.here)
    if evacuation is not None:
        return Answer({"process": "evacuation", "status": "enabled"} | evacuation)
    return Answer(call.managed.rebalances.status(call.here) or _DISABLED)


async def global_status(call: Call) -> Answer:
    """GET /load_rebalance/global_status: all running nodes; a stopped one has vanished."""
    rows = [
        {"node": name} | found
        for name in call.managed.names()
        if (found := call.managed.evacuations.status(name)) is not None
    ]
    return Answer({"rebalances": call.managed.rebalances.overview(), "purges": [], "evacuations": rows})


async def availability_check(call: Call) -> Answer:
    """GET /load_rebalance/availability_check, open to everybody: 503 from the start of an evacuation to its stop."""
    if call.here in call.managed.evacuations.running or call.managed.rebalances.busy(call.here):
        raise ApiError(503, "NODE_EVACUATING", "Node Evacuating")
    return Answer({})


async def eviction_status(call: Call) -> Answer:
    """GET /node_eviction/status: live numbers of the node that answers."""
    if call.here not in call.managed.evacuations.running and not call.managed.rebalances.busy(call.here):
        return Answer(_DISABLED)
    node = call.managed.cluster.nodes[call.here]
    return Answer({"status": "enabled", "stats": {"sessions": node.connections, "connections": node.live_connections}})


async def start_evacuation(call: Call) -> Answer:
    """POST /load_rebalance/:node/evacuation/start; ``redirect_to`` is accepted and has no effect."""
    fields = check.body_fields(await call.body(), _EVACUATION)
    name = _node(call)
    _known(call, fields.get("migrate_to", ()))
    _available(call, tuple(one for one in fields.get("migrate_to", ()) if one != name))
    fields.pop("redirect_to", None)
    if call.managed.cluster.nodes[name].terms.edition == "ce":
        # F1_ce_to_ee_mixed_and_roll: an Erlang text, no JSON object
        raise ApiError(
            500,
            "",
            f"Unsupported code 'RPC_ERROR', message <<\"RPC error on node '{name}': {{'EXIT',{{undef,[]}}}}\">>",
        )
    try:
        call.managed.evacuations.start(name, Parameters(**fields))
    except AlreadyStartedError:
        raise on_node(name, "already_started") from None
    except BusyError:
        raise on_node(name, "eviction_agent_busy") from None
    return Answer({})


async def stop_evacuation(call: Call) -> Answer:
    """POST /load_rebalance/:node/evacuation/stop."""
    name = _node(call)
    try:
        call.managed.evacuations.stop(name)
    except NotStartedError:
        raise on_node(name, "not_started") from None
    return Answer({})


def _known(call: Call, names: tuple[str, ...]) -> None:
    # Erlang knows the names of nodes that it has met, running or not; others are no atoms.
    unknown = [one for one in names if one not in call.managed.cluster.nodes]
    if unknown:
        listed = ",".join(f'<<"{one}">>' for one in unknown)
        raise bad_request(f"Invalid nodes: [{listed}]")


def _available(call: Call, names: tuple[str, ...]) -> None:
    managed = call.managed
    bad = [
        one
        for one in names
        if one not in managed.names() or one in managed.evacuations.running or managed.rebalances.busy(one)
    ]
    if bad:
        listed = ",".join(f"'{one}'" for one in bad)
        raise ApiError(400, "NOT_FOUND", f"Nodes unavailable: [{listed}]")


async def start(call: Call) -> Answer:
    """POST /load_rebalance/:node/start; the node in the path only coordinates."""
    fields = check.body_fields(await call.body(), _REBALANCE)
    name = _node(call)
    _known(call, fields.get("nodes", ()))
    _available(call, fields.get("nodes", ()))
    if name in call.managed.rebalances.running:
        raise on_node(name, "already_started")
    work = call.managed.rebalances.plan(name, _wishes(fields))
    if work is None:
        raise on_node(name, "nothing_to_balance")
    call.managed.rebalances.start(work)
    return Answer({})


def _wishes(fields: dict[str, Any]) -> Wishes:
    defaults = Thresholds()
    return Wishes(
        **{
            name: value
            for name, value in fields.items()
            if name.startswith(("wait_", "conn_", "sess_")) or name == "nodes"
        },
        connections=Thresholds(
            fields.get("abs_conn_threshold", defaults.absolute), fields.get("rel_conn_threshold", defaults.relative)
        ),
        sessions=Thresholds(
            fields.get("abs_sess_threshold", defaults.absolute), fields.get("rel_sess_threshold", defaults.relative)
        ),
    )


async def stop(call: Call) -> Answer:
    """POST /load_rebalance/:node/stop, to the coordinator."""
    name = _node(call)
    if not call.managed.rebalances.stop(name):
        raise on_node(name, "not_started")
    return Answer({})


_ROOT = "/load_rebalance"
ENDPOINTS = (
    Endpoint("GET", f"{_ROOT}/status", status, editions=ENTERPRISE),
    Endpoint("GET", f"{_ROOT}/global_status", global_status, editions=ENTERPRISE),
    Endpoint("GET", f"{_ROOT}/availability_check", availability_check, open=True, editions=ENTERPRISE),
    Endpoint("GET", "/node_eviction/status", eviction_status, editions=ENTERPRISE),
    Endpoint("POST", f"{_ROOT}/{{node}}/start", start, editions=ENTERPRISE),
    Endpoint("POST", f"{_ROOT}/{{node}}/stop", stop, editions=ENTERPRISE),
    Endpoint("POST", f"{_ROOT}/{{node}}/evacuation/start", start_evacuation, editions=ENTERPRISE),
    Endpoint("POST", f"{_ROOT}/{{node}}/evacuation/stop", stop_evacuation, editions=ENTERPRISE),
)
