"""HAProxy 2.8's configuration as a pure function of the balancer's settings; every line that looks odd has its measured reason.

The form is docs/emqx/balancer.md#the-corrected-configuration, with the share in a map
(docs/emqx/balancer.md#the-share-by-hash). Decisions beyond it:

- A client whose colour has no healthy server is closed, not sent to the other colour: its session and data are not there,
  green may not be verified yet, and a drain would never end. Bringing the share back is the cutover's decision.
- Servers start up as ``UP 1/2``: a (re)started balancer serves at once, takes a dead node out at its first check (0.5 s), and
  ``health`` says fully up only after the checks passed. Waiting for checks instead would refuse the whole fleet for a second.
- A reload takes the servers' state over from the worker before, so an evacuating node does not come back for half a second.
- The port can always be shared by several processes: a socket that was opened without it stays so over every reload, and a second
  replica could never be added. That nobody shares it by mistake is seen to at the start (``process.start``).
- A node that was down answers its check for ``back_seconds`` before it gets clients again: one that boots answers 200 while it lets everybody in, then
  nobody, and a cluster of its own that looks for the others does so for 12 s (docs/emqx/cluster.md#a-joining-node-lets-everybody-in). Whoever
  has asked it more than a health check can puts it back at once (``set_server``).
- No ``on-marked-down shutdown-sessions``: an evacuating node is DOWN for new clients and must keep those it has.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import Field

from components.cutover.words import Edition
from components.emqx.errors import BadInput
from components.emqx.models import ClusterHandle, Node
from components.emqx.registry import dialect_of
from components.ledger.base import STATES
from components.ledger.config_map import MEMORY
from components.routers.haproxy.frontends import Bind, bound, frontends
from components.routers.haproxy.names import backend, server_name
from components.routers.haproxy.process import ADMIN, STATE
from components.system.address import bracketed, parsed
from components.value import Value

BUFFER_BYTES = 131_072
"""Holds the CONNECTs that EMQX takes and a 16 KB buffer refused: large wills, passwords that are tokens, user properties."""

CHECK_MILLISECONDS = 500
BACK_SECONDS = 13.0
"""Longer than any node was seen to answer 200 before it was right: 12 s as a cluster of its own, 2.7 s at a restart (docs/emqx/cluster.md#fresh-start)."""


class Side(Value):
    """One declared colour behind the balancer."""

    cluster: ClusterHandle
    edition: Edition


class HaproxySettings(Value):
    """What the configuration depends on.

    ``admin`` are ``host:port``; a unix admin socket ``admin.sock`` beside the configuration is always there.
    Who reaches an admin port may move every client, it knows no password: only for networks that nobody else is in.
    ``maps`` is the directory of the maps, absolute or relative to the configuration. ``max_connections`` counts clients (two
    files each); without it HAProxy takes what its file limit allows. ``back_seconds`` is how long a node that was down answers its check first. With a ``ready_port`` (of ``ready_host``) it says there whether it listens; what is a ``pod`` has nothing beside
    its configuration that it could write to, so no unix socket and no states of before. ``beside`` (with its slash) stands before the socket and the states of before, which HAProxy looks for where it was started.
    """

    binds: tuple[Bind, ...] = Field(min_length=1)
    sides: tuple[Side, ...] = Field(min_length=1, max_length=2)
    admin: tuple[str, ...] = ()
    maps: str = "."
    max_connections: int | None = Field(default=None, gt=0)
    back_seconds: float = Field(default=BACK_SECONDS, ge=1)
    log: bool = False
    ready_port: int | None = Field(default=None, gt=0)
    ready_host: str = "*"
    pod: bool = False
    beside: str = ""

    @property
    def websocket(self) -> bool:
        """Whether it listens for WebSocket."""
        return any(bind.websocket for bind in self.binds)

    @property
    def names_clients(self) -> bool:
        """Whether clients prove who they are by a certificate, whose name is for the brokers."""
        return any(bind.client_ca is not None for bind in self.binds)


def render(settings: HaproxySettings) -> str:
    """The whole configuration file.

    Raises:
        BadInput: an address or a path that cannot stand in it, the same colour or node twice.

    """
    _check(settings)
    colours = [side.cluster.colour for side in settings.sides]
    blocks = [_global(settings), _defaults(settings), *frontends(settings.binds, colours, settings.maps)]
    if settings.ready_port is not None:
        blocks.append(_ready(settings.ready_host, settings.ready_port))
    blocks += [_backend(side, settings) for side in settings.sides]
    if settings.websocket:
        blocks += [_backend_ws(side, names_clients=settings.names_clients) for side in settings.sides]
    if any(
        _resolved(node.mqtt) or _resolved(node.ws or ":0") for side in settings.sides for node in side.cluster.nodes
    ):
        blocks.append(_resolvers())
    return "\n".join("\n".join(block) + "\n" for block in blocks)


def _check(settings: HaproxySettings) -> None:
    colours = [side.cluster.colour for side in settings.sides]
    nodes = [node for side in settings.sides for node in side.cluster.nodes]
    places = [*settings.admin, *(node.mqtt for node in nodes), *(node.ws for node in nodes if node.ws is not None)]
    apis = [node.api for node in nodes if not re.fullmatch(r"https?://[\w.:\[\]-]+/?", node.api)]
    wrong = [
        *(odd for bind in settings.binds for odd in bind.odd),
        *(f"address {place}" for place in places if not re.fullmatch(r"[\w.:\[\]-]*:\d+", place)),
        *(f"API address {api}" for api in apis),
        *(f"node {node.name} without ws" for node in nodes if settings.websocket and node.ws is None),
        *([f"maps {settings.maps}"] if not re.fullmatch(r"[\w./-]+", settings.maps) else []),
        *([f"colour {colours[0]} twice"] if len(set(colours)) < len(colours) else []),
        *(
            f"node {node.name} twice"
            for side in settings.sides
            for node in side.cluster.nodes[1:]
            if _twice(side, node)
        ),
    ]
    if wrong:
        raise BadInput(
            "HAProxy's configuration", seen=", ".join(wrong), todo="give host:port, http://host:port, plain paths"
        )


def _twice(side: Side, node: Node) -> bool:
    return sum(other.name == node.name for other in side.cluster.nodes) > 1


def _global(settings: HaproxySettings) -> Iterator[str]:
    yield "global"
    yield "  master-worker"
    yield "  default-path config"  # names relative to this file, so that no path is too long or has odd characters
    if not settings.pod:
        yield f"  stats socket unix@{settings.beside}{ADMIN} mode 600 level admin expose-fd listeners"
        yield f"  server-state-file {settings.beside}{STATE}"
    else:
        yield f"  server-state-file {settings.maps}/{MEMORY}{STATES}"
    for place in settings.admin:
        yield f"  stats socket {bound(place)} level admin"
    yield "  stats timeout 1m"
    yield f"  tune.bufsize {BUFFER_BYTES}"
    if any(bind.certificate is not None for bind in settings.binds):
        yield "  ssl-default-bind-options ssl-min-ver TLSv1.2"
    if settings.max_connections is not None:
        yield f"  maxconn {settings.max_connections}"
    if settings.log:
        yield "  log stdout format raw local0 info"


def _defaults(settings: HaproxySettings) -> Iterator[str]:
    yield "defaults"
    yield "  mode tcp"
    yield "  load-server-state-from-file global"
    if settings.log:
        yield "  log global"
        yield "  option tcplog"
    # MQTT connections live for weeks, and a subscriber without keep-alive is silent as long; 24 days is HAProxy's longest.
    # Dead peers are EMQX's keep-alive's business, and TCP's.
    yield "  timeout client 24d"
    yield "  timeout server 24d"
    yield "  timeout connect 5s"
    yield "  timeout queue 5s"
    yield "  timeout check 2s"  # a loaded API took 250 ms (docs/emqx/sessions.md#making-many); a hanging one is down after two of these
    yield "  timeout client-fin 10s"
    yield "  timeout server-fin 10s"
    yield "  option clitcpka"
    yield "  option srvtcpka"
    for end in ("cli", "srv"):
        yield f"  {end}tcpka-idle 60s"
        yield f"  {end}tcpka-intvl 10s"
        yield f"  {end}tcpka-cnt 6"
    yield "  retries 3"
    yield "  option redispatch 1"  # a node that refuses is left for the next one at once


def _ready(host: str, port: int) -> list[str]:
    """Where a kubelet asks, or a Network Load Balancer connects: it is answered as long as new clients are taken."""
    return ["frontend ready", "  mode http", f"  bind {host}:{port}", "  timeout client 5s", "  monitor-uri /ready"]


def _backend(side: Side, settings: HaproxySettings) -> Iterator[str]:
    yield f"backend {backend(side.cluster.colour)}"
    yield "  balance leastconn"
    yield f"  option httpchk GET {dialect_of(side.cluster.version).health_check(side.edition)}"
    yield "  http-check expect status 200"
    rise = math.ceil(1000 * settings.back_seconds / CHECK_MILLISECONDS)
    yield f"  default-server check inter {CHECK_MILLISECONDS}ms fall 2 rise {rise} init-addr last,libc,none"
    header = _header(side, names_clients=settings.names_clients)
    for node in side.cluster.nodes:
        yield f"  server {' '.join([server_name(node.name), node.mqtt, *_check_words(node), *header, *_resolved(node.mqtt)])}"


def _backend_ws(side: Side, *, names_clients: bool) -> Iterator[str]:
    """The same servers at their other port: they follow the first ones in health, and in what is said of them on the socket."""
    first, name = (backend(side.cluster.colour, websocket=websocket) for websocket in (False, True))
    yield f"backend {name}"
    yield "  balance leastconn"
    yield "  default-server init-addr last,libc,none"
    header = _header(side, names_clients=names_clients)
    for node in side.cluster.nodes:
        server, place = server_name(node.name), node.ws or ""
        yield f"  server {' '.join([server, place, f'track {first}/{server}', *header, *_resolved(place)])}"


def _check_words(node: Node) -> Iterator[str]:
    api = urlsplit(node.api)
    port = api.port or (443 if api.scheme == "https" else 80)
    mqtt = parsed(node.mqtt)
    if not (mqtt.is_name and mqtt.host == api.hostname):
        yield f"addr {bracketed(api.hostname or '')}"
    # a name is looked up once for `addr`, and again and again for the server, whose address the check has then
    yield f"port {port}"
    if api.scheme == "https":
        yield "check-ssl verify none"  # one open GET without credentials: nothing to steal


def _header(side: Side, *, names_clients: bool) -> list[str]:
    """The PROXY header; with the name in the client's certificate where any has one (docs/emqx/balancer.md#the-name-in-a-clients-certificate)."""
    if not side.cluster.proxy_protocol:
        return []
    return ["send-proxy-v2-ssl-cn" if names_clients else "send-proxy-v2"]


def _resolved(place: str) -> list[str]:
    """A host name, whose address may change under it (pods)."""
    return ["resolvers system"] if parsed(place).is_name else []


def _resolvers() -> Iterator[str]:
    yield "resolvers system"
    yield "  parse-resolv-conf"
    yield "  hold valid 5s"
