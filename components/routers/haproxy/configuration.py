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
- No ``on-marked-down shutdown-sessions``: an evacuating node is DOWN for new clients and must keep those it has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import Field

from components.cutover.words import PARTS, Edition
from components.emqx.errors import BadInput
from components.emqx.models import ClusterHandle, Node
from components.emqx.registry import dialect_of
from components.ledger import files as maps
from components.routers.haproxy.names import server_name
from components.routers.haproxy.process import ADMIN, STATE
from components.system.address import bracketed, parsed
from components.value import Value

BUFFER_BYTES = 131_072
"""Holds the CONNECTs that EMQX takes and a 16 KB buffer refused: large wills, passwords that are tokens, user properties."""

_BRIDGE = (("4", "00044d51545484", 10), ("3", "00064d514973647083", 12))
"""Level, protocol name and level with the bridge bit, bytes from the end of the fixed header to the client id: HAProxy's own
parser refuses these (docs/emqx/balancer.md#connects-that-need-care). The CONNECT's remaining length takes 1 to 3 bytes."""


class Side(Value):
    """One declared colour behind the balancer."""

    cluster: ClusterHandle
    edition: Edition


class HaproxySettings(Value):
    """What the configuration depends on.

    ``listen`` and ``admin`` are ``host:port``; a unix admin socket ``admin.sock`` beside the configuration is always there.
    Who reaches an admin port may move every client, it knows no password: only for networks that nobody else is in.
    ``maps`` is the directory of the maps, absolute or relative to the configuration. ``max_connections`` counts clients (two
    files each); without it HAProxy takes what its file limit allows.
    """

    listen: tuple[str, ...] = Field(min_length=1)
    sides: tuple[Side, ...] = Field(min_length=1, max_length=2)
    admin: tuple[str, ...] = ()
    maps: str = "."
    max_connections: int | None = Field(default=None, gt=0)
    log: bool = False


def render(settings: HaproxySettings) -> str:
    """The whole configuration file.

    Raises:
        BadInput: an address or a path that cannot stand in it, the same colour or node twice.

    """
    _check(settings)
    blocks = [_global(settings), _defaults(settings), _frontend(settings), *map(_backend, settings.sides)]
    if any(_is_name(node) for side in settings.sides for node in side.cluster.nodes):
        blocks.append(_resolvers())
    return "\n".join("\n".join(block) + "\n" for block in blocks)


def _check(settings: HaproxySettings) -> None:
    colours = [side.cluster.colour for side in settings.sides]
    nodes = [node for side in settings.sides for node in side.cluster.nodes]
    places = [*settings.listen, *settings.admin, *(node.mqtt for node in nodes)]
    apis = [node.api for node in nodes if not re.fullmatch(r"https?://[\w.:\[\]-]+/?", node.api)]
    wrong = [
        *(f"address {place}" for place in places if not re.fullmatch(r"[\w.:\[\]-]*:\d+", place)),
        *(f"API address {api}" for api in apis),
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
    yield f"  stats socket unix@{ADMIN} mode 600 level admin expose-fd listeners"
    for place in settings.admin:
        yield f"  stats socket {_bound(place)} level admin"
    yield "  stats timeout 1m"
    yield f"  server-state-file {STATE}"
    yield f"  tune.bufsize {BUFFER_BYTES}"
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


def _frontend(settings: HaproxySettings) -> Iterator[str]:
    content = "  tcp-request content"
    colours = [side.cluster.colour for side in settings.sides]
    yield "frontend mqtt"
    for place in settings.listen:
        yield f"  bind {_bound(place)}"
    yield "  tcp-request inspect-delay 30s"  # EMQX waits 15 s for a CONNECT and for the rest of it (docs/emqx/balancer.md#connects-that-need-care)
    yield f"{content} reject unless {{ req.payload(0,1) -m bin 10 }}"
    yield from _bridge(content)
    valid = "{ req.payload(0,0),mqtt_is_valid }"
    yield f"{content} reject unless {{ var(sess.br) -m found }} or {valid}"
    field = "req.payload(0,0),mqtt_field_value(connect,client_identifier)"
    yield f"{content} set-var(sess.cid) {field} unless {{ var(sess.br) -m found }}"
    yield f"{content} set-var(sess.h) var(sess.cid),crc32,mod({PARTS})"
    # without an id there is no cohort: a new random one at each connect, none of them below 0, all of them below 10000
    yield f"{content} set-var(sess.h) rand({PARTS}) unless {{ var(sess.cid) -m found }} !{{ var(sess.cid) -m len 0 }}"
    yield f"{content} set-var(sess.share) str({maps.SHARE_KEY}),map_str_int({settings.maps}/{maps.SHARE},0)"
    green = "{ var(sess.h),sub(sess.share) lt 0 }"
    if len(colours) > 1:
        yield f"{content} reject if {green} {{ nbsrv(green) eq 0 }}"
        yield f"{content} reject if !{green} {{ nbsrv(blue) eq 0 }}"
        yield f"  use_backend green if {green}"
        yield "  default_backend blue"
    else:
        yield f"{content} reject if {{ nbsrv({colours[0]}) eq 0 }}"
        yield f"  default_backend {colours[0]}"


def _bridge(content: str) -> Iterator[str]:
    for level, name, distance in _BRIDGE:
        for length in (1, 2, 3):
            yield f"  acl bridge{level}_{length} req.payload({1 + length},{len(name) // 2}) -m bin {name}"
            at = 1 + length + distance
            yield f"{content} set-var(sess.cid) req.payload_lv({at},2) if bridge{level}_{length}"
            yield f"{content} set-var(sess.br) int(1) if bridge{level}_{length}"


def _backend(side: Side) -> Iterator[str]:
    yield f"backend {side.cluster.colour}"
    yield "  balance leastconn"
    yield f"  option httpchk GET {dialect_of(side.cluster.version).health_check(side.edition)}"
    yield "  http-check expect status 200"
    yield "  default-server check inter 500ms fall 2 rise 2 init-addr last,libc,none"
    for node in side.cluster.nodes:
        yield f"  server {_server(node, proxied=side.cluster.proxy_protocol)}"


def _server(node: Node, *, proxied: bool) -> str:
    api = urlsplit(node.api)
    port = api.port or (443 if api.scheme == "https" else 80)
    words = [server_name(node.name), node.mqtt, f"addr {bracketed(api.hostname or '')} port {port}"]
    if api.scheme == "https":
        words.append("check-ssl verify none")  # one open GET without credentials: nothing to steal
    if proxied:
        words.append("send-proxy-v2")
    if _is_name(node):
        words.append("resolvers system")
    return " ".join(words)


def _is_name(node: Node) -> bool:
    """A host name, whose address may change under it (pods)."""
    return parsed(node.mqtt).is_name


def _resolvers() -> Iterator[str]:
    yield "resolvers system"
    yield "  parse-resolv-conf"
    yield "  hold valid 5s"


def _bound(place: str) -> str:
    """``:1883`` is every address of IPv4, for which HAProxy's own word is ``*:1883``; ``[::]:1883`` is every address, whatever the system's default."""
    if place.startswith("[::]:"):
        return f"{place} v4v6"
    return f"*{place}" if place.startswith(":") else place
