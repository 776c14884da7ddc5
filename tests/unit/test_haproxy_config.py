"""The configuration is a function of the settings; what cannot stand in it is refused with its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.words import Colour
from components.emqx.errors import BadInput
from components.emqx.models import ClusterHandle, Node
from components.routers.haproxy.configuration import HaproxySettings, Side, render
from components.routers.haproxy.names import node_name, server_name
from tests.handles import node_at

pytestmark = pytest.mark.unit


def node(number: int = 1, *, host: str = "10.0.0", scheme: str = "http") -> Node:
    return node_at(f"{host}.{number}", scheme=scheme)


def side(colour: Colour = "blue", *nodes: Node, proxy_protocol: bool = False) -> Side:
    cluster = ClusterHandle(colour=colour, nodes=nodes or (node(),), version="5.8.6", proxy_protocol=proxy_protocol)
    return Side(cluster=cluster, edition="ee")


def settings(**values: object) -> HaproxySettings:
    return HaproxySettings.model_validate({"listen": (":1883",), "sides": (side(),), **values})


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
    assert servers[0] == (
        "server emqx:40pod-0.emqx pod-0.emqx:1883 addr pod-0.emqx port 443 check-ssl verify none resolvers system"
    )
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


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        ({"listen": ("127.0.0.1",)}, "address 127.0.0.1"),
        ({"listen": (":1883\nglobal",)}, "address :1883\nglobal"),
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
