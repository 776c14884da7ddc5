"""The whole configuration that one node runs with: the store's roots, the shipped ones that the broker does not use, the node's own.

Source: the text of GET /configs in recording 02; the roots that open source lacks are those missing in B_inventory_50000.
"""

from __future__ import annotations

import re
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from components.hocon.document import loads
from lab.node.api.check import parse_duration
from lab.node.api.host import Host
from lab.node.kept.defaults import DEFAULTS, FILE_RULES
from lab.node.kept.store import merged

ENTERPRISE_ROOTS = frozenset(
    [
        "durable_queues",
        "file_transfer",
        "license",
        "message_transformation",
        "opentelemetry",
        "schema_registry",
        "schema_validation",
    ]
)
JSON_ROOTS = ("alarm", "broker", "dashboard", "file_transfer", "log", "sys_topics", "sysmon")
"""What GET /configs answers as JSON; everything else is in the text only."""
HIDDEN_IN_TEXT = frozenset({"broker"})
READ_ONLY = frozenset({"cluster", "node", "rpc"})
_SIZE = re.compile(r"\d+(?:\.\d+)?(?:B|KB|MB|GB)?", re.IGNORECASE)
_WORDS = frozenset({"infinity", "disabled"})


@cache
def shipped() -> dict[str, Any]:
    """The roots of a fresh cluster that `lab.node.kept.defaults` does not hold."""
    return loads((Path(__file__).parent / "effective.hocon").read_text())


def known(edition: str) -> frozenset[str]:
    """The names of all roots of an edition."""
    everything = {*shipped(), *DEFAULTS, "api_key", "banned", "cluster", "dashboard", "node"}
    return frozenset(everything - (ENTERPRISE_ROOTS if edition == "ce" else frozenset()))


def running(managed: Host, root: str) -> Any:
    """The running value of one root, without what is the node's own."""
    return merged(
        shipped().get(root, {}), managed.store.effective(root) if managed.store.effective(root) is not None else {}
    )


def everything(managed: Host, here: str) -> dict[str, Any]:
    """All roots as ``here`` runs them."""
    found = {root: running(managed, root) for root in known(managed.edition)}
    for root, value in _own(managed, here).items():
        found[root] = merged(value, managed.store.effective(root) or {})
    found["rpc"] = found["rpc"] | {"listen_address": _ip(here)}
    found["authorization"] = _with_path(found["authorization"])
    return found


def _ip(here: str) -> str:
    return here.partition("@")[2]


def _own(managed: Host, here: str) -> dict[str, Any]:
    directory = managed.place(here)
    listener = {
        "backlog": 1024,
        "bind": f"{_ip(here)}:18083",
        "inet6": False,
        "ipv6_v6only": False,
        "max_connections": 512,
        "num_acceptors": 2,
        "proxy_header": False,
        "send_timeout": "10s",
    }
    return {
        "api_key": {"bootstrap_file": managed.bootstrap_file} if managed.bootstrap_file else {},
        "banned": {},
        "cluster": {
            "autoclean": "24h",
            "autoheal": True,
            "discovery_strategy": "static",
            "links": [],
            "name": managed.name,
            "proto_dist": "inet_tcp",
            "static": {"seeds": list(managed.cluster.nodes[here].terms.seeds or managed.cluster.nodes)},
        },
        "dashboard": {
            "cors": False,
            # EMQX shows the real one here; ours is kept as a hash only and cannot be shown.
            "default_password": "******",
            "listeners": {"http": listener},
            "swagger_support": True,
            "token_expired_time": "60m",
        },
        "node": _node(here, directory),
    }


def _node(here: str, directory: Path) -> dict[str, Any]:
    return {
        "cookie": "******",
        "data_dir": str(directory),
        "db_backend": "mnesia",
        "dist_buffer_size": 8192,
        "global_gc_interval": "disabled",
        "max_ports": 1048576,
        "name": here,
        "role": "core",
    }


def _with_path(authorization: dict[str, Any]) -> dict[str, Any]:
    # The shipped rules stand in a file, and the configuration names the file until somebody edits them.
    shown = deepcopy(authorization)
    for source in shown["sources"]:
        if source["type"] == "file" and source.get("rules") == FILE_RULES:
            del source["rules"]
            source["path"] = "${EMQX_ETC_DIR}/acl.conf"
    return shown


def first_fault(default: Any, value: Any, path: str) -> dict[str, Any] | None:
    """What EMQX's schema says of the first value that cannot be one, judged by the kind of the shipped value; None if none."""
    if isinstance(default, dict) and isinstance(value, dict):
        for key, one in value.items():
            if key in default and (fault := first_fault(default[key], one, f"{path}.{key}")):
                return fault
        return None
    reason = _reason(default, value)
    return None if reason is None else {"kind": "validation_error", "path": path, "reason": reason, "value": value}


def _reason(default: Any, value: Any) -> str | None:
    if isinstance(default, bool):
        return None if isinstance(value, bool) or value in {"true", "false"} else "not_boolean"
    if isinstance(default, str) and default not in _WORDS and value not in _WORDS:
        if parse_duration(default) is not None:
            return None if isinstance(value, int) or parse_duration(str(value)) is not None else "Not a valid duration"
        if _SIZE.fullmatch(default):
            return None if isinstance(value, int) or _SIZE.fullmatch(str(value)) else "Not a valid bytesize"
    return None
