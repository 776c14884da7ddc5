"""What lies in Parameter Store for the nodes of a colour, as ``boot.sh`` reads it when an instance boots.

The rule: a node's configuration is whole in them, so that a boot needs nothing else; what is secret lies below ``secrets/`` and is quoted here, never by a shell.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from components.aws import names
from components.emqx.models import Credentials
from components.machines.words import Declared, Machines, S3Package

MQTT, WEBSOCKET, API, DISTRIBUTION, RPC = 1883, 8083, 18083, 4370, 5369
HOME, KEYS = "/var/lib/emqx", "/etc/emqx/api-keys"
DECLARED, NODES, CONFIG, BORN = "declared", "nodes", "config", "born"
COOKIE, SETTINGS, API_KEYS = "secrets/cookie", "secrets/settings", "secrets/api-keys"
ALL = (DECLARED, NODES, CONFIG, BORN, COOKIE, SETTINGS, API_KEYS)
NOTHING = "# nothing"
"""A parameter cannot be empty."""


def name_of(address: str) -> str:
    """A node, by the private address of its instance, which it keeps while it is stopped."""
    return f"emqx@{address}"


def declared(machines: Machines, what: Declared) -> str:
    """``5.8.6 ee s3://bucket/file.rpm SHA256``: takes effect when an instance boots."""
    package = machines.package
    source = f"{package.uri} {package.sha256}" if isinstance(package, S3Package) else package
    return f"{what.version} {what.edition} {source}"


def nodes(addresses: Sequence[str]) -> str:
    """The names of the nodes by their numbers, one a line."""
    return "\n".join(name_of(address) for address in addresses)


def config(machines: Machines, what: Declared, addresses: Sequence[str], beside: Sequence[str]) -> str:
    """``emqx.conf`` without what is secret and what is of one node.

    Args:
        machines: with what the stack file adds.
        what: the colour.
        addresses: of its nodes.
        beside: the names of the nodes that are there, where it joins their cluster.

    """
    seeds = [*beside, *(name_of(address) for address in addresses)]
    proxied = "true" if what.proxy_protocol else "false"
    lines = [
        f'node.data_dir = "{HOME}"',
        f'cluster {{ name = "{names.colour(what.prefix, what.joins)}", discovery_strategy = static, static.seeds = {json.dumps(seeds)} }}',
        f"rpc {{ port_discovery = manual, tcp_server_port = {RPC} }}",
        f"dashboard.listeners.http.bind = {API}",
        f'api_key.bootstrap_file = "{KEYS}"',
        *(f"listeners.{kind}.default.proxy_protocol = {proxied}" for kind in ("tcp", "ws")),
    ]
    return "\n".join([*lines, *filter(None, [machines.config.strip()])])


def born(roots: Mapping[str, Any]) -> str:
    """The lines before those: what the nodes take over from an old cluster, root by root."""
    return "\n".join([f"{root} = {json.dumps(content)}" for root, content in roots.items()] or [NOTHING])


def cookie(what: Declared, joined: Credentials) -> str:
    """The line with the cookie; nodes of one cluster have that of the colour whose cluster it is."""
    seed = f"cookie of {names.colour(what.prefix, what.joins)}".encode()
    return f'node.cookie = "{hmac.new(joined.api_secret.encode(), seed, hashlib.sha256).hexdigest()[:40]}"'


def settings(what: Declared, mine: Credentials) -> str:
    """The lines with the dashboard's login and the licence."""
    lines = {
        "dashboard.default_username": mine.username if mine.has_login else None,
        "dashboard.default_password": mine.password if mine.has_login else None,
        "license.key": mine.license if what.edition == "ee" else None,
    }
    given = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in lines.items() if value is not None]
    return "\n".join(given or [NOTHING])


def api_keys(mine: Credentials) -> str:
    """The bootstrap file."""
    return f"{mine.api_key}:{mine.api_secret}:administrator"
