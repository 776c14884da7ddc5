"""The configuration is a function of the settings; what cannot stand in it is refused with its name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.words import Colour
from components.emqx.errors import BadInput
from components.emqx.models import ClusterHandle, Node
from components.routers.haproxy.configuration import HaproxySettings, Side, render
from components.routers.haproxy.frontends import Bind
from components.routers.haproxy.names import colour_of, node_name, server_name
from tests.handles import node_at

pytestmark = pytest.mark.unit


def node(number: int = 1, *, host: str = "10.0.0", scheme: str = "http") -> Node:
    return node_at(f"{host}.{number}", scheme=scheme)


def side(colour: Colour = "blue", *nodes: Node, proxy_protocol: bool = False) -> Side:
    cluster = ClusterHandle(colour=colour, nodes=nodes or (node(),), version="5.8.6", proxy_protocol=proxy_protocol)
    return Side(cluster=cluster, edition="ee")


def settings(**values: object) -> HaproxySettings:
    return HaproxySettings.model_validate({"binds": (Bind(address=":1883"),), "sides": (side(),), **values})


def lines(**values: object) -> list[str]:
    return [line.strip() for line in render(settings(**values)).splitlines()]


def test_the_same_settings_give_the_same_text() -> None:
    assert render(settings()) == render(settings())


def test_each_edition_is_asked_what_it_answers() -> None:
    ce = side().model_copy(update={"edition": "ce"})
    assert "option httpchk GET /api/v5/load_rebalance/availability_check" in lines()
    assert "option httpchk GET /status" in lines(sides=(ce,))


def test_only_a_colour_that_wants_it_gets_the_proxy_header() -> None:
    text = lines(sides=(side("blue"), side("green", node(2), proxy_protocol=True)))
    assert [line.endswith("send-proxy-v2") for line in text if line.startswith("server ")] == [False, True]


def test_one_colour_alone_is_everybodys() -> None:
    assert "default_backend green" in lines(sides=(side("green"),))
    assert not any("use_backend" in line for line in lines(sides=(side("green"),)))


def test_host_names_are_looked_up_again_and_addresses_are_not() -> None:
    named = Node(name="emqx@pod-0.emqx", api="https://pod-0.emqx", mqtt="pod-0.emqx:1883")
    text = lines(sides=(side("blue", named, node(2)),))
    servers = [line for line in text if line.startswith("server ")]
    assert servers[0] == ("server emqx:40pod-0.emqx pod-0.emqx:1883 port 443 check-ssl verify none resolvers system")
    assert "resolvers" not in servers[1]
    assert "resolvers system" in text
    assert "resolvers system" not in lines()


def test_numbers_and_files_are_parameters() -> None:
    text = lines(max_connections=9000, log=True, maps="../maps", admin=("127.0.0.1:9999",))
    assert "maxconn 9000" in text
    assert "stats socket 127.0.0.1:9999 level admin" in text
    assert any("../maps/share.map" in line for line in text)
    assert any(line.startswith("log stdout") for line in text)
    assert "noreuseport" not in text, "a second replica may be added to a running one"
    assert not any(line.startswith(("log ", "maxconn")) for line in lines())
    assert "bind *:1883" in text


CERTIFIED = {"certificate": "../tls/a.pem"}


def frontend(text: list[str], name: str) -> list[str]:
    """The lines of a block that a frontend or a backend begins."""
    begin = next(index for index, line in enumerate(text) if line in {f"frontend {name}", f"backend {name}"})
    end = next((index for index in range(begin + 1, len(text)) if not text[index]), len(text))
    return text[begin + 1 : end]


def bound(*binds: dict[str, Any], sides: tuple[Side, ...] = ()) -> list[str]:
    """The lines of a balancer with these binds, at ports of their own."""
    made = tuple(Bind(address=f":{1883 + index}", **bind) for index, bind in enumerate(binds))
    return [line.strip() for line in render(settings(binds=made, sides=sides or (side(),))).split("\n")]


def with_ws(colour: Colour, number: int) -> Side:
    return side(colour, node(number).model_copy(update={"ws": f"10.0.0.{number}:8083"}), proxy_protocol=True)


def test_one_plain_listener_is_as_it_always_was() -> None:
    text = lines(sides=(side("blue", proxy_protocol=True), side("green", node(2), proxy_protocol=True)))
    assert [line for line in text if line.startswith(("bind", "frontend", "backend"))] == [
        "frontend mqtt",
        "bind *:1883",
        "backend blue",
        "backend green",
    ]
    assert not any("ssl" in line for line in text)


def test_a_client_has_the_same_cohort_at_each_listener_that_shows_its_id() -> None:
    text = bound({}, {"protocol": "mqtts", **CERTIFIED}, {"accept_proxy": True})
    assert [line for line in frontend(text, "mqtt") if line.startswith("bind")] == [
        "bind *:1883",
        "bind *:1884 ssl crt ../tls/a.pem",
        "bind *:1885 accept-proxy",
    ]
    assert sum("mqtt_field_value" in line for line in text) == 1
    assert "ssl-default-bind-options ssl-min-ver TLSv1.2" in text


def test_a_certificate_is_demanded_of_clients_where_authorities_are_given_and_its_name_handed_on() -> None:
    named = {"protocol": "mqtts", **CERTIFIED, "client_ca": "../tls/ca.pem"}
    text = bound({}, named, sides=(side("blue", proxy_protocol=True), side("green", node(2))))
    assert "bind *:1884 ssl crt ../tls/a.pem ca-file ../tls/ca.pem verify required" in text
    servers = [line.rpartition(" ")[2] for line in text if line.startswith("server ")]
    assert servers == ["send-proxy-v2-ssl-cn", "18083"], "no header where the colour wants none"


def test_websocket_goes_to_the_other_port_of_the_same_servers_and_follows_their_state() -> None:
    text = bound({"protocol": "ws"}, {"protocol": "wss", **CERTIFIED}, sides=(with_ws("blue", 1), with_ws("green", 2)))
    assert "frontend mqtt" not in text
    assert [line for line in frontend(text, "mqtt_ws") if line.startswith("bind")] == [
        "bind *:1883",
        "bind *:1884 ssl crt ../tls/a.pem alpn http/1.1",
    ]
    assert frontend(text, "green_ws")[-1] == (
        "server emqx:4010.0.0.2 10.0.0.2:8083 track green/emqx:4010.0.0.2 send-proxy-v2"
    )
    assert "use_backend green_ws if { var(sess.h),sub(sess.share) lt 0 }" in text
    assert "tcp-request content reject if !{ var(sess.h),sub(sess.share) lt 0 } { nbsrv(blue_ws) eq 0 }" in text


def test_a_client_whose_id_is_masked_is_known_by_its_address() -> None:
    (cohort,) = [line for line in bound({"protocol": "ws"}, sides=(with_ws("blue", 1),)) if "set-var(sess.h)" in line]
    assert cohort.endswith("src,crc32,mod(10000)")


def test_every_backend_is_a_colours() -> None:
    text = bound({}, {"protocol": "ws"}, sides=(with_ws("blue", 1), with_ws("green", 2)))
    names = [line.partition(" ")[2] for line in text if line.startswith("backend ")]
    assert [colour_of(name) for name in names] == ["blue", "green", "blue", "green"]
    assert colour_of("mqtt") is None


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"binds": (Bind(address="127.0.0.1"),)}, "address 127.0.0.1"),
        ({"binds": (Bind(address=":1883\nglobal"),)}, "address :1883\nglobal"),
        ({"binds": (Bind(address=":1", certificate="a b"),)}, "file a b"),
        ({"binds": (Bind(address=":1", protocol="ws"),)}, "node emqx@10.0.0.1 without ws"),
        ({"sides": (side("blue", node().model_copy(update={"ws": "x y"})),)}, "address x y"),
        ({"admin": ("x y:1",)}, "address x y:1"),
        ({"maps": "a b"}, "maps a b"),
        ({"sides": (side(), side())}, "colour blue twice"),
        ({"sides": (side("blue", node(1), node(1)),)}, "node emqx@10.0.0.1 twice"),
        ({"sides": (side("blue", node(scheme="ftp")),)}, "API address ftp://10.0.0.1:18083"),
    ],
)
def test_what_cannot_stand_in_it_is_refused_by_name(values: dict[str, object], seen: str) -> None:
    with pytest.raises(BadInput) as refused:
        render(settings(**values))
    assert seen in refused.value.seen


@given(st.text(min_size=1))
def test_every_node_name_survives_as_a_server_name(name: str) -> None:
    safe = server_name(name)
    assert node_name(safe) == name
    assert safe.isascii()
    assert all(letter.isalnum() or letter in "-_.:" for letter in safe)
