"""The listeners that a stack declares, held against each other, the colours behind them, the files they name, and the time.

The rule: whatever would be refused while the balancer is brought up is refused here first, in preview, one line for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from components.cutover.steps import Problem
from components.cutover.words import TLS
from components.routers import certificates
from components.routers.certificates import UnfitError
from components.routers.listeners import Listener
from components.settings import Settings
from components.targets import AWS, BALANCERS_ON_AWS, ROUTE53

PATH = "emqx:balancer.listeners"
KUBERNETES = "kubernetes"
PODS = (KUBERNETES, "service")
_EVERY = {"*", "[::]"}


def problems(settings: Settings, secrets: Mapping[str, str], now: float) -> list[Problem]:
    """What is wrong with the listeners; ``secrets`` are the PEM texts of the stack by name, ``now`` is unix seconds."""
    listeners = settings.balancer.listeners
    if not listeners:
        return []
    found: list[Problem] = []
    if settings.balancer.address is not None:
        allowed = "no value beside listeners: write it as one of them, {port: ..., protocol: mqtt}"
        found.append(Problem("emqx:balancer.address", settings.balancer.address, allowed))
    for index, one in enumerate(listeners):
        path = f"{PATH}[{index}]"
        found += _twice(path, one, listeners[:index])
        if settings.balancer.target == ROUTE53:
            continue  # held against the nodes, whose listeners they are (``by_name``)
        if settings.balancer.target == AWS:
            found += _behind_another(path, one)
        elif settings.balancer.target in BALANCERS_ON_AWS:
            found += _on_aws(path, one)
            continue
        found += _elsewhere(path, one, on_kubernetes=settings.balancer.target in PODS)
        found += _words(path, one)
        found += _files(path, one, secrets, now)
        found += _nameless(path, one, settings.clusters)
    if settings.balancer.websocket:
        found += _without_websocket(settings.clusters)
    return found


def _twice(path: str, one: Listener, before: Sequence[Listener]) -> Iterator[Problem]:
    for index, other in enumerate(before):
        if one.port == other.port and (one.host == other.host or {one.host, other.host} & _EVERY):
            yield Problem(f"{path}.port", str(one.port), f"another one than {PATH}[{index}] has, or another host")
            return


def _elsewhere(path: str, one: Listener, *, on_kubernetes: bool) -> Iterator[Problem]:
    """What is found on this machine only, or on Kubernetes only."""
    given = one.certificate
    if on_kubernetes:
        if one.host != "*":
            yield Problem(f"{path}.host", one.host, "no value on Kubernetes: a pod listens at its own address")
        if given is not None and given.secret is None:
            yield Problem(f"{path}.certificate", "given", "{secret: NAME} of a Secret of type kubernetes.io/tls")
        if one.client_ca is not None:
            yield Problem(f"{path}.clientCa", "given", "clientCaSecret, a Secret with ca.crt")
        return
    if (given is not None and given.acm is not None) or one.node_port is not None:
        yield Problem(path, "certificate.acm or nodePort", "no such value: they are for a balancer on AWS")
    if (given is not None and given.secret is not None) or one.client_ca_secret is not None:
        yield Problem(
            f"{path}", "a Secret", f"files, or a name in emqx:certificates: only target {KUBERNETES} has Secrets"
        )


def _on_aws(path: str, one: Listener) -> Iterator[Problem]:
    """A Network Load Balancer ends TLS with a certificate of Certificate Manager, or passes it on to the nodes."""
    ends, passes = one.protocol in TLS and one.certificate is not None, one.protocol in TLS and one.certificate is None
    if one.host != "*":
        yield Problem(f"{path}.host", one.host, "no value on AWS: the balancer listens at its own addresses")
    if one.accept_proxy:
        yield Problem(f"{path}.acceptProxy", "true", "false: a Network Load Balancer takes no PROXY header")
    if one.client_ca is not None or one.client_ca_secret is not None:
        allowed = "no value: a client's certificate is asked for by the nodes, where TLS is passed on to them (no certificate here)"
        yield Problem(f"{path}.clientCa", "given", allowed)
    if one.certificate is not None and (one.certificate.acm is None or not ends):
        allowed = "{acm: ARN} where the protocol is mqtts or wss; no value where TLS is passed on to the nodes"
        yield Problem(f"{path}.certificate", "given", allowed)
    if one.node_port is not None and not passes:
        allowed = "no value but where TLS is passed on: otherwise it is the nodes' port for MQTT, or for WebSocket"
        yield Problem(f"{path}.nodePort", str(one.node_port), allowed)


def _behind_another(path: str, one: Listener) -> Iterator[Problem]:
    """What HAProxy has not where a Network Load Balancer brings it its connections."""
    if one.host != "*":
        yield Problem(f"{path}.host", one.host, "no value on AWS: the balancer listens at its own addresses")
    if one.accept_proxy:
        yield Problem(
            f"{path}.acceptProxy", "true", "false: a Network Load Balancer takes no PROXY header, and writes its own"
        )


def _words(path: str, one: Listener) -> Iterator[Problem]:
    """What does not go with the protocol."""
    tls = one.protocol in TLS
    encrypted = {"mqtt": "mqtts", "ws": "wss"}.get(one.protocol, one.protocol)
    if tls and one.certificate is None:
        allowed = "a value is required: {chain: FILE, key: FILE}, or {named: NAME} of emqx:certificates"
        yield Problem(f"{path}.certificate", "missing", allowed)
    if one.certificate is not None and not tls:
        yield Problem(f"{path}.certificate", "given", f"no value: {one.protocol} has no TLS, {encrypted} has")
    if one.client_ca is not None and not tls:
        allowed = f"no value: clients show a certificate in TLS only, which {encrypted} has"
        yield Problem(f"{path}.clientCa", "given", allowed)
    if one.certificate is not None and not _is_one(one):
        yield Problem(f"{path}.certificate", "unclear", "either chain and key, or named, or secret")


def _is_one(one: Listener) -> bool:
    given = one.certificate
    if given is None:
        return False
    files = (given.chain is not None, given.key is not None)
    ways = (any(files), given.named is not None, given.secret is not None)
    return sum(ways) == 1 and all(files) == any(files)


def _files(path: str, one: Listener, secrets: Mapping[str, str], now: float) -> Iterator[Problem]:
    if one.certificate is not None and one.certificate.secret is None and _is_one(one):
        try:
            certificates.read(one.certificate, secrets, now)
        except UnfitError as unfit:
            yield Problem(f"{path}.certificate.{unfit.part}", unfit.seen, unfit.allowed)
    if one.client_ca is not None:
        try:
            certificates.authorities(one.client_ca, now)
        except UnfitError as unfit:
            yield Problem(f"{path}.clientCa", unfit.seen, unfit.allowed)


def _nameless(path: str, one: Listener, clusters: Mapping[Any, Any]) -> Iterator[Problem]:
    """A colour that gets no PROXY header never hears the name in a client's certificate."""
    without = [colour for colour in sorted(clusters) if not clusters[colour].proxy_protocol]
    if one.client_ca is not None and without:
        allowed = f"no value, or emqx:clusters.{without[0]}.proxyProtocol true: it hands the name in the certificate on"
        yield Problem(f"{path}.clientCa", "given", allowed)


def _without_websocket(clusters: Mapping[Any, Any]) -> Iterator[Problem]:
    for colour in sorted(clusters):
        nodes = getattr(clusters[colour], "nodes", ())
        for index, node in enumerate(nodes if isinstance(nodes, tuple) else ()):
            if node.ws is None:
                allowed = "host:port of its listener for WebSocket, since the balancer has one"
                yield Problem(f"emqx:clusters.{colour}.nodes[{index}].ws", "missing", allowed)
