"""A balancer that is a name, held against the colours behind it: devices reach the nodes themselves, at the ports that these have, and nobody ends TLS or counts them.

The rule: what Route 53 cannot tell or ask is refused before anything is touched.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from components.balancer.on_aws import doors_of
from components.cutover.steps import Problem
from components.cutover.words import Colour
from components.routers.listeners import Listener
from components.settings import Settings
from components.system.address import parsed, port_of

PATH = "emqx:balancer.aws.records"
PRIVATE = tuple(
    map(ipaddress.ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"))
)
"""What Route 53's checkers refuse to ask, since nobody on the internet can (docs.aws.amazon.com, "Values that you specify when you create or update health checks")."""
OF_OURS = {"mqtt": 1883, "ws": 8083}


def problems(settings: Settings) -> list[Problem]:
    """One for each thing that cannot be."""
    records = settings.balancer.aws.records
    if records is None:
        return [Problem(PATH, "none", "{zone: Z.., name: mqtt.example.com}, the name by which devices find the nodes")]
    found = [
        wrong for colour in sorted(settings.clusters) for wrong in _colour(settings, colour, checks=records.checks)
    ]
    for index, one in enumerate(settings.balancer.listeners):
        found += _listener(f"emqx:balancer.listeners[{index}]", one)
    return found


def _colour(settings: Settings, colour: Colour, *, checks: bool) -> Iterator[Problem]:
    cluster, path = settings.clusters[colour], f"emqx:clusters.{colour}"
    if cluster.proxy_protocol:
        yield Problem(f"{path}.proxyProtocol", "true", "false: nothing in front of the nodes writes a PROXY header")
    if cluster.target == "aws":
        yield from _instances(settings, path, cluster, checks=checks)
    elif cluster.target != "external":
        yield Problem(f"{path}.target", cluster.target, "aws or external: devices reach the nodes by their addresses")
    nodes = getattr(cluster, "nodes", ())
    for index, node in enumerate(nodes if isinstance(nodes, tuple) else ()):
        yield from _node(settings, f"{path}.nodes[{index}]", node, checks=checks)


def _instances(settings: Settings, path: str, cluster: Any, *, checks: bool) -> Iterator[Problem]:
    if checks:
        allowed = "false: the instances have private addresses, which Route 53's checkers on the internet do not reach"
        yield Problem(f"{PATH}.checks", "true", allowed)
    if not (cluster.clients.ranges or cluster.clients.groups):
        yield Problem(f"{path}.clients", "nothing", "ranges or groups of the devices, which reach the nodes themselves")
    for one in doors_of(settings):
        if one.port != OF_OURS.get(one.protocol, one.port):
            allowed = f"{OF_OURS[one.protocol]}, the nodes' own port: a name does not change it"
            yield Problem("emqx:balancer.listeners", f"{one.protocol} at {one.port}", allowed)


def _node(settings: Settings, path: str, node: Any, *, checks: bool) -> Iterator[Problem]:
    at = parsed(node.mqtt)
    if at.is_name or ":" in at.host:
        yield Problem(f"{path}.mqtt", node.mqtt, "ADDRESS:PORT of IPv4: a name leads to addresses")
    elif checks and any(ipaddress.ip_address(at.host) in network for network in PRIVATE):
        allowed = f"a public address, or {PATH}.checks false: Route 53's checkers come from the internet"
        yield Problem(f"{path}.mqtt", node.mqtt, allowed)
    for one in doors_of(settings):
        has = {"mqtt": node.mqtt, "ws": node.ws}.get(one.protocol)
        if has is not None and port_of(has) != one.port:
            allowed = f"port {one.port}, as emqx:balancer.listeners has it: a name does not change it"
            yield Problem(f"{path}.{one.protocol}", has, allowed)


def _listener(path: str, one: Listener) -> Iterator[Problem]:
    if one.host != "*":
        yield Problem(f"{path}.host", one.host, "no value: devices connect to the nodes' own addresses")
    given = {
        "certificate": one.certificate,
        "clientCa": one.client_ca,
        "clientCaSecret": one.client_ca_secret,
        "nodePort": one.node_port,
        "acceptProxy": one.accept_proxy or None,
    }
    for word, value in given.items():
        if value is not None:
            allowed = "no value: a name ends no TLS, and the nodes' own listeners are what devices connect to"
            yield Problem(f"{path}.{word}", "given", allowed)
