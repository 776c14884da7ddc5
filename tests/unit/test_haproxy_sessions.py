"""What HAProxy prints of connections and servers is read as it was printed (2.8.25), and what is written for it is read back the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cutover.words import COLOURS, Colour
from components.ledger.base import SERVERS, STATES
from components.routers.base import ServerState
from components.routers.haproxy.names import server_name
from components.routers.haproxy.servers import Standing, beginning, listed, relisted, standing
from components.routers.haproxy.sessions import Details, Line, details, lines
from components.routers.share import kept_out, out_of_service, remembering
from components.system.address import peer

pytestmark = pytest.mark.unit

LISTED = """\
0x3b4f31e0: proto=tcpv4 src=127.0.0.1:39040 fe=mqtt be=blue srv=a ts=00 epoch=0 age=20828d14h calls=2 rate=0 cpu=0 lat=0 rq[f=848101h,i=0,an=00h,ax=]
0x3b4f2840: proto=tcpv6 src=::1:52926 fe=mqtt be=green srv=a ts=00 epoch=0 age=20828d14h calls=2 rate=0 cpu=0 lat=0 rq[f=848101h,i=0,an=00h,ax=]
0x3b4f2330: proto=unix_stream src=unix:1 fe=GLOBAL be=<NONE> srv=<none> ts=00 epoch=0 age=0s calls=1 rate=0 cpu=0 lat=0 rq[f=808001h,i=0,an=00h,ax=]

"""
DETAILED = """\
0x3b4f31e0: [29/Nov/2026:11:24:03.689071] id=7 proto=tcpv4 source=127.0.0.1:39040
  flags=0x4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x3b489660, pend_pos=(nil) waiting=0 epoch=0
  frontend=mqtt (id=2 mode=tcp), listener=? (id=1) addr=127.44.1.1:1883
  backend=blue (id=3 mode=tcp) addr=127.0.0.1:35294
  server=a (id=1) addr=127.44.1.2:1883

Session not found.

0x3b4f2840: [29/Nov/2026:11:24:04.096215] id=12 proto=tcpv6 source=::1:52926
  flags=0x4a, conn_retries=0, conn_exp=<NEVER> conn_et=0x000 srv_conn=0x318c6660, pend_pos=(nil) waiting=0 epoch=0
  frontend=mqtt (id=2 mode=tcp), listener=? (id=1) addr=::1:1883
  backend=green (id=4 mode=tcp) addr=127.0.0.1:46226
  server=a (id=1) addr=127.44.1.2:1883

"""
CONFIGURATION = """\
backend blue
  balance leastconn
  server emqx:4010.0.0.1 10.0.0.1:1883 addr 10.0.0.1 port 18083
  server emqx:4010.0.0.2 10.0.0.2:1884 addr 10.0.0.2 port 18083

backend green
  balance leastconn
  server emqx:40green1 [fd00::1]:1883 addr [fd00::1] port 18083
"""
NODES: dict[Colour, list[str]] = {"blue": ["emqx@10.0.0.1", "emqx@10.0.0.2"], "green": ["emqx@green1"]}


def told(answer: str) -> list[str]:
    """As it is read, line by line."""
    return answer.splitlines(keepends=True)


def test_the_list_names_place_client_and_backend() -> None:
    assert list(lines(told(LISTED))) == [
        Line("0x3b4f31e0", "127.0.0.1:39040", "blue"),
        Line("0x3b4f2840", "::1:52926", "green"),
    ]


def test_the_details_name_the_connection_and_its_own_end() -> None:
    assert list(details(told(DETAILED))) == [
        Details("0x3b4f31e0", 7, "127.0.0.1:39040", "127.0.0.1:35294", "blue"),
        Details("0x3b4f2840", 12, "::1:52926", "127.0.0.1:46226", "green"),
    ]


@given(st.integers(0, len(DETAILED)), st.integers(0, len(LISTED)))
def test_an_answer_that_is_cut_off_names_no_wrong_connection(cut: int, line: int) -> None:
    assert set(details(told(DETAILED[:cut]))) <= set(details(told(DETAILED)))
    assert set(lines(told(LISTED[:line]))) <= set(lines(told(LISTED)))


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("10.0.0.7", "10.0.0.7:1"),
        ("::ffff:10.0.0.7", "10.0.0.7:1"),
        ("fd00:0:0:0:0:0:0:7", "fd00::7:1"),
        ("FD00::7", "fd00::7:1"),
        ("unix", "unix:1"),
    ],
)
def test_broker_and_balancer_spell_an_address_alike(host: str, shown: str) -> None:
    assert peer(host, 1) == peer(host, "1") == shown


states = st.dictionaries(
    st.tuples(st.sampled_from(COLOURS), st.text(st.characters(exclude_categories=["Cs"]), min_size=1)),
    st.sampled_from(["maint", "drain"]),
)


@given(states, states)
def test_nodes_out_of_service_are_remembered_exactly(
    before: dict[tuple[Colour, str], ServerState], more: dict[tuple[Colour, str], ServerState]
) -> None:
    first = {SERVERS: kept_out({}, before) or ""}
    assert out_of_service(first) == before
    assert out_of_service({SERVERS: kept_out(first, more) or ""}) == {**before, **more}
    assert kept_out(first, dict.fromkeys(before, "ready")) is None


@given(
    st.dictionaries(st.sampled_from([(c, n) for c in COLOURS for n in NODES[c]]), st.sampled_from(["maint", "drain"]))
)
def test_a_process_begins_with_the_nodes_that_are_out_and_no_other(out: dict[tuple[Colour, str], ServerState]) -> None:
    named = {f"{colour}/{server_name(node)}": state for (colour, node), state in out.items()}
    wanted = {Standing(colour, node, state) for (colour, node), state in out.items()}
    assert set(standing(beginning(CONFIGURATION, named))) == wanted
    assert bool(beginning(CONFIGURATION, named)) == bool(out)


def test_what_a_running_process_says_of_a_server_goes_before() -> None:
    before = beginning(CONFIGURATION, {"blue/emqx:4010.0.0.1": "drain"})
    after = beginning(CONFIGURATION, {"blue/emqx:4010.0.0.1": "maint", "green/emqx:40green1": "maint"}, before)
    assert set(standing(after)) == {
        Standing("blue", "emqx@10.0.0.1", "drain"),
        Standing("green", "emqx@green1", "maint"),
    }


@given(states, states)
def test_the_file_of_pods_has_the_nodes_that_are_out_after_any_changes(
    before: dict[tuple[Colour, str], ServerState], more: dict[tuple[Colour, str], ServerState]
) -> None:
    ports = {where: 1000 + number for number, where in enumerate(sorted({*before, *more}))}
    text = relisted(listed(ports, before), more)
    assert text == listed(ports, {**before, **more})
    assert {((one.colour, one.node), one.state) for one in standing(text)} == {**before, **more}.items()
    assert set(standing(relisted(text, dict.fromkeys(ports, "ready")))) == set()


def test_what_is_remembered_for_pods_changes_with_what_is_remembered() -> None:
    where: tuple[Colour, str] = ("green", "emqx@green1")
    memory = {STATES: listed({where: 1884, ("blue", "emqx@blue1"): 1883}, {})}
    after = remembering(memory, {where: "maint", ("blue", "emqx@unknown"): "maint"})
    assert set(standing(after[STATES] or "")) == {Standing("green", "emqx@green1", "maint")}
    assert STATES not in remembering({}, {where: "maint"}), "processes of ours are told by us"
