"""HAProxy's listening side: binds with TLS and PROXY headers, what of a connection is looked at, and to which colour it goes.

The rule: all MQTT that can be read stands in the one frontend ``mqtt``, whatever carried it there, so that a client has the same cohort at
each listener. WebSocket is ``mqtt_ws``: its frames are masked, so nobody sees a client id. There the cohort is that of the client's
address: who comes back by itself does not go to and fro between the colours, and who is moved is moved with everybody else, in the last step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from components.cutover.words import PARTS, WEBSOCKET, Carried, Colour
from components.ledger import files as maps
from components.routers.haproxy.names import backend
from components.value import Value

_BRIDGE = (("4", "00044d51545484", 10), ("3", "00064d514973647083", 12))
"""Level, protocol name and level with the bridge bit, bytes from the end of the fixed header to the client id: HAProxy's own
parser refuses these (docs/emqx/balancer.md#connects-that-need-care). The CONNECT's remaining length takes 1 to 3 bytes."""
_CONTENT = "  tcp-request content"


class Bind(Value):
    """One address that is listened on.

    ``certificate`` and ``client_ca`` are files, relative to the configuration: a chain with its key, and the authorities of whose clients
    a certificate is demanded. ``accept_proxy`` is whether each connection begins with the PROXY header of a balancer in front.
    """

    address: str
    protocol: Carried = "mqtt"
    certificate: str | None = None
    client_ca: str | None = None
    accept_proxy: bool = False

    @property
    def websocket(self) -> bool:
        """Whether its clients speak WebSocket."""
        return self.protocol in WEBSOCKET

    @property
    def odd(self) -> list[str]:
        """What cannot stand in a configuration."""
        files = [file for file in (self.certificate, self.client_ca) if file is not None]
        return [
            *([] if re.fullmatch(r"[\w.:\[\]-]*:\d+", self.address) else [f"address {self.address}"]),
            *(f"file {file}" for file in files if not re.fullmatch(r"[\w./-]+", file)),
        ]


def frontends(binds: Sequence[Bind], colours: Sequence[Colour], directory: str) -> Iterator[list[str]]:
    """The frontends of these binds; ``directory`` is where the maps are."""
    plain = [bind for bind in binds if not bind.websocket]
    if plain:
        yield [*_begin("mqtt", plain), *_cohort(), *_route(colours, directory, websocket=False)]
    masked = [bind for bind in binds if bind.websocket]
    if masked:
        yield [*_begin("mqtt_ws", masked), *_cohort_of_address(), *_route(colours, directory, websocket=True)]


def _begin(name: str, binds: Sequence[Bind]) -> Iterator[str]:
    yield f"frontend {name}"
    for bind in binds:
        yield f"  bind {' '.join(_words(bind))}"
    yield "  tcp-request inspect-delay 30s"  # EMQX waits 15 s for a CONNECT and for the rest of it (docs/emqx/balancer.md#connects-that-need-care)


def _words(bind: Bind) -> Iterator[str]:
    yield bound(bind.address)
    if bind.accept_proxy:
        yield "accept-proxy"
    if bind.certificate is not None:
        yield f"ssl crt {bind.certificate}"
        if bind.client_ca is not None:
            yield f"ca-file {bind.client_ca} verify required"
        if bind.websocket:
            yield "alpn http/1.1"  # a browser would take HTTP/2 where it may, which no EMQX listener speaks


def _cohort() -> Iterator[str]:
    yield f"{_CONTENT} reject unless {{ req.payload(0,1) -m bin 10 }}"
    yield from _bridge()
    valid = "{ req.payload(0,0),mqtt_is_valid }"
    yield f"{_CONTENT} reject unless {{ var(sess.br) -m found }} or {valid}"
    field = "req.payload(0,0),mqtt_field_value(connect,client_identifier)"
    yield f"{_CONTENT} set-var(sess.cid) {field} unless {{ var(sess.br) -m found }}"
    yield f"{_CONTENT} set-var(sess.h) var(sess.cid),crc32,mod({PARTS})"
    # without an id there is no cohort: a new random one at each connect, none of them below 0, all of them below 10000
    yield f"{_CONTENT} set-var(sess.h) rand({PARTS}) unless {{ var(sess.cid) -m found }} !{{ var(sess.cid) -m len 0 }}"


def _cohort_of_address() -> Iterator[str]:
    yield f'{_CONTENT} reject unless {{ req.payload(0,4) -m str "GET " }}'
    yield f"{_CONTENT} set-var(sess.h) src,crc32,mod({PARTS})"


def _route(colours: Sequence[Colour], directory: str, *, websocket: bool) -> Iterator[str]:
    names = [backend(colour, websocket=websocket) for colour in colours]
    yield f"{_CONTENT} set-var(sess.share) str({maps.SHARE_KEY}),map_str_int({directory}/{maps.SHARE},0)"
    if len(names) == 1:
        yield f"{_CONTENT} reject if {{ nbsrv({names[0]}) eq 0 }}"
        yield f"  default_backend {names[0]}"
        return
    blue, green = (backend(colour, websocket=websocket) for colour in ("blue", "green"))
    chosen = "{ var(sess.h),sub(sess.share) lt 0 }"
    yield f"{_CONTENT} reject if {chosen} {{ nbsrv({green}) eq 0 }}"
    yield f"{_CONTENT} reject if !{chosen} {{ nbsrv({blue}) eq 0 }}"
    yield f"  use_backend {green} if {chosen}"
    yield f"  default_backend {blue}"


def _bridge() -> Iterator[str]:
    for level, name, distance in _BRIDGE:
        for length in (1, 2, 3):
            yield f"  acl bridge{level}_{length} req.payload({1 + length},{len(name) // 2}) -m bin {name}"
            at = 1 + length + distance
            yield f"{_CONTENT} set-var(sess.cid) req.payload_lv({at},2) if bridge{level}_{length}"
            yield f"{_CONTENT} set-var(sess.br) int(1) if bridge{level}_{length}"


def bound(place: str) -> str:
    """``:1883`` is every address of IPv4, for which HAProxy's own word is ``*:1883``; ``[::]:1883`` is every address, whatever the system's default."""
    if place.startswith("[::]:"):
        return f"{place} v4v6"
    return f"*{place}" if place.startswith(":") else place
