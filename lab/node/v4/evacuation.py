"""Evacuation of a node of Enterprise 4.4.12 and later, read in EMQX's documents and its source; no recording has it (docs/conformance-v4.md).

The rule: plain seconds and numbers, no wait for a health check, answers as all others of 4.x: a refusal is 200 with a code, but for the check itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lab.node.moving.draining import AlreadyStartedError, BusyError, NotStartedError
from lab.node.moving.evacuation import Parameters
from lab.node.v4.asked import Asked, NowhereError, UnavailableError, Way, ok, said

FIRST = (4, 4, 12)
"""The first patch of Enterprise that has it."""
_REFUSED = 400
_NUMBERS = ("conn_evict_rate", "sess_evict_rate", "wait_takeover")


class _InvalidError(Exception):
    """A parameter will not do; in EMQX's words."""


def _has(handler: Callable[[Asked], Any]) -> Callable[[Asked], Any]:
    """The handler, where the node that is asked has it at all."""

    def asked_of(asked: Asked) -> Any:
        terms = asked.host.cluster.nodes[asked.here].terms
        if terms.edition != "ee" or tuple(int(part) for part in terms.version.split(".")) < FIRST:
            raise NowhereError
        return handler(asked)

    return asked_of


def _entry(asked: Asked, name: str) -> dict[str, Any] | None:
    """What is said of an evacuation: names and rates, without the recipients that 5.x shows."""
    found = asked.host.evacuations.status(name)
    if found is None:
        return None
    return {key: value for key, value in found.items() if key != "session_recipients"}


def status(asked: Asked) -> dict[str, Any]:
    """GET /load_rebalance/status: of the node that answers, bare."""
    found = _entry(asked, asked.here)
    return {"status": "disabled"} if found is None else {"status": "enabled", "process": "evacuation"} | found


def global_status(asked: Asked) -> dict[str, Any]:
    """GET /load_rebalance/global_status: an object by node, bare."""
    found = {name: entry for name in asked.nodes() if (entry := _entry(asked, name)) is not None}
    return {"evacuations": found, "rebalances": {}}


def availability_check(asked: Asked) -> dict[str, Any]:
    """GET /load_rebalance/availability_check: 503 while the node that answers evacuates; credentials are asked for."""
    if asked.here in asked.host.evacuations.running:
        raise UnavailableError
    return {}


def start(asked: Asked) -> dict[str, Any]:
    """POST /load_rebalance/:node/evacuation/start."""
    try:
        name, parameters = _known(asked), _parameters(asked)
        asked.host.evacuations.start(name, parameters)
    except _InvalidError as error:
        return said(str(error), code=_REFUSED)
    except AlreadyStartedError:
        return said("already_started", code=_REFUSED)
    except BusyError:
        return said("eviction_agent_busy", code=_REFUSED)
    return ok([])


def stop(asked: Asked) -> dict[str, Any]:
    """POST /load_rebalance/:node/evacuation/stop."""
    try:
        asked.host.evacuations.stop(_known(asked))
    except _InvalidError as error:
        return said(str(error), code=_REFUSED)
    except NotStartedError:
        return said("not_started", code=_REFUSED)
    return ok([])


def _known(asked: Asked) -> str:
    name = asked.path["node"]
    if name not in asked.nodes():
        raise _InvalidError(f"invalid node: {name}")
    return name


def _parameters(asked: Asked) -> Parameters:
    body = asked.body or {}
    wished: dict[str, Any] = {"wait_health_check": 0}
    for name, value in body.items():
        if name in _NUMBERS:
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise _InvalidError(f"invalid {name} value")
            wished[name] = value
        elif name == "redirect_to":
            if not isinstance(value, str):
                raise _InvalidError("invalid string in server_reference")
            wished["server_reference"] = value
        elif name == "migrate_to":
            wished["migrate_to"] = _recipients(asked, value)
        else:
            raise _InvalidError(f'Unknown evacuation param: {{<<"{name}">>,{value!r}}}')
    return Parameters(**wished)


def _recipients(asked: Asked, names: Any) -> tuple[str, ...]:
    if not isinstance(names, list):
        raise _InvalidError(f"invalid node list in migrate_to: {names!r}")
    away = [one for one in names if one not in asked.nodes() or one in asked.host.evacuations.running]
    if away:
        listed = ",".join(f"'{one}'" for one in away)
        nobody = len(away) == len(names)
        words = "no available nodes list in" if nobody else "unavailable nodes in"
        raise _InvalidError(f"{words} migrate_to: [{listed}]")
    return tuple(names)


_ROOT = "/load_rebalance"
WAYS = (
    Way("GET", f"{_ROOT}/status", _has(status)),
    Way("GET", f"{_ROOT}/global_status", _has(global_status)),
    Way("GET", f"{_ROOT}/availability_check", _has(availability_check)),
    Way("POST", f"{_ROOT}/{{node}}/evacuation/start", _has(start)),
    Way("POST", f"{_ROOT}/{{node}}/evacuation/stop", _has(stop)),
)
