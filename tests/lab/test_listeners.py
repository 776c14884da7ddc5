"""Real clients through TLS, client certificates, WebSocket and a balancer in front: a whole cutover, and a certificate that is renewed; told in order."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.cutover.cohort import belongs
from components.cutover.words import Colour, Mover, other
from components.system.address import parsed
from tests.certificates import Issued, issued
from tests.lab.balancer_bench import CONNACK, Connect
from tests.lab.devices import SECONDS
from tests.lab.listening_bed import CLIENTS, MUTUAL, PROXIED, TLS, WS, WSS, Foreign, ListeningBed, Paho, coming, until
from tests.lab.node_bed import allocated

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(240),
    # a foreign library that loses a WebSocket in TLS leaves its socket to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


MASKED = ("ws-2", "wss-0")
"""By WebSocket; their ids are below 10 % of the hash, which nobody but the brokers can see."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListeningBed]:
    with allocated() as network, ListeningBed(tmp_path_factory.mktemp("listeners"), f"{network}.1") as bed:
        bed.with_names()
        yield bed


@pytest.fixture(scope="module")
def foreign(bed: ListeningBed) -> Iterator[dict[str, Foreign]]:
    with coming(bed) as clients:
        yield clients


def answered(bed: ListeningBed, port: int, tls: ssl.SSLContext | None, name: str) -> bytes:
    """What a bare CONNECT is answered."""
    with socket.create_connection((bed.host, port), SECONDS) as bare:
        one = bare if tls is None else tls.wrap_socket(bare, server_hostname=bed.host)
        with one:
            one.sendall(Connect(client_id=name.encode()).packet())
            return one.recv(4)


def presented(bed: ListeningBed, port: int) -> bytes:
    """The certificate that a client is shown there."""
    with (
        socket.create_connection((bed.host, port), SECONDS) as bare,
        bed.trusting().wrap_socket(bare, server_hostname=bed.host) as one,
    ):
        return one.getpeercert(binary_form=True) or b""


# -- as they come -------------------------------------------------------------------------------------------------------


def test_brokers_see_the_clients_address_and_the_name_in_its_certificate(
    bed: ListeningBed, foreign: dict[str, Foreign]
) -> None:
    seen = bed.clients_of("blue")
    assert seen["mutual"]["username"] == "device-1"
    assert seen["tls"]["username"] is None
    assert {name: seen[name]["listener"] for name in ("tls", *MASKED)} == {
        "tls": "tcp:default",
        **dict.fromkeys(MASKED, "ws:default"),
    }
    for name in ("tls", "mutual", "front"):
        client = foreign[name]
        assert isinstance(client, Paho)
        assert (seen[name]["ip_address"], seen[name]["port"]) == client.address, name


def test_what_is_served_is_told(bed: ListeningBed) -> None:
    assert parsed(bed.balancer.mqtt) == (bed.host, 1883)
    assert [(one.protocol, parsed(one.address).port) for one in bed.balancer.endpoints] == [
        (one["protocol"], one["port"]) for one in bed.listeners
    ]
    assert all((one.until is not None) == (one.protocol in {"mqtts", "wss"}) for one in bed.balancer.endpoints)
    assert bed.state["endpoints"] == bed.balancer.model_dump(mode="json")["endpoints"]


def test_who_has_no_certificate_or_a_strangers_is_turned_away(bed: ListeningBed) -> None:
    stranger = issued("device-1", issued("somebody else"))
    for device in (None, stranger):
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            assert answered(bed, MUTUAL, bed.trusting(device), "stranger") == b"turned away"
    assert answered(bed, MUTUAL, bed.trusting(bed.device("device-2")), "known") == CONNACK


def test_tls_is_1_2_at_least(bed: ListeningBed) -> None:
    context = bed.trusting()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert answered(bed, TLS, context, "old") == CONNACK
    context = bed.trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        answered(bed, TLS, context, "older")


@pytest.mark.parametrize("port", [PROXIED, WS])
def test_what_does_not_speak_as_the_listener_does_is_closed(bed: ListeningBed, port: int) -> None:
    try:
        assert answered(bed, port, None, "wrong") == b""
    except ConnectionResetError:
        return


def test_no_key_is_where_others_could_see_it(bed: ListeningBed) -> None:
    found = [bed.directory / "balancer", *(bed.directory / "balancer").rglob("*")]
    assert [f"{one} {one.lstat().st_mode:o}" for one in found if one.lstat().st_mode & 0o077] == []
    keys = {one.parent.name for one in found if one.is_file() and "PRIVATE KEY" in one.read_text(errors="replace")}
    assert keys == {"tls"}
    assert "PRIVATE KEY" not in str(bed.state)


# -- a certificate is renewed -------------------------------------------------------------------------------------------


def test_a_renewed_certificate_is_shown_to_who_comes_next_and_nobody_is_cut(
    bed: ListeningBed, foreign: dict[str, Foreign]
) -> None:
    assert not bed.up_balancer(), "nothing to do while it is the same"
    before = {port: presented(bed, port) for port in (TLS, WSS)}
    bed.devices.mark()
    fresh = bed.renew()
    assert bed.up_balancer()
    for port, shown in before.items():
        assert presented(bed, port) == der(fresh) != shown
    assert not bed.up_balancer()
    assert {name: one.disconnects for name, one in foreign.items()} == dict.fromkeys(foreign, 0)
    assert bed.devices.disconnects() == [0] * CLIENTS
    files = sorted(one.name for one in (bed.directory / "balancer" / "tls").iterdir())
    assert len(files) == 2, "the old one is gone, with its key"


def test_a_key_that_does_not_belong_is_refused_and_what_is_served_goes_on(
    bed: ListeningBed, foreign: dict[str, Foreign]
) -> None:
    key = Path(bed.files["key"])
    right = key.read_text()
    key.write_text(issued("other").key_text())
    try:
        with pytest.raises(Exception, match="another key than that of CN=front"):
            bed.up_balancer()
    finally:
        key.write_text(right)
    assert not bed.up_balancer()
    assert answered(bed, TLS, bed.trusting(), "after") == CONNACK


# -- a whole cutover ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("to", "mover"), [("green", "kick"), ("blue", "close")])
def test_through_a_whole_cutover_each_is_disconnected_once_and_who_is_masked_in_the_last_step(
    bed: ListeningBed, foreign: dict[str, Foreign], to: Colour, mover: Mover
) -> None:
    assert all(belongs(name, 1_000) for name in MASKED)
    bed.devices.mark()
    before = {name: one.disconnects for name, one in foreign.items()}

    def masked_are_where_they_were() -> None:
        assert set(MASKED) <= bed.clients_of(other(to)).keys()
        assert [foreign[name].disconnects - before[name] for name in MASKED] == [0, 0]

    bed.up(to, before={"shift-100": masked_are_where_they_were}, mover=mover)
    until(lambda: foreign.keys() <= bed.clients_of(to).keys())
    assert bed.devices.disconnects() == [1] * CLIENTS
    assert {name: one.disconnects - before[name] for name, one in foreign.items()} == dict.fromkeys(foreign, 1)
    assert bed.live()[other(to)] == 0
    assert bed.clients_of(to)["mutual"]["username"] == "device-1"
    for one in foreign.values():
        one.say(to.encode())
    until(lambda: all(one.heard[-1:] == [to.encode()] for one in foreign.values()))


def der(one: Issued) -> bytes:
    return ssl.PEM_cert_to_DER_cert(one.chain)
