"""The small parts: agenda, licence, durations, PROXY headers, rewrite, bans."""

from __future__ import annotations

import socket

import pytest

from lab.node.broker.agenda import Agenda
from lab.node.broker.proxy import Header, parse
from lab.node.kept.records import Ban
from lab.node.kept.store import Store
from lab.node.rules.bans import banned
from lab.node.rules.flapping import Flapping
from lab.node.rules.licence import Licence
from lab.node.rules.limits import rate, seconds, size
from lab.node.rules.rewrite import rewritten

pytestmark = pytest.mark.unit

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def test_the_agenda_calls_what_is_due_in_order_and_leaves_the_rest() -> None:
    agenda, called = Agenda(), []
    for due in (3.0, 1.0, 2.0):
        agenda.add(due, lambda due=due: called.append(due))  # type: ignore[misc]
    assert agenda.run(2.0) == 2
    assert called == [1.0, 2.0]
    assert len(agenda) == 1


def test_the_licence_believes_an_old_number() -> None:
    licence = Licence(25)
    seen = []
    for now in (0.0, 9.0, 10.0):
        licence.look(34 if now else 24, now)
        seen.append(licence.exceeded)
    assert seen == [False, False, True]
    assert not Licence(None).exceeded
    assert not Licence(0).exceeded


@pytest.mark.parametrize(
    ("text", "wanted"), [("2h", 7200.0), ("1m30s", 90.0), ("500ms", 0.5), (3, 3.0), ("3", 3.0), ("0s", 0.0)]
)
def test_durations_are_read_as_emqx_writes_them(text: str | int, wanted: float) -> None:
    assert seconds(text) == wanted


def test_a_duration_that_is_none_is_refused() -> None:
    for bad in ("bogus", "", "2h junk"):
        with pytest.raises(ValueError, match="duration"):
            seconds(bad)


def test_sizes_and_rates() -> None:
    assert (size("1MB"), size("4KB"), size(7)) == (1048576, 4096, 7)
    assert (rate("1000/s"), rate("60/m")) == (1000.0, 1.0)
    assert rate("infinity") > 1e9


def test_a_proxy_header_names_the_client_however_it_is_cut() -> None:
    v2 = (
        SIGNATURE
        + b"\x21\x11\x00\x0c"
        + socket.inet_aton("10.0.0.7")
        + socket.inet_aton("10.0.0.1")
        + b"\x04\xd2\x07\x5b"
    )
    v1 = b"PROXY TCP4 10.0.0.7 10.0.0.1 1234 1883\r\n"
    for header in (v1, v2):
        assert all(parse(header[:cut]) is None for cut in range(len(header)))
        assert parse(header + b"\x10") == Header(("10.0.0.7", 1234), len(header))


def test_a_proxy_header_names_the_client_as_its_certificate_does() -> None:
    addresses = socket.inet_aton("10.0.0.7") + socket.inet_aton("10.0.0.1") + b"\x04\xd2\x07\x5b"
    inner = b"\x21\x00\x07TLSv1.3" + b"\x22\x00\x08device-1"
    tls = b"\x07" + bytes(4) + inner
    more = b"\x03\x00\x04" + bytes(4) + b"\x20" + len(tls).to_bytes(2, "big") + tls
    header = SIGNATURE + b"\x21\x11" + (len(addresses) + len(more)).to_bytes(2, "big") + addresses + more
    assert all(parse(header[:cut]) is None for cut in range(len(header)))
    assert parse(header) == Header(("10.0.0.7", 1234), len(header), "device-1")
    nameless = header.replace(b"\x22\x00\x08", b"\x23\x00\x08")
    assert parse(nameless) == Header(("10.0.0.7", 1234), len(header))


def test_a_health_check_of_the_balancer_has_no_client() -> None:
    assert parse(SIGNATURE + b"\x20\x00\x00\x00") == Header(None, 16)
    assert parse(b"PROXY UNKNOWN\r\n") == Header(None, 15)


@pytest.mark.parametrize(
    "junk",
    [b"\x10\x0d\x00\x04MQTT", b"PROXY TCP9 a b c d\r\n", SIGNATURE + b"\x99\x11\x00\x00", b"PROXY " + b"x" * 200],
)
def test_what_is_no_proxy_header_is_refused(junk: bytes) -> None:
    with pytest.raises(ValueError, match=r"PROXY|address"):
        parse(junk)


def test_a_topic_is_rewritten_by_every_rule_that_selects_it() -> None:
    rules = [{"action": "publish", "source_topic": "old/#", "re": "^old/(.+)$", "dest_topic": "new/$1/${clientid}"}]
    assert rewritten(rules, "publish", "old/a", "c1", None) == "new/a/c1"
    assert rewritten(rules, "subscribe", "old/a", "c1", None) == "old/a"
    assert rewritten(rules, "publish", "other/a", "c1", None) == "other/a"


@pytest.mark.parametrize(
    ("kind", "who"),
    [
        ("clientid", "bad"), ("username", "eve"), ("peerhost", "10.9.0.1"), ("peerhost_net", "10.9.0.0/16"), ("clientid_re", "^ba"),
        ("username_re", "ve$"),
    ],
)  # fmt: skip
def test_a_ban_of_each_kind_keeps_its_client_out_until_it_ends(kind: str, who: str) -> None:
    store = Store()
    store.banned[kind, who] = Ban(kind, who, until=100.0)  # type: ignore[arg-type]
    assert banned(store, "bad", "eve", "10.9.0.1", 99.0) is not None
    assert banned(store, "bad", "eve", "10.9.0.1", 100.0) is None
    assert banned(store, "good", "adam", "10.8.0.1", 99.0) is None


def test_who_disconnects_too_often_within_the_window_is_banned_for_a_while() -> None:
    store = Store()
    flapping = Flapping(store)
    for now in (float(second) for second in range(10)):
        flapping.disconnected("c", now)
    assert store.banned == {}
    store.put("flapping_detect", {"enable": True, "max_count": 3, "window_time": "10s", "ban_time": "1m"})
    flapping.configure()
    for now in (0.0, 11.0, 12.0):
        flapping.disconnected("c", now)
    assert store.banned == {}
    flapping.disconnected("c", 13.0)
    assert banned(store, "c", None, "10.0.0.1", 72.0) is not None
    assert banned(store, "c", None, "10.0.0.1", 73.0) is None
